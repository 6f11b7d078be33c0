"""Stage report of a pipeline that helps a rare class: the ledger and the models' folders → one HTML page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from ringmill.lake.ledger import Entry
from ringmill.pipeline.progress import Step
from ringmill.pipeline.report import accounts_of, configuration_of, keep_page, page_is_there
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.pipeline.train_helped import GENERATED, OVERSAMPLED, WEIGHTED
from ringmill.report import imbalance, sections
from ringmill.report.page import Card, render
from ringmill.train.one_class import compare_on_class

PLAIN = "train"
WAYS = {
    PLAIN: "none",
    WEIGHTED: "classes that weigh alike",
    OVERSAMPLED: "rows of the class repeated",
    GENERATED: "made rows of the class",
}


def _entries(run: Run) -> dict[str, Entry]:
    return {name: run.ledger.resolve(name) for name in ("augment", *WAYS)}


def _inputs(run: Run) -> Mapping[str, Any]:
    return {name: entry.outputs for name, entry in _entries(run).items()}


def judged(run: Run, entries: Mapping[str, Entry]) -> list[dict[str, Any]]:
    """Of each way to help, in their order: its stage, name in words, train rows, and how its model finds the class."""
    name, counts = entries["augment"].detail["minority"], entries["augment"].counts
    folders = {stage: Path(run.lake.path(entries[stage].detail["model"])) for stage in WAYS}
    classes = {
        stage: json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["classes"]
        for stage, folder in folders.items()
    }
    predictions = {stage: pq.read_table(folder / "predictions.parquet") for stage, folder in folders.items()}
    found = compare_on_class(predictions, classes, name, seed=run.config.seed)
    more = {OVERSAMPLED: counts["repeated"], GENERATED: counts["kept"]}
    return [
        {
            "stage": stage,
            "way": way,
            "rows": entries[stage].counts["train"],
            "of_class": counts["train"] + more.get(stage, 0),
            "figures": found[stage],
        }
        for stage, way in WAYS.items()
    ]


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    entries = _entries(run)
    step.say("judging the four models by the same test rows")
    ways = judged(run, entries)
    helped, check = entries["augment"], entries["augment"].detail["copy_check"]
    name, folder = helped.detail["minority"], Path(run.lake.path(helped.detail["model"]))
    manifest, history = (json.loads((folder / f"{part}.json").read_text("utf-8")) for part in ("manifest", "history"))
    plan, test = (
        manifest["plan"],
        pq.read_table(Path(run.lake.path(entries[PLAIN].detail["model"])) / "predictions.parquet"),
    )
    of_class = pc.sum(pc.equal(test["label"], name)).as_py() or 0
    words = (
        f"Two networks on {plan['rows']['train']:,} rows of '{name}', {plan['ranks']} ranks, global batch "
        f"{plan['batch']}: {plan['steps_per_epoch']} steps an epoch, every row exactly once beside a made one. The "
        f"weights of the last of {manifest['epochs']} epochs were kept. The validation loss is what the judging "
        "network says of real rows that were held out, and no measure of the made ones."
    )
    step.say("drawing the page")
    page = render(
        title=run.config.report.title,
        subtitle=f"Pipeline {run.config.pipeline}: the class '{name}' of {run.config.table.name}.",
        cards=[Card(_value(way["figures"]["f1"]), f"F1 of the class, help: {way['way']}") for way in ways],
        sections=[
            imbalance.what_helped(ways, name, held_out=test.num_rows, of_class=of_class),
            imbalance.copies(helped.counts, check, name),
            sections.training(history, manifest["best_epoch"], words),
            accounts_of(entries),
        ],
    )
    kept = keep_page(run, page)
    return Result(kept.outputs, kept.counts, kept.summary, detail={**kept.detail, "judged": ways})


def _value(figure: Mapping[str, float | None]) -> str:
    return "–" if figure["value"] is None else f"{figure['value']:.3f}"


REPORT_AUGMENT = Stage("report", ("ringmill.pipeline.report_augment",), configuration_of, _inputs, _body, page_is_there)
