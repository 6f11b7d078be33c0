"""Images (rows, height, width, channels) to the heads: blocks of convolution, batch norm and pooling, then dense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from ringmill.config.rules import Section
from ringmill.errors import ConfigError
from ringmill.handoff.columns import Input
from ringmill.train.heads import heads_over
from ringmill.train.tasks.task import Head


class Settings(Section):
    """A block per entry of `filters`, each of which halves height and width."""

    filters: tuple[Annotated[int, Field(ge=1)], ...] = Field((16, 32, 64), min_length=1)
    kernel: int = Field(3, ge=1, le=11)
    gather: Literal["flatten", "average"] = Field(
        "flatten", description="how the last block's places become one vector: side by side, or their mean"
    )
    dense: int = Field(128, ge=1)
    dropout: float = Field(0.3, ge=0, lt=1, description="before and after the dense layer")
    sync: bool = Field(True, description="batch norm by the moments of all ranks' rows")


def build(x: Input, heads: Mapping[str, Head], settings: Settings, *, dtype: str, seed: int) -> Any:
    """(batch, height, width, channels) → {name of a head: (batch, its units)}. No bias before a batch norm: it would
    have no effect but the rounding of its gradient, which an adaptive optimizer makes large."""
    import keras

    from ringmill.train.layers import BatchNorm, Dropout

    if len(x.shape) != 3 or min(x.shape[:2]) < 2 ** len(settings.filters):
        expected = f"(height, width, channels) of at least {2 ** len(settings.filters)} each way"
        raise ConfigError.bad_value("train.model.kind: cnn", "train.model.filters", expected, f"an input of {x.shape}")
    weights = "float32" if dtype.startswith("mixed") else dtype

    def kernel(place: int) -> Any:
        return keras.initializers.HeNormal(seed=seed + place)

    seen = inputs = keras.Input(x.shape, dtype=weights, name="x")
    for place, filters in enumerate(settings.filters):
        convolution = keras.layers.Conv2D(
            filters,
            settings.kernel,
            padding="same",
            use_bias=False,
            kernel_initializer=kernel(place),
            dtype=dtype,
            name=f"convolution_{place}",
        )
        seen = BatchNorm(sync=settings.sync, dtype=dtype, name=f"norm_{place}")(convolution(seen))
        seen = keras.layers.Activation("relu", dtype=dtype, name=f"relu_{place}")(seen)
        seen = keras.layers.MaxPooling2D(2, dtype=dtype, name=f"pool_{place}")(seen)
    gather = keras.layers.Flatten if settings.gather == "flatten" else keras.layers.GlobalAveragePooling2D
    seen = Dropout(settings.dropout, number=0, dtype=dtype, name="dropout_0")(gather(dtype=dtype, name="gather")(seen))
    dense = keras.layers.Dense(
        settings.dense, activation="relu", kernel_initializer=kernel(100), dtype=dtype, name="dense"
    )
    seen = Dropout(settings.dropout, number=1, dtype=dtype, name="dropout_1")(dense(seen))
    return keras.Model(inputs, heads_over(seen, heads, weights=weights, seed=seed), name="cnn")
