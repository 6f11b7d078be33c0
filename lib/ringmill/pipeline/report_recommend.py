"""Stage report of a pipeline that recommends: the ledger and the model's folder → one HTML page under reports/."""

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
from ringmill.report.page import Card, render
from ringmill.report.recommendations import recommendations


def _entries(run: Run) -> dict[str, Entry]:
    return {name: run.ledger.resolve(name) for name in ("clean", "features", "train", "score")}


def _inputs(run: Run) -> Mapping[str, Any]:
    return {name: entry.outputs for name, entry in _entries(run).items()}


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    (entries, other), section = of_scores(run, _entries(run)), run.config.recommend
    step.say("drawing the page")
    folder = Path(run.lake.path(entries["train"].detail["model"]))
    manifest, history = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("manifest", "history"))
    plan, detail, counts = manifest["plan"], entries["score"].detail, entries["features"].counts
    words = (
        f"{plan['rows']['train']:,} purchases, {plan['ranks']} ranks, global batch {plan['batch']}: "
        f"{plan['steps_per_epoch']} steps an epoch, every purchase exactly once. The weights of epoch "
        f"{manifest['best_epoch']} were kept, after {manifest['epochs']} epochs.{other}"
    )
    new = [each for each in detail["judged"] if each["list"] == "new"]
    page = render(
        title=run.config.report.title,
        subtitle=f"Pipeline {run.config.pipeline}: lists of {detail['top']} products as of {detail['cutoff']}.",
        cards=[
            Card(sections.whole(entries["score"].counts["customers"]), "customers with a list"),
            Card(sections.whole(counts["products"]), "products that enough customers bought"),
            *(Card(_share(each["recall"]), f"recall of new products, {each['by']}") for each in new),
        ],
        sections=[
            recommendations(
                detail["judged"], top=detail["top"], cutoff=str(section.test_cutoff), days=section.horizon_days
            ),
            sections.training(history, manifest["best_epoch"], words),
            sections.intake(entries["clean"].counts),
            accounts_of(entries),
        ],
    )
    return keep_page(run, page)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


REPORT_RECOMMEND = Stage(
    "report", ("ringmill.pipeline.report_recommend",), configuration_of, _inputs, _body, page_is_there
)
