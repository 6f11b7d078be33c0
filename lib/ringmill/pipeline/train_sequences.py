"""Stage train of a pipeline that foresees the next order: features/<name>, order sequences → a model of several heads
under models/<name>, judged beside baselines on the test split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ringmill.config.models import Config
from ringmill.config.sequences import heads_by_label
from ringmill.pipeline.lines import line_configuration
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Run
from ringmill.pipeline.train_fitted import Fitted, fitted_stage, planned_fitted
from ringmill.score.judge_orders import judge_orders
from ringmill.score.next_orders import STATE, order_file
from ringmill.train.build import modules

if TYPE_CHECKING:
    from ringmill.features.order_state import OrderState
    from ringmill.handoff.columns import Input
    from ringmill.train.spec import TrainResult, TrainSpec

MODULES = ("ringmill.pipeline.train_sequences", "ringmill.train.rank", *modules())
OWN = ("row_id", "last_category", "own_category", "own_gap_days", "days_since_last_order")


def _fitted(config: Config) -> Fitted[OrderState]:
    from ringmill.features.order_state import OrderState

    section, heads = config.sequences, heads_by_label(config.train.task)
    return Fitted(
        code=MODULES,
        stage="features",
        name=section.name,
        many="sequences",
        state=OrderState.from_json,
        x=_orders,
        file=STATE,
        kept=lambda state: order_file(
            state, heads, horizon_days=section.horizon_days, code_characters=section.code_characters
        ),
        group="customer_id",
    )


def _orders(state: OrderState) -> Input:
    from ringmill.handoff.columns import Input

    return Input("x", state.shape, ids=state.ids)


def planned_sequences(run: Run) -> str:
    """As `planned_fitted`, for the published sequences."""
    return planned_fitted(run, _fitted(run.config))


def _judged(run: Run, step: Step, spec: TrainSpec, trained: TrainResult) -> tuple[str, Mapping[str, Any]]:
    step.say("comparing with each customer's own orders")
    judged = _beside_baselines(run, spec, trained)
    return _words(judged), {"judged": judged}


def _horizon(config: Config) -> Mapping[str, Any]:
    # How far the next order is looked for is a bound of what is said of its days.
    return {"horizon_days": config.sequences.horizon_days, **line_configuration(config)}


def _beside_baselines(run: Run, spec: TrainSpec, trained: TrainResult) -> dict[str, list[dict[str, Any]]]:
    """Of the test split, whose rows are each another customer's."""
    section = run.config.sequences

    def rows(split: str, columns: tuple[str, ...]) -> pa.Table:
        return run.lake.read_arrow(
            f"features/{section.name}", spec.version, list(columns), where=[("split", "=", split)]
        )

    return judge_orders(
        pq.read_table(trained.folder / "predictions.parquet"),
        rows("test", OWN),
        rows("train", ("category", "days")),
        heads_by_label(run.config.train.task),
        horizon_days=section.horizon_days,
        seed=run.config.seed,
    )


def _words(judged: Mapping[str, list[dict[str, Any]]]) -> str:
    category, days = judged["category"][0], judged["days"][0]
    if not category["rows"] or not days["rows"]:
        return "no next order in the test split"
    return f"{category['accuracy']:.1%} of the test split's categories right, days off by {days['mae']:.1f} in the mean"


TRAIN_SEQUENCES = fitted_stage(MODULES, _fitted, _judged, _horizon)
