"""A built model, looked at before it trains: nothing in it may depend on the number of ranks or on padding."""

from __future__ import annotations

from typing import Any

from ringmill.config.train import Train
from ringmill.errors import ConfigError

OWN = "ringmill.train.layers"


def check_exact(model: Any, section: Train) -> None:
    """Check the layers of a model, those of models within it too.

    Raises:
        ConfigError: a layer takes the moments of one rank's rows and `sync: false` is not written, or counts padding
            among them; or draws from a state of its own, which another number of ranks would draw otherwise; or
            moments, or negatives, of all rows are asked for where a step's rows come in several passes.
    """
    name = f"train.model.kind: {section.model.kind}"
    for layer in model._flatten_layers(include_self=False):
        kind = type(layer).__name__
        if kind == "BatchNormalization":
            raise ConfigError.bad_value(name, "train.model.kind", f"BatchNorm of {OWN}, which leaves out padding", kind)
        if getattr(layer, "seed_generator", None) is not None:
            expected = f"layers that draw by row id, as Dropout of {OWN}"
            raise ConfigError.bad_value(name, "train.model.kind", expected, f"{kind} '{layer.name}'")
        if kind == "BatchNorm":
            _check_moments(layer, section, name)
        if kind == "ProductLoss":
            _check_passes("negatives from the whole batch", section, name)


def _check_moments(layer: Any, section: Train, name: str) -> None:
    written = section.model.settings.get("sync", True) is False
    if not layer.sync and not written:
        expected = "moments summed over ranks, or 'sync: false' in the configuration: law 5 is then not promised"
        raise ConfigError.bad_value(name, "train.model.sync", expected, f"'{layer.name}' without sync")
    # Replicas exchange the moving moments within a step, and cannot do so within the loop of its passes.
    if layer.sync or section.engine == "mirrored":
        _check_passes("batch norm over all ranks", section, name)


def _check_passes(what: str, section: Train, name: str) -> None:
    if section.optimizer.passes > 1:
        expected = f"1 with {what}: a pass does not see all of it"
        raise ConfigError.bad_value(name, "train.optimizer.passes", expected, section.optimizer.passes)
