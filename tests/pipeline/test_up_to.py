"""raw.up_to: which files a day takes, and which cutoffs it allows. No JVM: the ledger's rows are written by hand."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ringmill.config import load
from ringmill.errors import ConfigError, InputError
from ringmill.lake.ledger import Entry
from ringmill.pipeline.cutoffs import check_cutoff
from ringmill.pipeline.intake import Intake, take_in
from ringmill.pipeline.run import run_stages
from ringmill.pipeline.stage import Run

CONF = Path(__file__).parents[2] / "conf" / "online_retail.yaml"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
DAYS = ("2011-12-01.csv", "2011-12-02.csv", "20111205.csv")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for place, name in enumerate(DAYS):
        line = f"{place},A,thing,2,2011-12-01 10:00:00,1.5,7,France"
        (folder / name).write_text(f"{HEADER}\n{line}\n", encoding="utf-8")
    return folder


def configured(raw: Path, *settings: str) -> Any:
    asked = ("raw.batches=files", *settings)
    return load(CONF, asked, raw=str(raw), warehouse=str(raw.parent / "lake"))


def row(stage: str, **fields: Any) -> Entry:
    return Entry("r1", "shop", stage, "published", "k", "c", **{"configuration": {}, "inputs": {}} | fields)


def published(taken: Intake) -> Entry:
    """What the ledger keeps of an intake that was cleaned."""
    inputs = {"raw": [asdict(entry) for entry in taken.entries], "quarantined": []}
    return row("clean", configuration={"raw": {"batches": "files"}}, inputs=inputs, detail=taken.detail)


def test_files_of_later_days_wait_and_a_day_without_a_file_takes_nothing(raw: Path) -> None:
    first = take_in(configured(raw, "raw.up_to=2011-12-01"), None, base=None)
    assert first.new == DAYS[:1]
    second = take_in(configured(raw, "raw.up_to=2011-12-02"), published(first), base=published(first))
    assert second.new == DAYS[1:2]
    third = take_in(configured(raw, "raw.up_to=2011-12-04"), published(second), base=published(second))
    assert (third.new, third.inputs) == ((), second.inputs)
    last = take_in(configured(raw, "raw.up_to=2011-12-05"), published(third), base=published(third))
    assert last.new == DAYS[2:]


def test_law_3_an_earlier_day_done_again_has_the_inputs_that_are_published(raw: Path) -> None:
    every = take_in(configured(raw), None, base=None)
    again = take_in(configured(raw, "raw.up_to=2011-12-01"), published(every), base=published(every))
    assert (again.new, again.inputs) == ((), every.inputs)


def test_what_was_taken_is_cleaned_anew_after_a_change_of_rules_whatever_day_is_asked_for(raw: Path) -> None:
    two = take_in(configured(raw, "raw.up_to=2011-12-02"), None, base=None)
    anew = take_in(configured(raw, "raw.up_to=2011-12-01"), published(two), base=None)
    assert anew.new == DAYS[:2]


def test_a_file_without_a_day_and_a_folder_of_later_days_are_named(raw: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)later days.*2011-11-30.*2011-12-01\.csv and later"):
        take_in(configured(raw, "raw.up_to=2011-11-30"), None, base=None)
    (raw / DAYS[0]).rename(raw / "2011-13-01.csv")
    with pytest.raises(InputError, match=r"(?s)day is not known.*2011-13-01\.csv"):
        take_in(configured(raw, "raw.up_to=2011-12-02"), None, base=None)
    with pytest.raises(ConfigError, match="up_to"):
        configured(raw, "raw.batches=whole", "raw.format=delta", "raw.up_to=2011-12-02")


def test_the_data_are_whole_up_to_the_day_that_was_asked_for(raw: Path) -> None:
    run = Run(configured(raw, "raw.up_to=2011-12-04"))
    seen = {"first_event_at": "2011-12-01T08:00:00+00:00", "last_event_at": "2011-12-02T17:00:00+00:00"}
    run.ledger.append(row("clean", started_at=datetime(2012, 1, 1, tzinfo=UTC), detail=seen))
    check_cutoff(run, date(2011, 12, 5), key="rfm.cutoff")
    with pytest.raises(InputError, match="2011-12-06 lies outside the data"):
        check_cutoff(run, date(2011, 12, 6), key="rfm.cutoff")
    without = Run(configured(raw))
    check_cutoff(without, date(2011, 12, 3), key="rfm.cutoff")
    with pytest.raises(InputError, match="2011-12-04 lies outside the data"):
        check_cutoff(without, date(2011, 12, 4), key="rfm.cutoff")
    run.close()
    without.close()


@pytest.mark.parametrize("name", ["../models", "a b", "", "r1"])
def test_a_run_is_named_so_that_folders_can_be_and_never_like_another(raw: Path, name: str) -> None:
    run = Run(configured(raw))
    run.ledger.append(row("clean"))
    run.close()
    with pytest.raises(ConfigError, match="--run-id"):
        run_stages(configured(raw), ["clean"], run_id=name)
