"""Stage score: clean/rows at the score cutoff + the current model → scores/<name>, one row per customer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import CLEAN_ROWS, SCORES
from ringmill.errors import InputError, LawError
from ringmill.pipeline.cutoffs import check_cutoff, default_cutoff, no_customers
from ringmill.pipeline.lines import line_configuration, line_inputs, priced_lines
from ringmill.pipeline.prepared import check_state
from ringmill.pipeline.progress import Step
from ringmill.pipeline.promote import model_in_currency
from ringmill.pipeline.snapshots import snapshot_inputs, with_snapshots
from ringmill.pipeline.stage import Result, Run, Stage

ROWS_PER_SCORER = 200_000


def _configuration(config: Config) -> Mapping[str, Any]:
    features = config.features
    return {
        "score": dump(config.score),
        "windows_days": features.windows_days,
        "last_orders": features.last_orders,
        **({"snapshots": features.snapshots} if features.snapshots else {}),
        **line_configuration(config),
    }


def _inputs(run: Run) -> Mapping[str, Any]:
    return {**line_inputs(run), **snapshot_inputs(run), "model": model_in_currency(run, run.config.features.name)}


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from pyspark.sql import functions as F

    from ringmill.features.events import measure_names, summarise_measures
    from ringmill.features.last_orders import LISTS
    from ringmill.score.batches import SCORES as ANSWER
    from ringmill.score.batches import scored

    config = run.config
    cutoff = config.score.cutoff or default_cutoff(run)
    check_cutoff(run, cutoff, key="score.cutoff")
    model = Path(run.lake.path(inputs["model"]))
    check_state(run, inputs["model"], json.loads((model / "features.json").read_text(encoding="utf-8")))
    rows = priced_lines(run, inputs[CLEAN_ROWS.path])
    section = config.features
    measures = (*measure_names(section.windows_days, section.more_measures), *section.snapshots)
    step.say(f"features of every customer as of {cutoff}")
    lists = LISTS if section.last_orders else ()
    customers = (
        rows.transform(
            summarise_measures,
            [cutoff],
            windows_days=section.windows_days,
            horizon_days=None,
            zone=config.zone,
            last_orders=section.last_orders,
            more=section.more_measures,
        )
        .transform(lambda measured: with_snapshots(run, measured, inputs, [cutoff]))
        .select("customer_id", *measures, "country", "cutoff", "last_seen_at", *lists)
        .persist()
    )
    try:
        check_inputs(model, customers.dtypes)
        expected = customers.count()
        if not expected:
            raise no_customers(run, cutoff, key="score.cutoff")
        step.say(f"scoring {expected:,} customers")
        answers = customers.coalesce(scorers_for(run, expected)).mapInArrow(
            scored(str(model), str(run.log_folder), keys=("customer_id", "cutoff"), answer=ANSWER),
            "customer_id string, cutoff date, buy_probability double, expected_spend double",
        )
        version = run.lake.write(answers.withColumn("model_run", F.lit(model.name)), SCORES, run_id=run.run_id)
    finally:
        customers.unpersist()
    written = run.lake.read_arrow(SCORES.path, version, ["customer_id", "buy_probability", "expected_spend"])
    check_each_once(written, expected, where=SCORES.path)
    probability = written["buy_probability"].to_numpy()
    return Result(
        outputs={SCORES.path: version},
        counts={"customers": expected},
        summary=f"{expected:,} customers as of {cutoff}, {probability.sum():,.0f} expected to buy",
        detail={"cutoff": str(cutoff)},
    )


def check_each_once(
    written: pa.Table, expected: int, *, where: str, key: str = "customer_id", many: str = "customers"
) -> None:
    """Raises LawError where the written scores are not one row for each of so many keys, which are called `many`."""
    distinct = pc.count_distinct(written[key]).as_py()
    if not expected == written.num_rows == distinct:
        received = f"{written.num_rows:,} rows, {distinct:,} {many}"
        raise LawError.broken("Scoring", where, f"one row for each of {expected:,} {many}", received)


def scorers_for(run: Run, rows: int) -> int:
    """How many tasks score so many rows: a scorer process costs seconds to start, so as few as they need, at most one
    per core."""
    return min(run.spark.sparkContext.defaultParallelism, 1 + rows // ROWS_PER_SCORER)


def check_inputs(model: Path, found: Sequence[tuple[str, str]]) -> None:
    """Check that the measures (name, Spark type) are those that the model's features are made of.

    Raises:
        InputError: one is missing, or of another type.
    """
    from ringmill.features.fit import ARROW
    from ringmill.features.state import State

    state = State.from_json(json.loads((model / "features.json").read_text(encoding="utf-8")))
    present = {name: ARROW.get(kind, kind) for name, kind in found}
    for name, kind in state.inputs:
        if present.get(name) != kind:
            received = present.get(name) or f"columns {', '.join(present)}"
            raise InputError.other_measures(str(model), name, kind, received)


SCORE = Stage("score", ("ringmill.pipeline.score", "ringmill.score.scorer"), _configuration, _inputs, _body)
