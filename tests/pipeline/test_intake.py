"""What clean takes of files that change, break and are whole again. No JVM: the ledger's rows are written by hand."""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ringmill.config import load
from ringmill.errors import InputError
from ringmill.lake.files import fingerprint
from ringmill.lake.ledger import Entry
from ringmill.pipeline.clean import _references
from ringmill.pipeline.intake import Intake, take_in

CONF = Path(__file__).parents[2] / "conf" / "online_retail.yaml"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


def text(pieces: int) -> bytes:
    return f"{HEADER}\n1,A,thing,{pieces},2011-12-01 10:00:00,1.5,7,France\n".encode()


def configured(raw: Path, *settings: str) -> Any:
    asked = ("raw.batches=files", *settings)
    return load(CONF, asked, raw=str(raw), warehouse=str(raw.parent / "lake"))


def published(taken: Intake) -> Entry:
    """What the ledger keeps of an intake whose new files were read to their ends."""
    before = taken.base.laws["law 1"]["batches"] if taken.base else {}
    return Entry(
        *("r1", "shop", "clean", "published", "k", "c"),
        configuration={"raw": {"batches": "files"}},
        inputs={"raw": [asdict(entry) for entry in taken.entries]},
        laws={"law 1": {"batches": before | {name: {"raw": 1} for name in taken.new}}},
        detail=taken.detail,
    )


