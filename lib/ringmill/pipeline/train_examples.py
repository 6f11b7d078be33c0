"""Stage train of a pipeline of examples alone: features/<name>, a tensor and labels → a model under models/<name>."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ringmill.config.models import Config
from ringmill.lake.ledger import Entry
from ringmill.pipeline.examples import ClassState, kind_of, section_of
from ringmill.pipeline.progress import Step
from ringmill.pipeline.promote import settle
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.pipeline.train_fitted import Fitted, configuration, planned_fitted, train_fitted
from ringmill.train.build import modules

if TYPE_CHECKING:
    from ringmill.train.spec import TrainResult, TrainSpec

MODULES = ("ringmill.pipeline.train_examples", "ringmill.train.rank", *modules())


def _fitted(config: Config) -> Fitted[ClassState]:
    kind = kind_of(config)
    return Fitted(
        code=MODULES,
        stage=kind.stage,
        name=section_of(config).name,
        many=kind.many,
        state=kind.state,
        x=kind.x,
        vocabulary="label",
        values=lambda state: state.classes,
        file=kind.state_file,
        kept=lambda state: state.to_json(),
        more=lambda state: {"known": kind.known(state, config.train.text_augmentation)},
    )


def planned_examples(run: Run) -> str:
    """As `planned_fitted`, for the published examples."""
    return planned_fitted(run, _fitted(run.config))


def _inputs(run: Run) -> Mapping[str, Any]:
    return _fitted(run.config).inputs(run)


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    def judge(spec: TrainSpec, trained: TrainResult) -> tuple[str, Mapping[str, Any]]:
        right = trained.manifest["metrics"]["test"]["accuracy"]
        none = f"no {kind_of(run.config).one} in the test split"
        return none if right is None else f"{right:.1%} of the test split right", {}

    return train_fitted(run, inputs, step, _fitted(run.config), judge)


def _is_there(run: Run, entry: Entry) -> bool:
    return _fitted(run.config).is_there(run, entry)


TRAIN_EXAMPLES = Stage("train", MODULES, configuration, _inputs, _body, _is_there, settle)
