"""Stage train of a pipeline of examples alone: features/<name>, a tensor and labels → a model under models/<name>."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ringmill.config.models import Config
from ringmill.pipeline.examples import kind_of, section_of
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Run
from ringmill.pipeline.train_fitted import Fitted, fitted_stage, planned_fitted
from ringmill.train.build import modules

if TYPE_CHECKING:
    from ringmill.features.images.state import ImageState
    from ringmill.features.text.state import TextState
    from ringmill.train.spec import TrainResult, TrainSpec

MODULES = ("ringmill.pipeline.train_examples", "ringmill.train.rank", *modules())


def _fitted(config: Config) -> Fitted[ImageState | TextState]:
    kind = kind_of(config)
    return Fitted(
        code=MODULES,
        stage=kind.stage,
        name=section_of(config).name,
        many=kind.many,
        state=kind.state,
        x=kind.x,
        file=kind.state_file,
        kept=lambda state: state.to_json(),
        more=lambda state: {"known": kind.known(state, config.train.text_augmentation)},
    )


def planned_examples(run: Run) -> str:
    """As `planned_fitted`, for the published examples."""
    return planned_fitted(run, _fitted(run.config))


def _judged(run: Run, step: Step, spec: TrainSpec, trained: TrainResult) -> tuple[str, Mapping[str, Any]]:
    right = trained.manifest["metrics"]["test"]["accuracy"]
    none = f"no {kind_of(run.config).one} in the test split"
    return none if right is None else f"{right:.1%} of the test split right", {}


TRAIN_EXAMPLES = fitted_stage(MODULES, _fitted, _judged)
