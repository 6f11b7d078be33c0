"""Rows (rows, numbers) or images (rows, height, width, channels) to what a network says of them, and of rows that
another one makes of random numbers.

Source: Goodfellow et al., Generative Adversarial Nets, 2014; Radford, Metz, Chintala, Unsupervised Representation
Learning with Deep Convolutional Generative Adversarial Networks, 2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from ringmill.config.rules import Section
from ringmill.errors import ConfigError
from ringmill.handoff.columns import Input
from ringmill.train.tasks.adversarial import DISCRIMINATOR, GENERATOR, MADE, REAL
from ringmill.train.tasks.task import Head

# Of a negative number: a power of two, so that no precision rounds it.
SLOPE = 0.25


class Settings(Section):
    """Of rows `hidden` are the units of either network's layers. Of images the generator begins at a `2 ** n`th of
    height and width with n entries of `filters`, and doubles both with each; the discriminator goes the same way back.
    """

    latent: int = Field(32, ge=1, description="random numbers that a row is made of")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field((64, 64), min_length=1)
    filters: tuple[Annotated[int, Field(ge=1)], ...] = Field((32, 16), min_length=1, max_length=6)
    dropout: float = Field(0.2, ge=0, lt=1, description="in front of the discriminator's last layer")
    sync: bool = Field(True, description="batch norm by the moments of all ranks' rows")


def build(x: Input, heads: Mapping[str, Head], settings: Settings, *, dtype: str, seed: int) -> Any:
    """(batch, …) → {the head: (batch,), −log of the chance that x is real; `real` and `made`: (batch,) logits of x and
    of a row that is made}.

    Batch norm is the generator's alone: the discriminator would see by the moments of a batch whether it is a made one.
    """
    import keras

    from ringmill.train.layers import Latent

    if x.dtype == "int32" or len(x.shape) not in (1, 3):
        expected = "an input of numbers, (numbers,) or (height, width, channels)"
        received = f"{x.dtype} of shape {x.shape}"
        raise ConfigError.bad_value("train.model.kind: gan", "train.model.kind", expected, received)
    weights = "float32" if dtype.startswith("mixed") else dtype
    made = _Networks(x.shape, settings, dtype, weights, seed)
    generator, discriminator = made.generator(), made.discriminator()
    inputs = keras.Input(x.shape, dtype=weights, name="x")
    latent = Latent(settings.latent, dtype=weights, name="latent")(inputs)
    real, of_made = discriminator(inputs), discriminator(generator(latent))
    (head,) = heads
    outputs = {head: keras.ops.softplus(-real), REAL: real, MADE: of_made}
    return keras.Model(inputs, outputs, name="gan")


def frozen(model: Any) -> dict[str, Any]:
    """The generator as plain data, `latent` numbers and `steps` in their order: see ringmill/augment/generator.py."""
    network = model.get_layer(GENERATOR)
    return {"latent": int(network.input.shape[1]), "steps": [_step(layer) for layer in network.layers[1:]]}


def _step(layer: Any) -> dict[str, Any]:
    """A layer as it acts once training is over."""
    match type(layer).__name__:
        case "Dense" | "Conv2D" as kind:
            kernel, *bias = layer.get_weights()
            given = bias[0].tolist() if bias else [0.0] * kernel.shape[-1]
            return {"kind": kind.lower(), "kernel": kernel.tolist(), "bias": given}
        case "BatchNorm":
            gamma, beta, mean, variance = layer.get_weights()
            factor = gamma / (variance + layer.epsilon) ** 0.5
            return {"kind": "scaled", "factor": factor.tolist(), "bias": (beta - mean * factor).tolist()}
        case "LeakyReLU":
            return {"kind": "leaky", "slope": float(layer.negative_slope)}
        case "Reshape":
            return {"kind": "shaped", "shape": list(layer.target_shape)}
        case _:
            return {"kind": "doubled"}


class _Networks:
    """The layers of both networks, for one shape of row."""

    def __init__(self, shape: tuple[int, ...], settings: Settings, dtype: str, weights: str, seed: int) -> None:
        self._shape, self._settings, self._dtype, self._weights, self._seed = shape, settings, dtype, weights, seed
        self._halvings = len(settings.filters)
        if len(shape) == 3 and any(side % 2**self._halvings for side in shape[:2]):
            expected = f"at most as many entries as {shape[0]} × {shape[1]} can be halved"
            raise ConfigError.bad_value("train.model.kind: gan", "train.model.filters", expected, settings.filters)

    def generator(self) -> Any:
        """(batch, latent) → (batch, …), as the model sees real rows. No bias before a batch norm: see `cnn`."""
        import keras

        seen = inputs = keras.Input((self._settings.latent,), dtype=self._weights, name="z")
        if len(self._shape) == 1:
            for place, units in enumerate(self._settings.hidden):
                seen = self._normed(self._dense(units, place, bias=False)(seen), f"made_{place}")
            return keras.Model(inputs, self._dense(self._shape[0], 50, dtype=self._weights)(seen), name=GENERATOR)
        first = self._settings.filters[0]
        start = [side // 2**self._halvings for side in self._shape[:2]]
        seen = self._dense(start[0] * start[1] * first, 0, bias=False)(seen)
        seen = keras.layers.Reshape((*start, first), dtype=self._dtype, name="start")(seen)
        seen = self._normed(seen, "made_0")
        for place, filters in enumerate((*self._settings.filters[1:], self._shape[2]), start=1):
            seen = keras.layers.UpSampling2D(2, dtype=self._dtype, name=f"doubled_{place}")(seen)
            if place == self._halvings:
                seen = self._convolution(filters, place, dtype=self._weights)(seen)
            else:
                seen = self._normed(self._convolution(filters, place, bias=False)(seen), f"made_{place}")
        return keras.Model(inputs, seen, name=GENERATOR)

    def discriminator(self) -> Any:
        """(batch, …) → (batch,): the logit of the chance that a row is real."""
        import keras

        from ringmill.train.layers import Dropout

        seen = inputs = keras.Input(self._shape, dtype=self._weights, name="row")
        if len(self._shape) == 1:
            for place, units in enumerate(self._settings.hidden):
                seen = self._leaky(self._dense(units, 100 + place)(seen), f"judged_{place}")
        else:
            for place, filters in enumerate(reversed(self._settings.filters)):
                seen = self._leaky(self._convolution(filters, 100 + place, strides=2)(seen), f"judged_{place}")
            seen = keras.layers.Flatten(dtype=self._dtype, name="flat")(seen)
        seen = Dropout(self._settings.dropout, number=0, dtype=self._dtype, name="dropout")(seen)
        logit = self._dense(1, 150, dtype=self._weights)(seen)
        return keras.Model(inputs, logit[:, 0], name=DISCRIMINATOR)

    def _normed(self, seen: Any, name: str) -> Any:
        from ringmill.train.layers import BatchNorm

        norm = BatchNorm(sync=self._settings.sync, dtype=self._dtype, name=f"{name}_norm")
        return self._leaky(norm(seen), name)

    def _leaky(self, seen: Any, name: str) -> Any:
        import keras

        return keras.layers.LeakyReLU(negative_slope=SLOPE, dtype=self._dtype, name=f"{name}_leaky")(seen)

    def _dense(self, units: int, place: int, *, bias: bool = True, dtype: str = "") -> Any:
        import keras

        kernel = keras.initializers.GlorotUniform(seed=self._seed + place)
        named = {"dtype": dtype or self._dtype, "name": f"dense_{place}"}
        return keras.layers.Dense(units, use_bias=bias, kernel_initializer=kernel, **named)

    def _convolution(self, filters: int, place: int, *, strides: int = 1, bias: bool = True, dtype: str = "") -> Any:
        import keras

        return keras.layers.Conv2D(
            filters,
            3,
            strides=strides,
            padding="same",
            use_bias=bias,
            kernel_initializer=keras.initializers.GlorotUniform(seed=self._seed + place),
            dtype=dtype or self._dtype,
            name=f"convolution_{place}",
        )
