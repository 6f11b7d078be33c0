"""Stage train of a pipeline that recommends: features/<name>, first purchases → two towers under models/<name>."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ringmill.config.models import Config
from ringmill.lake.ledger import Entry
from ringmill.pipeline.progress import Step
from ringmill.pipeline.promote import settle
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.pipeline.train_fitted import Fitted, configuration, planned_fitted, train_fitted
from ringmill.train.build import modules

if TYPE_CHECKING:
    from ringmill.features.products import ProductState
    from ringmill.handoff.columns import Input
    from ringmill.train.spec import TrainResult, TrainSpec

MODULES = ("ringmill.pipeline.train_purchases", "ringmill.train.rank", *modules())
STATE_FILE = "products.json"  # of the state, in a model's folder


def _fitted(config: Config) -> Fitted[ProductState]:
    from ringmill.features.products import ProductState

    return Fitted(
        code=MODULES,
        stage="features",
        name=config.recommend.name,
        many="purchases",
        state=ProductState.from_json,
        x=_products,
        vocabulary="product",
        values=lambda state: state.products,
        file=STATE_FILE,
        kept=ProductState.to_json,
    )


def _products(state: ProductState) -> Input:
    from ringmill.handoff.columns import Input

    return Input("x", (state.length,), "int32", ids=state.ids)


def planned_purchases(run: Run) -> str:
    """As `planned_fitted`, for the published purchases."""
    return planned_fitted(run, _fitted(run.config))


def _inputs(run: Run) -> Mapping[str, Any]:
    return _fitted(run.config).inputs(run)


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    return train_fitted(run, inputs, step, _fitted(run.config), _judged)


def _judged(spec: TrainSpec, trained: TrainResult) -> tuple[str, Mapping[str, Any]]:
    return f"log loss {trained.manifest['metrics']['test']['log_loss']:.3f} on the test split", {}


def _is_there(run: Run, entry: Entry) -> bool:
    return _fitted(run.config).is_there(run, entry)


TRAIN_PURCHASES = Stage("train", MODULES, configuration, _inputs, _body, _is_there, settle)
