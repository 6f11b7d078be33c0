"""A builder by its name → the model that a task asks for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from pydantic import ValidationError

from ringmill.config.tasks import Model
from ringmill.config.train import Train
from ringmill.errors import ConfigError
from ringmill.handoff.columns import Input
from ringmill.train import models
from ringmill.train.exact import check_exact
from ringmill.train.tasks.task import Head


def builders() -> tuple[str, ...]:
    """The names of all builders."""
    return tuple(sorted(module.name for module in iter_modules(models.__path__)))


def modules() -> tuple[str, ...]:
    """Their modules, which no import names: a stage's key is made of them too."""
    return tuple(f"{models.__name__}.{name}" for name in builders())


def settings_of(model: Model) -> Any:
    """The builder's own keys, checked.

    Raises:
        ConfigError: there is no such builder, or it has no such key, or not with this value.
    """
    if model.kind not in builders():
        raise ConfigError.bad_value("train.model", "train.model.kind", f"one of {', '.join(builders())}", model.kind)
    settings = _module(model).Settings
    try:
        return settings(**model.settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(["train.model", *map(str, first["loc"])])
        if first["type"] == "extra_forbidden":
            raise ConfigError.unknown_key(f"train.model, {model.kind}", key, settings.model_fields) from error
        expected = first["msg"].removeprefix("Value error, ")
        raise ConfigError.bad_value(f"train.model, {model.kind}", key, expected, first["input"]) from error


def build_model(section: Train, x: Input, heads: Mapping[str, Head], *, seed: int) -> Any:
    """A Keras model from (batch, …) of `x` to a dictionary of the heads' numbers. Raises as `settings_of` and
    `check_exact`."""
    settings = settings_of(section.model)
    model = _module(section.model).build(x, heads, settings, dtype=section.dtype, seed=seed)
    check_exact(model, section)
    return model


def frozen_of(section: Train, model: Any) -> Mapping[str, Any] | None:
    """What of a trained model is applied without Keras, as plain data; None where its builder knows of no such part."""
    frozen = getattr(_module(section.model), "frozen", None)
    return None if frozen is None else frozen(model)


def _module(model: Model) -> Any:
    return import_module(f"{models.__name__}.{model.kind}")
