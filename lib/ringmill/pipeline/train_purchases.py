"""Stage train of a pipeline that recommends: features/<name>, first purchases → two towers under models/<name>."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ringmill.config.models import Config
from ringmill.features.products import STATE_FILE
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Run
from ringmill.pipeline.train_fitted import Fitted, fitted_stage, planned_fitted
from ringmill.train.build import modules

if TYPE_CHECKING:
    from ringmill.features.products import ProductState
    from ringmill.handoff.columns import Input
    from ringmill.train.spec import TrainResult, TrainSpec

MODULES = ("ringmill.pipeline.train_purchases", "ringmill.train.rank", *modules())


def _fitted(config: Config) -> Fitted[ProductState]:
    from ringmill.features.products import ProductState

    return Fitted(
        code=MODULES,
        stage="features",
        name=config.recommend.name,
        many="purchases",
        state=ProductState.from_json,
        x=_products,
        file=STATE_FILE,
        kept=ProductState.to_json,
    )


def _products(state: ProductState) -> Input:
    from ringmill.handoff.columns import Input

    return Input("x", (state.length,), "int32", ids=state.ids)


def planned_purchases(run: Run) -> str:
    """As `planned_fitted`, for the published purchases."""
    return planned_fitted(run, _fitted(run.config))


def _judged(run: Run, step: Step, spec: TrainSpec, trained: TrainResult) -> tuple[str, Mapping[str, Any]]:
    return f"log loss {trained.manifest['metrics']['test']['log_loss']:.3f} on the test split", {}


TRAIN_PURCHASES = fitted_stage(MODULES, _fitted, _judged)
