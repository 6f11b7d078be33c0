"""Raw input: found and checked without a JVM, read as text without losing a byte."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from ringmill.config.raw import Raw
from ringmill.errors import InputError, WarehouseError
from ringmill.lake.files import batch_of, find_source, fingerprint, looked_through
from ringmill.lake.raw import read_raw
from ringmill.lake.written import mark_done, was_done

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COLUMNS = {name: name for name in ("order_id", "product_id", "quantity", "unit_price", "customer_id", "ordered_at")}
HEADER = b",".join(name.encode() for name in COLUMNS) + b"\n"
LINE = b"1,A,2,3.5,c1,2024-01-05 10:00:00\n"


def raw_at(path: Path | str, **settings: object) -> Raw:
    return Raw.model_validate({"path": str(path), "columns": COLUMNS} | settings)


def read(spark: SparkSession, raw: Raw) -> list[dict[str, str]]:
    return [row.asDict() for row in read_raw(spark, find_source(raw)).collect()]


def test_a_path_with_nothing_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "no.csv", tmp_path / "*.csv", tmp_path / "none" / "*.csv"):
        with pytest.raises(InputError, match="There is no raw input") as caught:
            find_source(raw_at(path))
        assert caught.value.where == str(path)


@pytest.mark.parametrize("content", [b"", b"\n\n", HEADER, HEADER + b"\n"])
def test_an_empty_file_and_one_with_only_a_header_hold_no_rows(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "orders.csv").write_bytes(content)
    with pytest.raises(InputError, match="holds no rows"):
        find_source(raw_at(tmp_path / "orders.csv"))


def test_an_empty_parquet_file_and_an_empty_json_file_hold_no_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({name: pa.array([], pa.string()) for name in COLUMNS}), tmp_path / "o.parquet")
    (tmp_path / "o.jsonl").touch()
    for name in ("o.parquet", "o.jsonl"):
        with pytest.raises(InputError, match="holds no rows"):
            find_source(raw_at(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "content"),
    [("b.csv", b""), ("b.csv", b"\n\n\r\n"), ("b.csv.gz", b""), ("b.csv.gz", gzip.compress(b"", mtime=0))],
)
def test_an_empty_file_beside_others_is_named_or_put_aside_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(HEADER + LINE)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="holds no rows") as caught:
        find_source(raw_at(tmp_path))
    assert caught.value.where == str(tmp_path / name)
    found = find_source(raw_at(tmp_path, bad_files="quarantine"))
    assert ([file.name for file in found.files], [file.name for file in found.refused]) == (["a.csv"], [name])
    # A header is what a day without an order has.
    (tmp_path / name).write_bytes(gzip.compress(HEADER) if name.endswith(".gz") else HEADER)
    assert len(find_source(raw_at(tmp_path)).files) == 2


@pytest.mark.parametrize(("name", "content"), [("b.csv", b""), ("b.csv.gz", gzip.compress(b"", mtime=0))])
def test_an_empty_file_can_be_passed_over_and_a_damaged_one_beside_it_cannot(
    tmp_path: Path, name: str, content: bytes
) -> None:
    # What Spark leaves in a folder: a file for each partition, sums beside them, and a mark that it is done.
    for other in ("_SUCCESS", "._SUCCESS.crc", ".a.csv.crc"):
        (tmp_path / other).write_bytes(b"crc")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="holds no rows"):
        find_source(raw_at(tmp_path), empty_files="ignore")
    (tmp_path / "a.csv").write_bytes(HEADER + LINE)
    found = find_source(raw_at(tmp_path), empty_files="ignore")
    assert ([file.name for file in found.files], found.refused) == (["a.csv"], ())
    (tmp_path / "c.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match=r"c\.csv\.gz"):
        find_source(raw_at(tmp_path), empty_files="ignore")


def test_an_empty_parquet_file_is_no_file_of_no_row(tmp_path: Path) -> None:
    pq.write_table(pa.table({name: ["1"] for name in COLUMNS}), tmp_path / "a.parquet")
    (tmp_path / "b.parquet").touch()
    with pytest.raises(InputError, match=r"b\.parquet"):
        find_source(raw_at(tmp_path), empty_files="ignore")


def test_a_renamed_column_is_an_error_that_names_the_near_one(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_bytes(HEADER.replace(b"quantity", b"Quantitys") + LINE)
    with pytest.raises(InputError, match="Columns are missing: quantity") as caught:
        find_source(raw_at(tmp_path / "orders.csv"))
    assert "'quantity' may be 'Quantitys'" in caught.value.todo
    assert "ordered_at" in caught.value.received


def test_a_first_line_of_values_is_no_header_and_is_not_said_where_they_may_be_personal(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(HEADER + LINE)
    (tmp_path / "b.csv").write_bytes(b"jane@x.org,17850,quantity-7\njoe@x.org,17851,3\n")
    ignoring = {"drift": {"missing": "ignore"}}
    for raw in (raw_at(tmp_path), raw_at(tmp_path, **ignoring)):
        with pytest.raises(InputError, match="jane@x"):
            find_source(raw)
        with pytest.raises(InputError, match="Columns are missing: customer_id, order_id") as caught:
            find_source(raw, personal=["customer_id"])
        told = str(caught.value)
        assert "columns 3 that may be values of a file without a header, and are withheld" in told
        assert not any(value in told for value in ("jane", "17850", "quantity-7"))
    (refused,) = find_source(raw_at(tmp_path, bad_files="quarantine", **ignoring), personal=["customer_id"]).refused
    assert "columns 3 that" in refused.reason and "jane" not in refused.reason
    # Of a header that lacks a column, what is mapped is said.
    (tmp_path / "b.csv").write_bytes(HEADER.replace(b"quantity", b"Quantitys") + LINE)
    with pytest.raises(InputError, match="Columns are missing: quantity") as caught:
        find_source(raw_at(tmp_path), personal=["customer_id"])
    assert "columns order_id, product_id, unit_price, customer_id, ordered_at, 1 that may" in caught.value.received
    assert "Quantitys" not in str(caught.value)
    (tmp_path / "b.csv").write_bytes(HEADER.replace(b"\n", b",Jane,jane\n") + LINE)
    with pytest.raises(InputError, match="cannot be told") as caught:
        find_source(raw_at(tmp_path), personal=["customer_id"])
    assert "jane" not in str(caught.value).lower()


def test_gzip_that_spark_would_not_unpack_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "A.CSV.gz").write_bytes(gzip.compress(HEADER + LINE))
    (tmp_path / "B.CSV.GZ").write_bytes(gzip.compress(HEADER + LINE))
    with pytest.raises(InputError, match=r"'\.gz'") as caught:
        find_source(raw_at(tmp_path))
    assert caught.value.where == str(tmp_path / "B.CSV.GZ")
    source = find_source(raw_at(tmp_path, bad_files="quarantine"))
    assert [file.name for file in source.files] == ["A.CSV.gz"]
    assert [refused.name for refused in source.refused] == ["B.CSV.GZ"]


def test_a_column_missing_in_one_file_of_a_folder_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(HEADER + LINE)
    (tmp_path / "b.csv").write_bytes(HEADER.replace(b",ordered_at", b"") + LINE)
    with pytest.raises(InputError, match="ordered_at") as caught:
        find_source(raw_at(tmp_path))
    assert caught.value.where == str(tmp_path / "b.csv")


def test_a_file_of_unknown_kind_is_named_and_never_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(HEADER + LINE)
    (tmp_path / "notes.xlsx").write_bytes(b"?")
    with pytest.raises(InputError, match="format") as caught:
        find_source(raw_at(tmp_path))
    assert "notes.xlsx" in str(caught.value)
    assert find_source(raw_at(tmp_path / "*.csv")).format == "csv"


def test_two_formats_in_one_folder_and_a_file_that_is_no_parquet_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(HEADER + LINE)
    (tmp_path / "b.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="several formats"):
        find_source(raw_at(tmp_path))
    with pytest.raises(InputError, match="cannot be read"):
        find_source(raw_at(tmp_path / "a.csv", format="parquet"))


def test_json_that_is_no_json_lines_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[\n{"order_id": 1}\n]\n'.replace('{"order_id": 1}', "1"))
    with pytest.raises(InputError, match="no line is a JSON object"):
        find_source(raw_at(tmp_path / "a.json"))
    (tmp_path / "b.jsonl").write_text("\njane@x.org,17850,1\njoe@x.org,17851,2\n")
    with pytest.raises(InputError, match="of the first 2 that are not blank") as caught:
        find_source(raw_at(tmp_path / "b.jsonl"))
    assert "jane" not in str(caught.value)


def test_names_that_spark_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(HEADER.replace(b"\n", b",Quantity\n") + LINE)
    with pytest.raises(InputError, match="'Quantity' cannot be told from 'quantity'"):
        find_source(raw_at(tmp_path / "a.csv"))
    (tmp_path / "a.csv").write_bytes(HEADER.replace(b"\n", b",source_file\n") + LINE)
    with pytest.raises(InputError, match="source_file"):
        find_source(raw_at(tmp_path / "a.csv"))


def test_files_are_found_in_folders_by_globs_and_uris_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("2024/jan.csv", "2024/feb.csv", "2025/jan.csv", "_tmp/x.csv", "2024/.jan.csv.crc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(HEADER + LINE)

    def names(path: str) -> list[str]:
        return [file.name for file in find_source(raw_at(path)).files]

    assert names(str(tmp_path)) == ["2024/feb.csv", "2024/jan.csv", "2025/jan.csv"]
    assert names(f"{tmp_path}/*/jan.csv") == ["2024/jan.csv", "2025/jan.csv"]
    assert names(f"{tmp_path}/2024/jan.csv") == ["jan.csv"]
    assert names(tmp_path.as_uri()) == names(str(tmp_path))


def test_law_3_the_fingerprint_changes_with_a_byte_and_not_with_the_place(tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.csv").write_bytes(HEADER + LINE)
    one, two = (fingerprint(find_source(raw_at(tmp_path / place))) for place in ("one", "two"))
    assert one == two
    assert one[0].bytes == len(HEADER + LINE)
    raw = raw_at(tmp_path / "two")
    assert batch_of(raw, one) == batch_of(raw, two) != batch_of(raw, ())
    (tmp_path / "two" / "a.csv").write_bytes(HEADER + LINE.replace(b"2", b"3", 1))
    assert fingerprint(find_source(raw)) != one
    assert batch_of(raw_at(tmp_path, batch="monday"), one) == "monday"


def test_law_3_a_delta_tables_fingerprint_is_its_version(tmp_path: Path) -> None:
    rows = pa.table({name: ["1"] for name in COLUMNS})
    write_deltalake(str(tmp_path / "t"), rows)
    before = find_source(raw_at(tmp_path / "t"))
    write_deltalake(str(tmp_path / "t"), rows, mode="append")
    after = find_source(raw_at(tmp_path / "t"))
    assert (before.version, after.version) == (0, 1)
    assert fingerprint(before) != fingerprint(after)


def test_a_folder_is_done_only_under_the_key_it_was_marked_with(tmp_path: Path) -> None:
    assert not was_done(str(tmp_path / "x"), "k")
    mark_done(str(tmp_path / "x"), "k")
    assert was_done(str(tmp_path / "x"), "k")
    assert not was_done(str(tmp_path / "x"), "other")
    mark_done(str(tmp_path / "x"), None)
    assert not was_done(str(tmp_path / "x"), "k")
    (tmp_path / "file").touch()
    with pytest.raises(WarehouseError, match="cannot be written"):
        mark_done(str(tmp_path / "file" / "x"), "k")


@pytest.mark.spark
def test_one_file_holds_two_encodings_and_torn_lines_keep_their_text(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "a b+c[1].csv"
    path.write_bytes(
        HEADER
        + "1,Café,2,3.5,c1,t\n".encode()
        + "2,Café €,2,3.5,c1,t\n".encode("cp1252")
        + b'3,"a ""b"", c",,3.5,c1,t\n'
        + b"4,torn\n"
        + "5,Ünfinished,2\n".encode("cp1252")
        + b"6,A,2,3.5,c1,t,one too many\n"
    )
    rows = {row["order_id"]: row for row in read(spark, raw_at(path)) if row["_torn"] is None}
    torn = [row["_torn"] for row in read(spark, raw_at(path)) if row["_torn"] is not None]
    assert {key: row["product_id"] for key, row in rows.items()} == {"1": "Café", "2": "Café €", "3": 'a "b", c'}
    assert {key: row["_repaired"] for key, row in rows.items()} == {"1": False, "2": True, "3": False}
    assert rows["3"]["quantity"] is None
    assert sorted(torn) == ["4,torn", "5,Ünfinished,2", "6,A,2,3.5,c1,t,one too many"]
    assert {row["source_file"] for row in rows.values()} == {"a b+c[1].csv"}


@pytest.mark.spark
def test_every_byte_of_windows_1252_is_read_as_python_reads_it(spark: SparkSession, tmp_path: Path) -> None:
    defined = [byte for byte in range(0x80, 0x100) if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)]
    lines = b"".join(b"%d,x%c!,1,1,c,t\n" % (byte, byte) for byte in defined)
    (tmp_path / "a.csv").write_bytes(HEADER + lines)
    found = {int(row["order_id"]): row["product_id"] for row in read(spark, raw_at(tmp_path / "a.csv"))}
    assert found == {byte: f"x{bytes([byte]).decode('cp1252')}!" for byte in defined}


@pytest.mark.spark
def test_each_csv_file_is_read_by_its_own_header(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(HEADER + LINE)
    (tmp_path / "b.csv").write_bytes(
        b"customer_id,extra,ordered_at,order_id,product_id,quantity,unit_price\nc2,more,t,2,B,9,1\n"
    )
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + HEADER + LINE.replace(b"1,A", b"3,C")))
    (tmp_path / "d.csv").write_bytes(b"")
    # An empty file has no header to be read by: it is named, or put aside by name.
    with pytest.raises(InputError, match=r"holds no rows[\s\S]*d\.csv"):
        find_source(raw_at(tmp_path))
    raw = raw_at(tmp_path, bad_files="quarantine")
    assert [refused.name for refused in find_source(raw).refused] == ["d.csv"]
    rows = {row["order_id"]: row for row in read(spark, raw)}
    assert (rows["1"]["customer_id"], rows["2"]["customer_id"], rows["3"]["product_id"]) == ("c1", "c2", "C")
    assert (rows["2"]["quantity"], rows["2"]["extra"], rows["1"]["extra"]) == ("9", "more", None)
    assert rows["3"]["source_file"] == "c.csv.gz"


@pytest.mark.spark
def test_json_lines_keep_numbers_as_written_and_torn_lines(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {"order_id": 1, "product_id": "é", "quantity": 2, "unit_price": 3.50, "customer_id": 13069.0}
    lines = [json.dumps(whole | {"ordered_at": None}), '{"order_id": 2, "product', json.dumps(whole | {"order_id": 3})]
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="ordered_at"):
        (tmp_path / "b.jsonl").write_text(lines[2] + "\n")
        find_source(raw_at(tmp_path / "b.jsonl"))
    rows = {row["order_id"]: row for row in read(spark, raw_at(tmp_path / "a.jsonl"))}
    assert (rows["1"]["customer_id"], rows["1"]["unit_price"], rows["3"]["ordered_at"]) == ("13069.0", "3.5", None)
    assert rows[None]["_torn"] == lines[1]
    # A key behind the lines that are looked at is known once the file is read to its end.
    monkeypatch.setattr("ringmill.lake.look.JSON_LINES_LOOKED_AT", 1)
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, json.dumps(whole | {"order_id": 4, "note": [1]})]))
    source, _ = looked_through(find_source(raw_at(tmp_path / "a.jsonl")), "a.jsonl")
    notes = {row["order_id"]: row["note"] for row in read_raw(spark, source).collect()}
    assert notes == {"1": None, None: None, "3": None, "4": "[1]"}


@pytest.mark.spark
@pytest.mark.parametrize("form", ["parquet", "delta"])
def test_typed_sources_become_text_without_loss(spark: SparkSession, tmp_path: Path, form: str) -> None:
    moment = datetime(2024, 3, 31, 1, 30, 0, 250_000)
    table = pa.table(
        {
            "order_id": pa.array([1, None], pa.int64()),
            "product_id": ["A", "b "],
            "quantity": pa.array([2, None], pa.int32()),
            "unit_price": [0.1, 1e-5],
            "customer_id": pa.array([12_345_678.0, float("nan")]),
            "ordered_at": pa.array([moment, moment.replace(microsecond=0)], pa.timestamp("us")),
            "known": pa.array([moment.replace(tzinfo=UTC), None], pa.timestamp("us", "UTC")),
        }
    )
    path = tmp_path / "a.parquet"
    if form == "parquet":
        nanos = table.set_column(5, "ordered_at", table["ordered_at"].cast(pa.timestamp("ns")))
        pq.write_table(nanos, path)  # as pandas writes it
    else:
        write_deltalake(str(path), table)
    rows = {row["product_id"]: row for row in read(spark, raw_at(path))}
    first, second = rows["A"], rows["b "]
    assert (first["order_id"], first["quantity"], first["unit_price"], first["customer_id"]) == (
        "1",
        "2",
        "0.1",
        "12345678",
    )
    assert (first["ordered_at"], first["known"]) == ("2024-03-31 01:30:00.25", "2024-03-31 01:30:00.25Z")
    assert (second["order_id"], second["customer_id"], second["known"]) == (None, None, None)
    assert (float(second["unit_price"]), second["ordered_at"]) == (1e-5, "2024-03-31 01:30:00")
    assert (first["_torn"], first["_repaired"]) == (None, False)


@pytest.mark.spark
def test_parquet_files_of_other_types_are_read_each_by_its_own(spark: SparkSession, tmp_path: Path) -> None:
    for name, customer in (("a", pa.array([7], pa.int64())), ("b", pa.array([7.0])), ("c", pa.array(["7"]))):
        columns = {column: pa.array(["1"]) for column in COLUMNS} | {"customer_id": customer}
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    assert [row["customer_id"] for row in read(spark, raw_at(tmp_path))] == ["7", "7", "7"]
