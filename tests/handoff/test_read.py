"""RowStream: Parquet row ranges to NumPy, and the errors that name column and file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handoff.tables import LABELS, features_table, read_rows, write_table
from ringmill.errors import InputError, PlanError
from ringmill.handoff import read
from ringmill.handoff.columns import Columns, Input, Label
from ringmill.handoff.manifest import DataFile, Manifest, pin
from ringmill.handoff.plan import RowRange, row_ranges
from ringmill.handoff.read import group_sizes, rows_at_once
from ringmill.handoff.storage import open_file
from ringmill.lake.paths import open_path

GOOD = {
    "row_id": pa.array([4, 5, 6], pa.int64()),
    "x": pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float32())),
    "label_buy": pa.array([0.0, 1.0, 1.0]),
    "label_spend": pa.array([0.0, 10.5, 0.25]),
}
TWO = Columns(Input("x", (2,)), LABELS)


def weighing(no: float, yes: float) -> tuple[Label, ...]:
    return (Label("label_buy", "label_buy", weights=(no, yes)), LABELS[1])


def one_file(path: Path, columns: dict[str, pa.Array], *, group: int = 2) -> Manifest:
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return Manifest("t", 0, "train", (DataFile(str(path), 3, path.stat().st_size),))


@pytest.mark.parametrize("group", [1, 2, 3])
@pytest.mark.parametrize(("start", "stop"), [(0, 3), (0, 1), (1, 3), (2, 3), (1, 2)])
def test_a_range_is_decoded_from_the_row_groups_that_it_touches(
    tmp_path: Path, group: int, start: int, stop: int
) -> None:
    manifest = one_file(tmp_path / "f.parquet", GOOD, group=group)
    rows = read_rows(manifest, [RowRange(0, start, stop)], TWO)
    assert rows.row_id.tolist() == [4, 5, 6][start:stop]
    assert rows.x.tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]][start:stop]
    assert rows.labels["label_spend"].tolist() == [0.0, 10.5, 0.25][start:stop]
    assert (rows.x.dtype, rows.row_id.dtype) == (np.float32, np.int64)


def test_no_range_gives_no_rows_of_the_right_shape(tmp_path: Path) -> None:
    rows = read_rows(one_file(tmp_path / "f.parquet", GOOD), [], TWO)
    assert (len(rows), rows.x.shape) == (0, (0, 2))


@pytest.mark.parametrize("ranks", [1, 2, 5])
def test_law_4_ranks_together_decode_the_table_once(tmp_path: Path, ranks: int) -> None:
    parts = [features_table(40, seed=1), features_table(3, seed=2), features_table(1, seed=3)]
    manifest = pin(write_table(tmp_path / "t", *parts), 2, split="train")
    decoded = [
        read_rows(manifest, row_ranges(manifest, rank, ranks), Columns(Input("x", (3,)), LABELS))
        for rank in range(ranks)
    ]
    expected = pa.concat_tables(parts).filter(pa.compute.field("split") == "train")
    assert sorted(np.concatenate([rows.row_id for rows in decoded])) == sorted(expected["row_id"].to_pylist())
    assert sum(rows.x.sum() for rows in decoded) == pytest.approx(sum(map(sum, expected["x"].to_pylist())), rel=1e-5)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("x", pa.array([[1.0, 2.0], [3.0], [5.0, 6.0]], pa.list_(pa.float32())), "lists of 1, 2 numbers"),
        ("x", pa.array([[1.0, 2.0], None, [5.0, 6.0]], pa.list_(pa.float32())), "1 nulls"),
        ("x", pa.array([[1.0, 2.0], [3.0, None], [5.0, 6.0]], pa.list_(pa.float32())), "1 nulls"),
        ("x", pa.array([[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]], pa.list_(pa.float32())), "NaN or infinity"),
        ("label_buy", pa.array([0.0, None, 1.0]), "1 nulls"),
        ("label_spend", pa.array([0.0, np.inf, 1.0]), "NaN or infinity"),
        ("label_buy", pa.array(["0", "1", "1"]), "string"),
    ],
)
def test_law_10_a_bad_value_names_column_and_file(tmp_path: Path, column: str, values: pa.Array, message: str) -> None:
    manifest = one_file(tmp_path / "f.parquet", {**GOOD, column: values}, group=3)
    with pytest.raises(InputError, match=f"Column '{column}'") as error:
        read_rows(manifest, [RowRange(0, 0, 3)], TWO)
    assert message in error.value.received
    assert error.value.where == manifest.files[0].path


def test_law_10_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    columns = {name: values for name, values in GOOD.items() if name != "label_spend"}
    manifest = one_file(tmp_path / "f.parquet", columns)
    with pytest.raises(InputError, match="Column 'label_spend'") as error:
        read_rows(manifest, [RowRange(0, 0, 3)], TWO)
    assert error.value.received == "columns row_id, x, label_buy"


FLAT = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.float64())),
        pa.array([[1, 2], [3, 4], [5, 6]], pa.large_list(pa.float32())),
        pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.float32(), 2)),
        pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int16())),
    ],
    ids=["float64", "large_list", "fixed_size", "int16"],
)
@pytest.mark.parametrize("group", [1, 3])
def test_lists_of_every_kind_become_the_same_tensor(tmp_path: Path, column: pa.Array, group: int) -> None:
    manifest = one_file(tmp_path / "f.parquet", {**GOOD, "x": column}, group=group)
    assert read_rows(manifest, [RowRange(0, 0, 3)], TWO).x.ravel().tolist() == FLAT
    assert read_rows(manifest, [RowRange(0, 1, 2)], TWO).x.tolist() == [[3.0, 4.0]]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_bytes_become_unsigned_numbers_in_the_order_of_the_axes(tmp_path: Path, kind: pa.DataType) -> None:
    pixels = pa.array([bytes(range(6)), bytes(range(6, 12)), b"\xff" * 6], kind)
    manifest = one_file(tmp_path / "f.parquet", {**GOOD, "pixels": pixels})
    images = Columns(Input("pixels", (1, 2, 3), "uint8"), LABELS)
    rows = read_rows(manifest, [RowRange(0, 1, 3)], images)
    assert rows.x.dtype == np.uint8
    assert rows.x.tolist() == [list(range(6, 12)), [255] * 6]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pa.array([b"ab", None, b"cd"]), "1 nulls"),
        (pa.array([b"ab", b"abc", b"cd"]), "1 rows of other lengths"),
        (pa.array(["ab", "cd", "ef"]), "string"),
    ],
)
def test_law_10_bad_bytes_name_column_and_file(tmp_path: Path, values: pa.Array, message: str) -> None:
    manifest = one_file(tmp_path / "f.parquet", {**GOOD, "pixels": values}, group=3)
    with pytest.raises(InputError, match="Column 'pixels'") as error:
        read_rows(manifest, [RowRange(0, 0, 3)], Columns(Input("pixels", (2,), "uint8"), LABELS))
    assert message in error.value.received


IDS = Columns(Input("ids", (2,), "int32", ids=9), LABELS)


def test_ids_stay_whole_numbers(tmp_path: Path) -> None:
    ids = pa.array([[1, 0], [8, 2], [0, 0]], pa.list_(pa.int64()))
    rows = read_rows(one_file(tmp_path / "f.parquet", {**GOOD, "ids": ids}), [RowRange(0, 0, 3)], IDS)
    assert (rows.x.dtype, rows.x.tolist()) == (np.int32, [[1, 0], [8, 2], [0, 0]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1, 9], [0, 0], [0, 0]], "0 to 9"),
        ([[1, -1], [0, 0], [0, 0]], "-1 to 1"),
        ([[1.0, 0.5], [0.0, 0.0], [0.0, 0.0]], "double"),
        ([[1, 2, 3], [0, 0, 0], [0, 0, 0]], "lists of 3 numbers"),
        ([[1, None], [0, 0], [0, 0]], "1 nulls"),
        ([1, 2, 3], "int64"),
    ],
)
def test_law_10_what_are_no_ids_names_column_and_file(tmp_path: Path, values: list[Any], message: str) -> None:
    manifest = one_file(tmp_path / "f.parquet", {**GOOD, "ids": pa.array(values)}, group=3)
    with pytest.raises(InputError, match="Column 'ids'") as error:
        read_rows(manifest, [RowRange(0, 0, 3)], IDS)
    assert message in error.value.received


def test_a_single_number_is_a_list_of_one(tmp_path: Path) -> None:
    manifest = one_file(tmp_path / "f.parquet", GOOD)
    assert read_rows(manifest, [RowRange(0, 0, 3)], Columns(Input("label_spend", (1,)), LABELS)).x.tolist() == [
        [0.0],
        [10.5],
        [0.25],
    ]


def test_a_rows_weight_is_its_own_times_that_of_its_class(tmp_path: Path) -> None:
    manifest = one_file(tmp_path / "f.parquet", {**GOOD, "w": pa.array([0.5, 2.0, 0.0])})
    whole = [RowRange(0, 0, 3)]
    x = Input("x", (2,))
    assert read_rows(manifest, whole, Columns(x, LABELS)).weight.tolist() == [1.0, 1.0, 1.0]
    assert read_rows(manifest, whole, Columns(x, LABELS, "w")).weight.tolist() == [0.5, 2.0, 0.0]
    assert read_rows(manifest, whole, Columns(x, weighing(1.0, 3.0))).weight.tolist() == [1.0, 3.0, 3.0]
    assert read_rows(manifest, whole, Columns(x, weighing(10.0, 3.0), "w")).weight.tolist() == [5.0, 6.0, 0.0]


@pytest.mark.parametrize(("value", "message"), [(-0.5, "-0.5"), (np.nan, "NaN"), (None, "1 nulls")])
def test_law_10_a_bad_weight_names_column_and_file(tmp_path: Path, value: float | None, message: str) -> None:
    manifest = one_file(tmp_path / "f.parquet", {**GOOD, "w": pa.array([1.0, value, 1.0])}, group=3)
    with pytest.raises(InputError, match="Column 'w'") as error:
        read_rows(manifest, [RowRange(0, 0, 3)], Columns(Input("x", (2,)), LABELS, "w"))
    assert message in error.value.received


def test_a_number_beyond_the_inputs_range_is_not_taken_for_infinity(tmp_path: Path) -> None:
    wide = pa.array([[1.0, 2.0], [3.0, 1e300], [5.0, 6.0]], pa.list_(pa.float64()))
    manifest = one_file(tmp_path / "f.parquet", {**GOOD, "x": wide}, group=3)
    with pytest.raises(InputError, match="Column 'x'"):
        read_rows(manifest, [RowRange(0, 0, 3)], TWO)


def test_a_large_file_is_streamed_as_a_small_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = one_file(tmp_path / "f.parquet", GOOD, group=3)
    monkeypatch.setattr(read, "WHOLE_BYTES", 0)
    monkeypatch.setattr(read, "ROWS_AT_ONCE", 1)
    rows = read_rows(manifest, [RowRange(0, 1, 3), RowRange(0, 0, 1)], TWO)
    assert rows.row_id.tolist() == [5, 6, 4]
    assert rows.x.ravel().tolist() == [3.0, 4.0, 5.0, 6.0, 1.0, 2.0]


@pytest.mark.parametrize("inner", [pa.list_(pa.float32()), pa.list_(pa.float32(), 3)], ids=["list", "fixed_size"])
def test_nested_lists_become_a_tensor_with_an_axis_per_level(tmp_path: Path, inner: pa.DataType) -> None:
    nested = np.arange(18.0).reshape(3, 2, 3)
    manifest = one_file(tmp_path / "f.parquet", {**GOOD, "x": pa.array(nested.tolist(), pa.list_(inner))})
    rows = read_rows(manifest, [RowRange(0, 1, 3)], Columns(Input("x", (2, 3)), LABELS))
    assert (rows.x.reshape(2, 2, 3) == nested[1:]).all()


@pytest.mark.parametrize(
    ("values", "shape", "message"),
    [
        ([[[1.0], [2.0]]] * 3, (2, 3), "lists of 1 numbers"),
        ([[[1.0], [2.0]]] * 3, (3, 1), "lists of 2 numbers"),
        ([[[1.0], None]] * 3, (2, 1), "3 nulls"),
        ([[[1.0], [None]]] * 3, (2, 1), "3 nulls"),
        ([[[1.0], [2.0]]] * 3, (2,), "list<"),
        ([[[1.0], [2.0]]] * 3, (2, 1, 1), "list<"),
    ],
)
def test_law_10_nested_lists_of_another_shape_name_column_and_file(
    tmp_path: Path, values: list[object], shape: tuple[int, ...], message: str
) -> None:
    kind = pa.list_(pa.list_(pa.float32()))
    manifest = one_file(tmp_path / "f.parquet", {**GOOD, "x": pa.array(values, kind)}, group=3)
    with pytest.raises(InputError, match="Column 'x'") as error:
        read_rows(manifest, [RowRange(0, 0, 3)], Columns(Input("x", shape), LABELS))
    assert message in error.value.received


def test_a_file_with_another_number_of_rows_than_the_log_says_is_named(tmp_path: Path) -> None:
    manifest = one_file(tmp_path / "f.parquet", GOOD)
    claimed = replace(manifest, files=(replace(manifest.files[0], rows=4),))
    for look in (lambda: read_rows(claimed, [RowRange(0, 0, 4)], TWO), lambda: group_sizes(claimed, 0, 1)):
        with pytest.raises(InputError, match="4 rows, as the log says") as error:
            look()
        assert error.value.where == manifest.files[0].path


@pytest.mark.parametrize(("shape", "rows"), [((32,), 2**15), ((28, 28, 1), 2**15), ((320, 320, 3), 109)])
def test_so_many_rows_are_decoded_at_once_that_they_are_at_most_32_mib(shape: tuple[int, ...], rows: int) -> None:
    columns = Columns(Input("pixels", shape, "uint8"), LABELS)
    assert rows_at_once(columns) == rows
    assert rows_at_once(columns) * columns.row_bytes <= 2**25


def test_a_file_by_uri_is_read_as_by_its_path(tmp_path: Path) -> None:
    manifest = one_file(tmp_path / "part.parquet", GOOD)
    there = replace(manifest.files[0], path=(tmp_path / "part.parquet").as_uri())
    by_uri = replace(manifest, files=(there,))
    ranges = [RowRange(0, 0, 3)]
    np.testing.assert_array_equal(read_rows(by_uri, ranges, TWO).x, read_rows(manifest, ranges, TWO).x)


@pytest.mark.parametrize("path", ["dbfs:/gone", "dbfs://gone", "file:///gone/part.parquet"])
def test_what_cannot_be_opened_is_one_error_that_names_it(path: str) -> None:
    with pytest.raises(PlanError, match="file of the pinned table version cannot be read") as caught:
        open_file(path)
    assert path in str(caught.value)


def test_spark_s_names_for_s3_are_pyarrow_s() -> None:
    # A bucket's region is asked for where it is not given: no network is needed here.
    for scheme in ("s3", "s3a", "s3n"):
        system, inner = open_path(f"{scheme}://bucket/part?region=eu-west-1")
        assert (system.type_name, inner) == ("s3", "bucket/part")
