"""check_contract: what a pinned version must hold before training starts; every message names column and version."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from handoff.tables import features_table, write_table
from ringmill.errors import InputError
from ringmill.handoff.contract import Contract, Promise, Tensor, check_contract
from ringmill.handoff.manifest import pin

CONTRACT = Contract(
    table="features/customers",
    columns=(
        Promise("row_id", "bigint", False),
        Promise("x", "array<float>", False),
        Promise("label_buy", "double", False),
        Promise("label_spend", "double", False),
    ),
    inputs=(Promise("order_count", "double", False),),
    tensors=(
        Tensor("row_id", "row_id", (), "int64"),
        Tensor("x", "x", (3,), "float32"),
        Tensor("label_buy", "label_buy", (), "float64"),
        Tensor("label_spend", "label_spend", (), "float64"),
    ),
    features=("a", "b", "c"),
    state="0" * 64,
    vocabularies={},
)
ROWS = features_table(20)


def check(tmp_path, table, contract=CONTRACT):
    path = write_table(tmp_path / "t", table)
    check_contract(contract, path, 0, [pin(path, 0, split=split) for split in ("train", "validation", "test")])


def changed(name, values, kind):
    return ROWS.set_column(ROWS.column_names.index(name), name, pa.array(values, kind))


def test_what_the_stage_writes_passes_and_the_manifest_travels_as_json(tmp_path):
    check(tmp_path, ROWS, Contract.from_json(json.loads(json.dumps(CONTRACT.to_json()))))
    assert Contract.from_json(CONTRACT.to_json()) == CONTRACT


def x_with(place, value):
    rows = [list(row) for row in ROWS["x"].to_pylist()]
    rows[place] = value
    return changed("x", rows, pa.list_(pa.float32()))


LISTS = "lists of 3 finite numbers"


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        (ROWS.drop_columns(["label_spend"]), "label_spend", "a column of that name, double[\\s\\S]*20 rows"),
        (changed("label_buy", [1] * 20, pa.int64()), "label_buy", "type double[\\s\\S]*type long; 20 rows"),
        (changed("x", [[1.0]] * 20, pa.list_(pa.float64())), "x", "type array<float>[\\s\\S]*array<double>"),
        (changed("label_buy", [None, np.nan, np.inf] + [1.0] * 17, pa.float64()), "label_buy", "in 3 of 20 rows"),
        (changed("row_id", [None] + [1] * 19, pa.int64()), "row_id", "in 1 of 20 rows"),
        (x_with(0, None), "x", f"{LISTS}[\\s\\S]*in 1 of 20 rows"),
        (x_with(1, [1.0, 2.0]), "x", f"{LISTS}[\\s\\S]*in 1 of 20 rows"),
        (x_with(19, [1.0, float("nan"), float("nan")]), "x", f"{LISTS}[\\s\\S]*in 1 of 20 rows"),
        (x_with(5, [1.0, None, 2.0]), "x", f"{LISTS}[\\s\\S]*in 1 of 20 rows"),
    ],
)
def test_what_differs_names_column_table_version_and_rows(tmp_path, table, column, words):
    with pytest.raises(InputError, match=f"'{column}'[\\s\\S]*t, version 0[\\s\\S]*{words}"):
        check(tmp_path, table)


TOTALS = replace(
    CONTRACT,
    columns=(
        *CONTRACT.columns,
        Promise("spend", "double", False),
        Promise("gap", "float", True),
        Promise("gaps", "array<double>", True),
        Promise("who", "string", False),
        Promise("since", "date", False),
        Promise("split", "string", False),
    ),
)


def with_totals(spend=0.0, gap=0.0, gaps=(0.0,), who="ann", since=date(2024, 4, 1)):
    """Two rows that hold what is given, others nothing that matters."""
    return (
        ROWS.append_column("spend", pa.array([spend] * 2 + [np.inf] * 18, pa.float64()))
        .append_column("gap", pa.array([gap] * 2 + [None] * 18, pa.float32()))
        .append_column("gaps", pa.array([gaps] * 2 + [None, [], [1.0, None]] * 6, pa.list_(pa.float64())))
        .append_column("who", pa.array([who] * 2 + ["bob"] * 18))
        .append_column("since", pa.array([since] * 2 + [date(2024, 5, 1)] * 18))
    )


@pytest.mark.parametrize(
    ("held", "column", "words"),
    [
        ({"spend": np.nan}, "spend", "a number, not NaN, in every row[^,]"),
        ({"spend": None}, "spend", "a number, not NaN, in every row[^,]"),
        ({"gap": np.nan}, "gap", "a number, not NaN, in every row, or null"),
        ({"gaps": [1.0, np.nan, np.nan]}, "gaps", "a list without NaN in every row, or null"),
        ({"who": None}, "who", "a value in every row[^,]"),
        ({"since": None}, "since", "a value in every row[^,]"),
    ],
)
def test_nan_is_refused_in_a_column_that_is_no_tensor_and_null_as_its_promise_says(tmp_path, held, column, words):
    check(tmp_path / "whole", with_totals(), TOTALS)
    with pytest.raises(InputError, match=f"'{column}'[\\s\\S]*t, version 0[\\s\\S]*{words}[\\s\\S]*in 2 of 20 rows"):
        check(tmp_path, with_totals(**held), TOTALS)


BESIDE = replace(
    CONTRACT,
    columns=(*CONTRACT.columns, Promise("ids", "array<int>", False), Promise("mask", "array<tinyint>", False)),
    tensors=(*CONTRACT.tensors, Tensor("ids", "ids", (2, 2), "int32"), Tensor("mask", "mask", (4,), "int8")),
)


def with_lists(ids=(1, 2, 3, 4), mask=(1, 1, 0, 0)):
    return ROWS.append_column("ids", pa.array([ids] + [(1, 2, 3, 4)] * 19, pa.list_(pa.int32()))).append_column(
        "mask", pa.array([(1, 1, 0, 0)] * 19 + [mask], pa.list_(pa.int8()))
    )


@pytest.mark.parametrize(
    ("held", "column"),
    [
        ({"ids": (1, 2, 3)}, "ids"),
        ({"ids": (1, None, 3, 4)}, "ids"),
        ({"ids": None}, "ids"),
        ({"mask": (1, 1, 0, 0, 0)}, "mask"),
        ({"mask": (None, 1, 0, 0)}, "mask"),
    ],
)
def test_a_bad_row_of_a_tensor_beside_x_is_found(tmp_path, held, column):
    check(tmp_path / "whole", with_lists(), BESIDE)
    with pytest.raises(InputError, match=r"lists of 4 finite numbers[\s\S]*in 1 of 20 rows") as caught:
        check(tmp_path, with_lists(**held), BESIDE)
    assert f"'{column}'" in caught.value.what


def test_another_width_than_the_states_is_found_in_every_row(tmp_path):
    wider = replace(CONTRACT, tensors=tuple(replace(t, shape=(4,)) if t.name == "x" else t for t in CONTRACT.tensors))
    with pytest.raises(InputError, match=r"lists of 4 finite numbers[\s\S]*in 20 of 20 rows"):
        check(tmp_path, ROWS, wider)


PIXELS = replace(
    CONTRACT,
    columns=(*CONTRACT.columns[:1], Promise("pixels", "binary", True), Promise("label", "string", True)),
    tensors=(Tensor("pixels", "pixels", (2, 2, 1), "uint8"),),
)


def pictures(pixels, kind=None):
    rows = ROWS.select(["row_id", "split"]).append_column("pixels", pa.array(pixels, kind or pa.binary()))
    return rows.append_column("label", pa.array(["a"] * 20))


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        (pictures([b"abcd"] * 20).drop_columns("label"), "label", "a column of that name, string[\\s\\S]*20 rows"),
        (pictures(["abcd"] * 20, pa.string()), "pixels", "type binary[\\s\\S]*type string; 20 rows"),
        (
            pictures([b"abc", None, b"", b"abcde"] + [b"abcd"] * 16),
            "pixels",
            "4 bytes in every row[\\s\\S]*4 of 20 rows",
        ),
    ],
    ids=["missing", "another type", "another length"],
)
def test_a_table_of_images_that_breaks_its_contract_is_named(tmp_path, table, column, words):
    check(tmp_path / "whole", pictures([b"abcd"] * 20), PIXELS)
    with pytest.raises(InputError, match=words) as caught:
        check(tmp_path, table, PIXELS)
    assert f"'{column}'" in caught.value.what
    assert "version 0" in caught.value.where
