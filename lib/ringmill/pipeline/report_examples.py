"""Stage report of a pipeline of examples alone: the ledger and the model's folder → one HTML page under reports/."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ringmill.errors import InputError
from ringmill.lake.ledger import Entry
from ringmill.pipeline.examples import kind_of
from ringmill.pipeline.progress import Step
from ringmill.pipeline.report import accounts_of, configuration_of, keep_page, of_scores, page_is_there
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.report import classes, sections
from ringmill.report.evaluate import bootstrap
from ringmill.report.page import Card, Section, render
from ringmill.report.routes import routes


def _entries(run: Run) -> dict[str, Entry]:
    return {name: run.ledger.resolve(name) for name in (kind_of(run.config).stage, "train", "score")}


def _inputs(run: Run) -> Mapping[str, Any]:
    return {name: entry.outputs for name, entry in _entries(run).items()}


def _routes(run: Run, entries: Mapping[str, Entry]) -> list[Section]:
    if run.config.route is None:
        return []
    score = entries["score"]
    route = run.config.route
    return [
        routes(
            score.counts, score.detail["thresholds"], score.detail["test"], route.positive, precision=route.precision
        )
    ]


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    kind = kind_of(run.config)
    entries, other = of_scores(run, _entries(run))
    prepared = entries[kind.stage]
    step.say("drawing the page")
    folder = Path(run.lake.path(entries["train"].detail["model"]))
    manifest, history = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("manifest", "history"))
    predictions = pq.read_table(folder / "predictions.parquet")
    if not predictions.num_rows:
        raise InputError.empty_split(manifest["table"], ["test"], prepared.counts["clean"])
    right = pc.equal(predictions["label"], predictions["predicted"]).to_numpy().astype(np.float64)
    accuracy = bootstrap(lambda rows: float(right[rows].mean()), len(right), seed=run.config.seed)
    counts, plan, test = prepared.counts, manifest["plan"], manifest["metrics"]["test"]
    words = (
        f"{plan['rows']['train']:,} {kind.many}, {plan['ranks']} ranks, global batch {plan['batch']}: "
        f"{plan['steps_per_epoch']} steps an epoch, every {kind.one} exactly once. The weights of epoch "
        f"{manifest['best_epoch']} were kept, after {manifest['epochs']} epochs.{other}"
    )
    page = render(
        title=run.config.report.title,
        subtitle=f"Pipeline {run.config.pipeline}: {kind.many} of {len(manifest['classes'])} classes.",
        cards=[
            Card(sections.whole(classes.came_in(counts)), f"{kind.many} came in"),
            Card(str(len(manifest["classes"])), "classes"),
            Card(f"{accuracy.value:.1%}", f"of the test {kind.many} told right"),
            Card("–" if test["f1_macro"] is None else f"{test['f1_macro']:.3f}", "mean F1 of the classes"),
        ],
        sections=[
            classes.intake(counts, kind.many),
            sections.training(history, manifest["best_epoch"], words),
            classes.classes(test, accuracy, manifest["intervals"], kind.many),
            *_routes(run, entries),
            accounts_of(entries),
        ],
    )
    return keep_page(run, page)


REPORT_EXAMPLES = Stage(
    "report", ("ringmill.pipeline.report_examples",), configuration_of, _inputs, _body, page_is_there
)
