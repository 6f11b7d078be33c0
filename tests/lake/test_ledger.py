from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ringmill.errors import InputError, WarehouseError
from ringmill.lake.ledger import Entry, Ledger
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
        second,
        ENTRY,
        replace(ENTRY, run_id="r3", outcome="failed", started_at=later),
        replace(ENTRY, run_id="r4", outcome="unchanged", started_at=later),
        replace(ENTRY, run_id="r5", stage="rfm", started_at=later),
    ):
        ledger.append(entry)
    assert ledger.resolve("clean") == second
    assert ledger.published("train") is None


def test_a_stage_that_published_nothing_is_an_error_that_says_what_to_run(tmp_path):
    with pytest.raises(InputError, match="ringmill features CONF"):
        Ledger(Lake(str(tmp_path))).resolve("features")


def test_a_warehouse_that_cannot_be_written_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    with pytest.raises(WarehouseError, match="--warehouse"):
        Lake(str(blocked / "lake")).check_writable()
