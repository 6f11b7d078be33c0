"""Stage report of a pipeline that foresees the next order: the ledger and the model's folder → one HTML page under
reports/."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ringmill.lake.ledger import Entry
from ringmill.pipeline.progress import Step
from ringmill.pipeline.report import accounts_of, configuration_of, keep_page, of_scores, page_is_there
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.report import sections
from ringmill.report.next_orders import next_orders
from ringmill.report.page import Card, render


def _entries(run: Run) -> dict[str, Entry]:
    return {name: run.ledger.resolve(name) for name in ("clean", "features", "train", "score")}


def _inputs(run: Run) -> Mapping[str, Any]:
    return {name: entry.outputs for name, entry in _entries(run).items()}


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    (entries, other), section = of_scores(run, _entries(run)), run.config.sequences
    scored = entries["score"]
    step.say("drawing the page")
    folder = Path(run.lake.path(entries["train"].detail["model"]))
    manifest, history = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("manifest", "history"))
    plan, judged, counts = manifest["plan"], entries["train"].detail["judged"], entries["features"].counts
    words = (
        f"{plan['rows']['train']:,} sequences, {plan['ranks']} ranks, global batch {plan['batch']}: "
        f"{plan['steps_per_epoch']} steps an epoch, every sequence exactly once. The weights of epoch "
        f"{manifest['best_epoch']} were kept, after {manifest['epochs']} epochs. The heads share all layers but their "
        "own; a sequence without a next order within the horizon has no part in what is learnt of categories and days."
        f"{other}"
    )
    (category, *_), (days, *_) = judged["category"], judged["days"]
    page = render(
        title=run.config.report.title,
        subtitle=f"Pipeline {run.config.pipeline}: the next order of each customer as of {scored.detail['cutoff']}.",
        cards=[
            Card(sections.whole(scored.counts["customers"]), "customers scored"),
            Card(
                sections.whole(scored.detail["expected_orders"]),
                f"expected to order in {scored.detail['horizon_days']} days",
            ),
            Card("–" if not category["rows"] else f"{category['accuracy']:.1%}", "of the next categories told right"),
            Card("–" if not days["rows"] else f"{days['mae']:.1f}", "days off in the mean"),
        ],
        sections=[
            next_orders(
                judged, cutoff=str(section.test_cutoff), days=section.horizon_days, categories=counts["categories"]
            ),
            sections.training(history, manifest["best_epoch"], words),
            sections.intake(entries["clean"].counts),
            accounts_of(entries),
        ],
    )
    return keep_page(run, page)


REPORT_SEQUENCES = Stage(
    "report", ("ringmill.pipeline.report_sequences",), configuration_of, _inputs, _body, page_is_there
)