def test_a_taken_file_that_is_damaged_for_one_run_is_not_taken_twice(raw: Path) -> None:
    config, packed = configured(raw, "raw.bad_files=quarantine"), gzip.compress(text(2) * 50)
    (raw / "day1.csv.gz").write_bytes(packed)
    first = published(take_in(config, None, base=None))
    (raw / "day1.csv.gz").write_bytes(packed[:-20])
    (raw / "day2.csv").write_bytes(text(3))
    (raw / "day3.csv.gz").write_bytes(packed[:-20])
    second = take_in(config, first, base=first)
    assert [refused.name for refused in second.source.refused] == ["day1.csv.gz", "day3.csv.gz"]
    assert (second.new, [entry.name for entry in second.entries]) == (("day2.csv",), ["day1.csv.gz", "day2.csv"])
    for name in ("day1.csv.gz", "day3.csv.gz"):
        (raw / name).write_bytes(packed)
    third = take_in(config, published(second), base=published(second))
    # What was never read is taken now; what was read stays taken.
    assert third.new == ("day3.csv.gz",)


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file_that_is_the_only_new_one_is_named_or_put_aside(raw: Path, content: bytes) -> None:
    (raw / "1.csv").write_bytes(text(2))
    first = published(take_in(configured(raw), None, base=None))
    (raw / "2.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"(?s)holds no rows.*2\.csv"):
        take_in(configured(raw), first, base=first)
    second = take_in(configured(raw, "raw.bad_files=quarantine"), first, base=first)
    assert (second.new, [refused.name for refused in second.source.refused]) == ((), ["2.csv"])


def test_a_table_that_a_rule_refers_to_is_whole_whatever_raw_input_may_lack(raw: Path, tmp_path: Path) -> None:
    others = tmp_path / "countries"
    others.mkdir()
    rule = f"{{name: odd_country, column: country, references: {{path: {others}, column: name}}}}"
    config = configured(
        raw, "raw.bad_files=quarantine", "raw.drift.missing=ignore", "raw.drift.new=fail", f"clean.rules=[{rule}]"
    )
    (others / "a.csv").write_text("name,code\nFrance,FR\n")
    # Nothing is lacking where there was nothing: Spark itself writes such a file. One that lost its end is another.
    (others / "b.csv").touch()
    assert [file.name for file in _references(config)["odd_country"].files] == ["a.csv"]
    (others / "c.csv.gz").write_bytes(b"")
    (others / "d.csv.gz").write_bytes(gzip.compress(b"name\nSpain\n" * 50)[:-20])
    with pytest.raises(InputError, match=r"d\.csv\.gz"):
        fingerprint(_references(config)["odd_country"])
    (others / "d.csv.gz").unlink()
    (others / "b.csv").write_text("country\nSpain\n")
    with pytest.raises(InputError, match=r"(?s)Columns are missing: name.*b\.csv"):
        _references(config)
    (others / "b.csv").write_text("name\nSpain\n")
    assert [file.name for file in _references(config)["odd_country"].files] == ["a.csv", "b.csv"]


def test_an_edit_of_equal_size_is_told_in_every_run_until_all_is_cleaned_anew(raw: Path) -> None:
    config, files = configured(raw, "raw.changed_files=ignore"), [raw / f"{number}.csv" for number in range(1, 4)]
    files[0].write_bytes(text(2))
    first = published(take_in(config, None, base=None))
    files[0].write_bytes(text(3))
    files[1].write_bytes(text(4))
    second = take_in(config, first, base=first)
    assert (second.new, second.detail["changed_files"]) == (("2.csv",), ["1.csv"])
    assert second.inputs["raw"][0] == first.inputs["raw"][0] != second.inputs["changed"][0]
    files[2].write_bytes(text(5))
    last = published(second)
    third = take_in(config, last, base=last)
    assert (third.new, third.detail["changed_files"]) == (("3.csv",), ["1.csv"])
    with pytest.raises(InputError, match=r"(?s)other contents now.*1\.csv"):
        take_in(configured(raw), last, base=last)
    # Old rows cannot be kept where all is cleaned anew: what is taken is said, and then it is taken.
    anew = take_in(config, last, base=None)
    assert (list(anew.told()), "changed" in anew.inputs) == (
        ["1.csv has other contents than when it was taken: taken anew, with all others"],
        False,
    )
    assert take_in(config, published(anew), base=published(anew)).detail["changed_files"] == []


def test_what_was_taken_is_known_again_by_its_time_after_it_was_away(raw: Path) -> None:
    config = configured(raw)
    for number in (1, 2):
        (raw / f"{number}.csv").write_bytes(text(number))
    first = published(take_in(config, None, base=None))
    (raw / "1.csv").rename(raw / "_1.csv")
    second = take_in(config, first, base=first)
    assert second.detail["modified"] == first.detail["modified"]


def test_cleaning_all_anew_takes_what_was_looked_at_and_nothing_that_landed_since(raw: Path) -> None:
    config = configured(raw, "raw.changed_files=ignore")
    (raw / "1.csv").write_bytes(text(1))
    first = published(take_in(config, None, base=None))
    (raw / "2.csv").write_bytes(text(2))
    second = take_in(config, first, base=first)
    (raw / "3.csv").write_bytes(text(3))
    again = second.anew(str(raw))
    assert (again.base, again.new, again.inputs) == (None, ("1.csv", "2.csv"), second.inputs)
    (raw / "1.csv").write_bytes(text(7))
    with pytest.raises(InputError, match=r"1\.csv[\s\S]*clean\.refit: true"):
        take_in(config, first, base=first).anew(str(raw))
    (raw / "1.csv").unlink()
    with pytest.raises(InputError, match=r"1\.csv is not there"):
        take_in(config, first, base=first).anew(str(raw))


def test_a_taken_file_that_held_nothing_is_not_needed_again_and_one_that_is_damaged_is_named_as_such(raw: Path) -> None:
    config, packed = configured(raw, "raw.bad_files=quarantine"), gzip.compress(text(2) * 50)
    (raw / "1.csv").write_bytes(text(1))
    (raw / "2.csv.gz").write_bytes(packed)
    taken = take_in(config, None, base=None)
    # An earlier release took empty files, and had no row of them.
    entries = (*taken.entries, replace(taken.entries[0], name="0.csv", bytes=0))
    before = published(replace(taken, entries=entries))
    assert take_in(config, before, base=None).new == ("1.csv", "2.csv.gz")
    (raw / "0.csv").write_bytes(b"")
    assert take_in(config, before, base=None).new == ("1.csv", "2.csv.gz")
    (raw / "2.csv.gz").write_bytes(packed[:-20])
    with pytest.raises(InputError, match=r"2\.csv\.gz") as caught:
        take_in(config, before, base=None)
    assert "is not there" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_a_key_of_json_lines_that_comes_late_is_a_column_and_drift(
    raw: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The blocks in which files are read end within lines, and within characters of two bytes.
    monkeypatch.setattr("ringmill.lake.files.BLOCK", 7)
    plain = dict.fromkeys(HEADER.split(","), "1")
    long = '{"order_id": ' + "9" * 5_000 + "}"
    late = json.dumps(plain | {"Größe": {"in": 1}}, ensure_ascii=False)
    lines = [json.dumps(plain)] * 1_001 + ["{torn", "", long, late]

    def put(name: str, *more: dict[str, str], behind: list[str] = lines) -> None:
        text = "\r\n".join([*behind, *map(json.dumps, more)]).encode()
        (raw / f"{name}.{suffix}").write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)

    put("1")
    first = take_in(configured(raw), None, base=None)
    assert first.source.files[0].columns == first.source.columns == (*plain, "Größe")
    last = published(first)
    put("2", plain | {"Gift": "1"})
    config = configured(raw)
    second = take_in(config, last, base=last)
    assert (second.new, [each["new"] for each in second.drift]) == ((f"2.{suffix}",), [["Gift"]])
    assert second.to_read.files[0].columns == (*plain, "Größe", "Gift")
    with pytest.raises(InputError, match="new: Gift"):
        take_in(configured(raw, "raw.drift.new=fail"), last, base=last)
    # Files that were taken are looked through again where they are cleaned again.
    for anew in (second.anew(str(raw)), take_in(config, last, base=None)):
        assert [file.columns for file in anew.to_read.files] == [(*plain, "Größe"), (*plain, "Größe", "Gift")]
    put("3", plain | {"quantity": "1"})
    with pytest.raises(InputError, match="'quantity' cannot be told from 'Quantity'"):
        take_in(config, last, base=last)
    # A file that was taken is not looked at again, and has its columns still.
    put("3", plain | {"GRÖßE": "1"}, behind=[])
    with pytest.raises(InputError, match="'GRÖßE' cannot be told from 'Größe'"):
        take_in(config, last, base=last)
    third = take_in(configured(raw, "raw.bad_files=quarantine"), last, base=last)
    assert [refused.name for refused in third.source.refused] == [f"3.{suffix}"]
    monkeypatch.setattr("ringmill.lake.look.MOST_KEYS", 9)
    with pytest.raises(InputError, match="more than 9 keys"):
        take_in(config, last, base=last)
