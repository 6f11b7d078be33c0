"""Which model a report shows: the one that scored, whichever was trained last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ringmill.config import load
from ringmill.config.load import dump_whole
from ringmill.lake.ledger import Entry
from ringmill.pipeline.report import REPORT, _model_sections, of_scores
from ringmill.pipeline.report_recommend import REPORT_RECOMMEND
from ringmill.pipeline.stage import Run

CONF = Path(__file__).parents[2] / "conf"
ROWS = 40


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    found = Run(load(CONF / "default.yaml", ["features.horizon_days=30"], warehouse=str(tmp_path)))
    yield found
    found.close()


def trained(run: Run, run_id: str, epochs: int, *, horizon_days: int) -> Entry:
    """A published training and its model's folder, configured with another horizon than now."""
    folder = Path(run.lake.path(f"models/customers/{run_id}"))
    folder.mkdir(parents=True)
    plan = {"rows": {"train": 7}, "ranks": 1, "batch": 7, "steps_per_epoch": 1}
    manifest = {"plan": plan, "features": 3, "best_epoch": 1, "epochs": epochs}
    history = [{"epoch": 1, "loss": 1.0, "val_loss": 1.0}]
    for name, tree in (("manifest", manifest), ("history", history)):
        (folder / f"{name}.json").write_text(json.dumps(tree), encoding="utf-8")
    bought = np.arange(ROWS) % 2.0
    names = ("buy_probability", "logistic_probability", "days_since_last_order", "label_spend", "expected_spend")
    columns = {"label_buy": bought} | dict.fromkeys(names, bought * 0.5 + 0.2)
    columns |= {"recent_spend": bought, "training_mean_spend": np.ones(ROWS)}
    pq.write_table(pa.table(columns), folder / "evaluation.parquet")
    config = dump_whole(load(CONF / "default.yaml", [f"features.horizon_days={horizon_days}"], warehouse="w"))
    detail = {"model": f"models/customers/{run_id}", "config": config}
    entry = Entry(run_id, "p", "train", "published", "k", "c", {}, {}, {"model": run_id}, detail=detail)
    run.ledger.append(entry)
    return entry


def test_the_page_shows_the_model_that_scored_and_says_that_another_was_trained_last(run: Run) -> None:
    first, last = trained(run, "a", 11, horizon_days=90), trained(run, "b", 22, horizon_days=30)
    score = Entry("s", "p", "score", "published", "k", "c", {}, {"model": "models/customers/a"})
    entries, other = of_scores(run, {"train": last, "score": score})
    assert entries == {"train": first, "score": score}
    training, repurchase, spend = _model_sections(run, entries["train"], other)
    said = training.blocks[0].text
    assert "after 11 epochs." in said
    assert "by the model of run a" in said and "trained last, by run b: no score is by it" in said
    assert "90 days" in repurchase.blocks[0].text
    assert "the last 90 days" in str(spend.blocks[0].grid)


def test_nothing_is_said_of_another_model_where_the_last_one_scored(run: Run) -> None:
    last = trained(run, "b", 22, horizon_days=30)
    score = Entry("s", "p", "score", "published", "k", "c", {}, {"model": "models/customers/b"})
    entries, other = of_scores(run, {"train": last, "score": score})
    assert (entries["train"], other) == (last, "")


@pytest.mark.parametrize(
    "setting", ["pipeline=other", "features.horizon_days=30", "features.train_cutoffs=[2024-08-01]"]
)
def test_what_a_page_draws_of_the_configuration_is_in_its_key(setting: str, tmp_path: Path) -> None:
    before, after = (load(CONF / "default.yaml", some, warehouse=str(tmp_path)) for some in ([], [setting]))
    assert REPORT.configuration(before) != REPORT.configuration(after)
    named = [load(CONF / "recommend.yaml", [f"pipeline={name}"], warehouse=str(tmp_path)) for name in ("a", "b")]
    assert REPORT_RECOMMEND.configuration(named[0]) != REPORT_RECOMMEND.configuration(named[1])
