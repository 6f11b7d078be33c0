"""Days of UCI Online Retail by `airflow dags test`: in sequence, one of them failed in the middle, one done twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from airflow_home import AirflowHome
from ringmill.lake.ledger import Entry, Ledger
from ringmill.lake.tables import Lake

pytestmark = [pytest.mark.long, pytest.mark.ring, pytest.mark.spark]
QUICK = [
    "clean.match_cancellations=false",
    "rfm.clusters.k=3",
    "rfm.lifetime.least_repeat_customers=100000",
    "train.epochs=2",
    "train.ranks=1",
]
TABLES = ("clean/rows", "quality/runs", "rfm/customers", "features/customers", "scores/customers")


class Shop:
    """A warehouse that an Airflow of its own fills, one `dags test` after another."""

    def __init__(self, folder: Path, days: Path) -> None:
        self.raw, self.warehouse = folder / "raw", folder / "lake"
        shutil.copytree(days, self.raw)
        paths = {"RINGMILL_RAW": str(self.raw), "RINGMILL_WAREHOUSE": str(self.warehouse)}
        self.airflow = AirflowHome(folder / "airflow", paths)
        assert self.airflow("set-up").returncode == 0

    def rows(self) -> list[Entry]:
        return Ledger(Lake(str(self.warehouse))).entries()

    def run(self, dag: str, day: date, *settings: str) -> tuple[int, dict[str, str]]:
        """The status that the run ended with, and by stage what the ledger keeps of it."""
        known = {(row.run_id, row.stage) for row in self.rows()}
        conf: dict[str, Any] = {"horizon_days": 2, "months": 1, "settings": [*QUICK, *settings]}
        if dag == "ringmill_daily":
            when = [f"{day + timedelta(days=1)}T00:00:00+00:00"]
        else:
            when, conf = [], conf | {"day": str(day)}
        done = self.airflow("dags", "test", dag, *when, "-c", json.dumps(conf))
        new = [row for row in self.rows() if (row.run_id, row.stage) not in known]
        assert new, done.stdout + done.stderr
        return done.returncode, {row.stage: row.outcome for row in new}

    def versions(self) -> dict[str, int]:
        return {table: DeltaTable(str(self.warehouse / table)).version() for table in TABLES}

    def published(self) -> Any:
        return Ledger(Lake(str(self.warehouse))).resolve("clean").outputs

    def cutoff(self, stage: str) -> str:
        return str(Ledger(Lake(str(self.warehouse))).resolve(stage).detail["cutoff"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, online_retail: Path) -> Iterator[Shop]:
    """Its first day is done, and a model trained: all files lie there, those of later days too."""
    shop = Shop(tmp_path_factory.mktemp("shop"), online_retail / "by_day")
    # Nothing is trained yet: nobody is scored, and the day ends well.
    first = shop.run("ringmill_daily", date(2011, 12, 2))
    assert first == (0, {"clean": "published", "rfm": "published", "features": "published"})
    batches = shop.rows()[0].laws["law 1"]["batches"]
    assert sorted(batches) == ["2011-11-30.csv", "2011-12-01.csv", "2011-12-02.csv"]
    trained = shop.run("ringmill_train", date(2011, 12, 2))
    assert trained == (0, {"train": "published", "promote": "published"})
    return shop


def test_law_3_three_days_in_sequence_one_failed_in_the_middle_and_done_again_and_again(shop: Shop) -> None:
    # Saturday: no file. Nothing is cleaned nor learnt from, and everyone is a day older.
    status, stages = shop.run("ringmill_daily", date(2011, 12, 3))
    assert (status, stages.pop("clean"), stages.pop("features")) == (0, "unchanged", "unchanged")
    assert stages == dict.fromkeys(("rfm", "score", "report"), "published")
    assert (shop.cutoff("rfm"), shop.cutoff("score")) == ("2011-12-04", "2011-12-04")

    status, stages = shop.run("ringmill_daily", date(2011, 12, 4), "rfm.cutoff=2000-01-01")
    # Features may read RFM's table: they wait for it.
    assert (status, stages) == (1, {"clean": "published", "rfm": "failed"})
    assert sum(row.outcome == "failed" for row in shop.rows()) == 1  # status 2 was not tried again
    middle = shop.versions()

    status, stages = shop.run("ringmill_daily", date(2011, 12, 4))
    assert (status, stages.pop("clean")) == (0, "unchanged")
    assert stages == dict.fromkeys(("rfm", "features", "score", "report"), "published")
    assert shop.cutoff("rfm") == "2011-12-05"
    done = shop.versions()
    assert {table for table in TABLES if done[table] == middle[table]} == {"clean/rows", "quality/runs"}

    status, stages = shop.run("ringmill_daily", date(2011, 12, 4))
    assert (status, {*stages.values()}) == (0, {"unchanged"})
    assert (shop.versions(), len(stages)) == (done, 5)


def test_a_closed_gate_ends_the_day_at_the_alert_and_is_not_tried_again(shop: Shop) -> None:
    before, known = shop.published(), len(shop.rows())
    gate = "clean.gates=[{metric: rejected_share, at_most: 0.0001}]"
    status, stages = shop.run("ringmill_daily", date(2011, 12, 5), gate)
    assert (status, stages) == (1, {"clean": "failed"})
    assert shop.rows()[-1].detail["exit_status"] == 3
    assert (shop.published(), len(shop.rows())) == (before, known + 1)
