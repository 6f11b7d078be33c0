"""Texts (rows, length) of token ids to the heads: convolutions over neighbouring words, each at its strongest place.

Source: Kim, Convolutional Neural Networks for Sentence Classification, 2014.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from ringmill.config.rules import Section
from ringmill.handoff.columns import Input
from ringmill.train.heads import heads_over
from ringmill.train.tasks.task import Head


class Settings(Section):
    """`kernels`: a convolution for each, over so many neighbouring tokens."""

    units: int = Field(64, ge=1, description="numbers of a token's vector")
    kernels: tuple[Annotated[int, Field(ge=1, le=15)], ...] = Field((1, 2, 3), min_length=1)
    filters: int = Field(64, ge=1, description="of each convolution")
    dense: int = Field(64, ge=1)
    dropout: float = Field(0.3, ge=0, lt=1, description="after the vectors, and before and after the dense layer")


def build(x: Input, heads: Mapping[str, Head], settings: Settings, *, dtype: str, seed: int) -> Any:
    """(batch, length) → {name of a head: (batch, its units)}.

    A convolution's place counts where a token stands; after a ReLU, 0 stands for a text without one.
    """
    import keras

    from ringmill.train.layers import Dropout
    from ringmill.train.text_layers import Real, Words

    x.check_ids("train.model.kind: textcnn")
    weights = "float32" if dtype.startswith("mixed") else dtype
    inputs = keras.Input(x.shape, dtype="int32", name="x")
    words = Words(x.ids, settings.units, seed=seed, dtype=dtype, name="words")(inputs)
    words = Dropout(settings.dropout, number=0, dtype=dtype, name="dropout_0")(words)
    real = Real(dtype=dtype, name="real")(inputs)
    found = []
    for place, kernel in enumerate(settings.kernels):
        convolution = keras.layers.Conv1D(
            settings.filters,
            kernel,
            padding="same",
            activation="relu",
            kernel_initializer=keras.initializers.HeNormal(seed=seed + 1 + place),
            dtype=dtype,
            name=f"convolution_{place}",
        )
        seen = keras.layers.Multiply(dtype=dtype, name=f"real_{place}")([convolution(words), real])
        found.append(keras.layers.GlobalMaxPooling1D(dtype=dtype, name=f"strongest_{place}")(seen))
    seen = keras.layers.Concatenate(dtype=dtype, name="together")(found) if len(found) > 1 else found[0]
    seen = Dropout(settings.dropout, number=1, dtype=dtype, name="dropout_1")(seen)
    start = keras.initializers.HeNormal(seed=seed + 100)
    seen = keras.layers.Dense(settings.dense, activation="relu", kernel_initializer=start, dtype=dtype, name="dense")(
        seen
    )
    seen = Dropout(settings.dropout, number=2, dtype=dtype, name="dropout_2")(seen)
    return keras.Model(inputs, heads_over(seen, heads, weights=weights, seed=seed), name="textcnn")
