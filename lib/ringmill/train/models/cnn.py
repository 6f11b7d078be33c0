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

# Channels for each unit of the narrow layer; taps each way of the kernel that looks around a place.
SQUEEZE, LOOK = 4, 7


class Settings(Section):
    """A block per entry of `filters`, each of which halves height and width."""

    filters: tuple[Annotated[int, Field(ge=1)], ...] = Field((16, 32, 64), min_length=1)
    kernel: int = Field(3, ge=1, le=11)
    dilation: int = Field(1, ge=1, le=16, description="places from one tap of a kernel to the next")
    attention: Literal["none", "channels", "places"] = Field(
        "none", description="what a block makes louder or softer before it is pooled, by all of its image"
    )
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
            dilation_rate=settings.dilation,
            use_bias=False,
            kernel_initializer=kernel(place),
            dtype=dtype,
            name=f"convolution_{place}",
        )
        seen = BatchNorm(sync=settings.sync, dtype=dtype, name=f"norm_{place}")(convolution(seen))
        seen = keras.layers.Activation("relu", dtype=dtype, name=f"relu_{place}")(seen)
        seen = _attended(seen, settings, place, kernel=kernel(300 + place), dtype=dtype)
        seen = keras.layers.MaxPooling2D(2, dtype=dtype, name=f"pool_{place}")(seen)
    gather = keras.layers.Flatten if settings.gather == "flatten" else keras.layers.GlobalAveragePooling2D
    seen = Dropout(settings.dropout, number=0, dtype=dtype, name="dropout_0")(gather(dtype=dtype, name="gather")(seen))
    dense = keras.layers.Dense(
        settings.dense, activation="relu", kernel_initializer=kernel(100), dtype=dtype, name="dense"
    )
    seen = Dropout(settings.dropout, number=1, dtype=dtype, name="dropout_1")(dense(seen))
    return keras.Model(inputs, heads_over(seen, heads, weights=weights, seed=seed), name="cnn")


def _attended(seen: Any, settings: Settings, place: int, *, kernel: Any, dtype: str) -> Any:
    """(batch, height, width, channels) → the same, each channel or each place times a number from 0 to 1.

    Of a channel it hangs on the means of all (Hu, Shen, Sun, Squeeze-and-Excitation Networks, 2018), of a place on mean
    and maximum around it (Woo et al., CBAM, 2018). One row alone decides, so that padding and ranks have no part in it.
    """
    import keras

    def named(layer: Any, name: str, *given: Any, **more: Any) -> Any:
        return layer(*given, dtype=dtype, name=f"{name}_{place}", **more)

    if settings.attention == "none":
        return seen
    if settings.attention == "channels":
        channels = seen.shape[-1]
        mean = named(keras.layers.GlobalAveragePooling2D, "squeeze", keepdims=True)(seen)
        narrow = named(
            keras.layers.Dense, "narrow", max(1, channels // SQUEEZE), activation="relu", kernel_initializer=kernel
        )
        wide = named(keras.layers.Dense, "excite", channels, activation="sigmoid", kernel_initializer=kernel)
        weights = wide(narrow(mean))
    else:
        both = [keras.ops.mean(seen, axis=-1, keepdims=True), keras.ops.max(seen, axis=-1, keepdims=True)]
        around = named(
            keras.layers.Conv2D,
            "look",
            1,
            LOOK,
            padding="same",
            activation="sigmoid",
            use_bias=False,
            kernel_initializer=kernel,
        )
        weights = around(named(keras.layers.Concatenate, "summary")(both))
    return named(keras.layers.Multiply, "attended")([seen, weights])
