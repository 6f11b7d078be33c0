from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from ringmill.errors import InputError, WarehouseError
from ringmill.lake.ledger import SCHEMA, Entry, Ledger
from ringmill.lake.tables import Lake

ENTRY = Entry(
    run_id="r1",
    pipeline="shop",
    stage="clean",
    outcome="published",
    key="k1",
    code="c",
    configuration={"zone": "UTC"},
    inputs={"raw": [{"name": "a.csv"}]},
    outputs={"clean/rows": 3},
    laws={"law 1": {"raw": 2, "clean": 2}},
    started_at=datetime(2024, 1, 1, 12, tzinfo=UTC),
)


def test_an_entry_comes_back_as_it_was_written(tmp_path):
    ledger = Ledger(Lake(str(tmp_path)))
    ledger.append(ENTRY)
    assert ledger.entries() == [ENTRY]


def test_readers_see_the_last_published_row_of_a_stage_and_no_failed_or_unchanged_one(tmp_path):
    ledger = Ledger(Lake(str(tmp_path)))
    second = replace(ENTRY, run_id="r2", key="k2", started_at=datetime(2024, 1, 2, tzinfo=UTC))
    later = datetime(2024, 1, 3, tzinfo=UTC)
    for entry in (
        ENTRY,
        second,
        replace(ENTRY, run_id="r3", outcome="failed", started_at=later),
        replace(ENTRY, run_id="r4", outcome="unchanged", started_at=later),
        replace(ENTRY, run_id="r5", stage="rfm", started_at=later),
    ):
        ledger.append(entry)
    assert ledger.resolve("clean") == second
    assert ledger.published("train") is None


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.booleans())
def test_what_is_published_last_is_what_was_committed_last_whatever_the_clocks_say(days, gathered):
    with TemporaryDirectory() as folder:
        ledger = Ledger(Lake(folder))
        rows = [
            replace(ENTRY, run_id=f"r{9 - place}", started_at=datetime(2024, 1, 1 + day, tzinfo=UTC))
            for place, day in enumerate(days)
        ]
        for row in rows:
            ledger.append(row)
            if gathered:
                DeltaTable(ledger.lake.path("ledger/runs")).optimize.compact()
        assert ledger.entries() == rows
        assert ledger.resolve("clean") == rows[-1]


def test_rows_of_an_older_version_come_first_by_their_clocks(tmp_path):
    ledger = Ledger(Lake(str(tmp_path)))
    late = replace(ENTRY, run_id="old", started_at=datetime(2030, 1, 1, tzinfo=UTC))
    of_old = pa.schema([field for field in SCHEMA if field.name not in ("commit", "seen")])
    for row in (late, ENTRY):
        ledger.lake.append_arrow("ledger/runs", pa.Table.from_pylist([row.to_row()], schema=of_old))
    assert ledger.entries() == [ENTRY, late]
    new = replace(ENTRY, run_id="new")
    ledger.append(new)
    assert ledger.entries() == [ENTRY, late, new]
    assert [row.commit for row in ledger.entries()] == [None, None, 2]


def test_rows_that_are_written_at_the_same_time_have_a_commit_each(tmp_path):
    ledger = Ledger(Lake(str(tmp_path)))
    with ThreadPoolExecutor(4) as writers:
        list(writers.map(lambda place: ledger.append(replace(ENTRY, run_id=f"r{place}")), range(12)))
    rows = ledger.entries()
    assert [row.commit for row in rows] == list(range(12))
    assert len({row.run_id for row in rows}) == 12
    assert ledger.last_commit() == 11


def test_a_stage_that_published_nothing_is_an_error_that_says_what_to_run(tmp_path):
    with pytest.raises(InputError, match="ringmill features CONF"):
        Ledger(Lake(str(tmp_path))).resolve("features")


def test_a_warehouse_that_cannot_be_written_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    with pytest.raises(WarehouseError, match="--warehouse"):
        Lake(str(blocked / "lake")).check_writable()
