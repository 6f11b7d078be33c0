"""Stage score of a pipeline that foresees the next order: clean/rows + the current model → scores/next_orders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import CLEAN_ROWS, NEXT_ORDERS
from ringmill.pipeline.cutoffs import check_cutoff, default_cutoff, no_customers
from ringmill.pipeline.lines import line_configuration, line_inputs, priced_lines
from ringmill.pipeline.prepared import check_state
from ringmill.pipeline.progress import Step
from ringmill.pipeline.promote import model_in_currency
from ringmill.pipeline.score import check_each_once, scorers_for
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.score.next_orders import OrderModel

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

KEYS = ("customer_id", "cutoff")


def _configuration(config: Config) -> Mapping[str, Any]:
    # How orders are read is the model's to say.
    return {"score": dump(config.score), **line_configuration(config)}


def _inputs(run: Run) -> Mapping[str, Any]:
    return {**line_inputs(run), "model": model_in_currency(run, run.config.sequences.name)}


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from ringmill.features.next_orders import filter_order_lines, summarise_sequences
    from ringmill.features.order_state import LISTS

    cutoff = run.config.score.cutoff or default_cutoff(run)
    check_cutoff(run, cutoff, key="score.cutoff")
    rows = priced_lines(run, inputs[CLEAN_ROWS.path])
    folder = Path(run.lake.path(inputs["model"]))
    model = OrderModel.read(folder)
    check_state(run, inputs["model"], model.state.to_json())
    step.say(f"orders of every customer as of {cutoff}")
    lines = rows.transform(filter_order_lines, code_characters=model.code_characters)
    history = model.state.numbers.length
    sequences = lines.transform(summarise_sequences, [cutoff], horizon_days=None, history=history, zone=run.config.zone)
    customers = sequences.select(*KEYS, *LISTS).persist()
    try:
        expected = customers.count()
        if not expected:
            raise no_customers(run, cutoff, key="score.cutoff")
        step.say(f"scoring {expected:,} customers")
        version = run.lake.write(_scored(run, customers, folder, model, expected), NEXT_ORDERS, run_id=run.run_id)
    finally:
        customers.unpersist()
    columns = ["customer_id", "order_probability", "expected_days"]
    written = run.lake.read_arrow(NEXT_ORDERS.path, version, columns)
    check_each_once(written, expected, where=NEXT_ORDERS.path)
    coming = pc.sum(written["order_probability"]).as_py()
    return Result(
        outputs={NEXT_ORDERS.path: version},
        counts={"customers": expected},
        summary=f"{expected:,} customers as of {cutoff}, {coming:,.0f} expected to order",
        laws={"law 2": {"scored_as_of": str(cutoff)}},
        detail={"cutoff": str(cutoff), "horizon_days": model.horizon_days, "expected_orders": coming},
    )


def _scored(run: Run, customers: DataFrame, folder: Path, model: OrderModel, rows: int) -> DataFrame:
    from pyspark.sql import functions as F

    from ringmill.score.batches import ORDER_SCORES, scored

    categories = F.array(*map(F.lit, model.classes["category"]))
    answers = customers.coalesce(scorers_for(run, rows)).mapInArrow(
        scored(str(folder), str(run.log_folder), keys=KEYS, answer=ORDER_SCORES),
        "customer_id string, cutoff date, order_probability double, category string, category_probability double, "
        "probabilities array<double>, expected_days double",
    )
    return answers.withColumns({"categories": categories, "model_run": F.lit(folder.name)})


SCORE_SEQUENCES = Stage(
    "score", ("ringmill.pipeline.score_sequences", "ringmill.score.scorer"), _configuration, _inputs, _body
)
