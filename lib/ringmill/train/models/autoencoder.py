"""Rows of numbers to how far they are from what a narrow code says of them: dense layers down to it, and up again.

Source: Hinton, Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, 2006.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from ringmill.config.rules import Section
from ringmill.handoff.columns import Input
from ringmill.train.tasks.task import Head


class Settings(Section):
    """`hidden`: the units of the layers from x to the code, and in turn of those from the code back."""

    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (32,)
    code: int = Field(8, ge=1, description="numbers that stand for a row")


def build(x: Input, heads: Mapping[str, Head], settings: Settings, *, dtype: str, seed: int) -> Any:
    """(batch, numbers of a row) → {the head: (batch,)}, the mean over the row's numbers of their squared errors.

    Layers within are rectified, the code and what is said of x are linear: the encoder is products and sums alone, and
    gives the same numbers wherever it is applied (see `frozen`).
    """
    import keras

    weights = "float32" if dtype.startswith("mixed") else dtype
    inputs = keras.Input((x.length,), dtype=weights, name="x")

    def dense(units: int, name: str, place: int, **more: Any) -> Any:
        kernel = keras.initializers.GlorotUniform(seed=seed + place)
        return keras.layers.Dense(units, kernel_initializer=kernel, name=name, **{"dtype": dtype, **more})

    seen = inputs
    for place, units in enumerate(settings.hidden):
        seen = dense(units, f"encoder_{place}", place, activation="relu")(seen)
    seen = dense(settings.code, "code", 100)(seen)
    for place, units in enumerate(reversed(settings.hidden)):
        seen = dense(units, f"decoder_{place}", 200 + place, activation="relu")(seen)
    said = dense(x.length, "said", 300, dtype=weights)(seen)
    errors = keras.ops.square(keras.layers.Subtract(dtype=weights, name="error")([inputs, said]))
    (head,) = heads
    return keras.Model(inputs, {head: keras.ops.mean(errors, axis=-1)}, name="autoencoder")


def frozen(model: Any) -> dict[str, Any]:
    """The encoder as plain data: of each layer `kernel` (units, inputs) and `bias` (units), the code's last; between
    layers max(·, 0)."""
    layers = [layer for layer in model.layers if layer.name == "code" or layer.name.startswith("encoder_")]
    weights = [layer.get_weights() for layer in layers]
    return {"layers": [{"kernel": kernel.T.tolist(), "bias": bias.tolist()} for kernel, bias in weights]}
