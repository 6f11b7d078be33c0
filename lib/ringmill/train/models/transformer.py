"""Texts (rows, length) of token ids to the heads: a small encoder, whose tokens look at each other.

Source: Vaswani et al., Attention Is All You Need, 2017; norms stand before their blocks (Xiong et al., 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from ringmill.config.rules import Section
from ringmill.handoff.columns import Input
from ringmill.train.heads import heads_over
from ringmill.train.tasks.task import Head


class Settings(Section):
    """`blocks` of attention in `heads` parts, each followed by two dense layers."""

    units: int = Field(64, ge=1, description="numbers of a token's vector")
    heads: int = Field(4, ge=1)
    blocks: int = Field(1, ge=1, le=12)
    dense: int = Field(128, ge=1, description="units between the two dense layers of a block")
    dropout: float = Field(0.2, ge=0, lt=1, description="after the vectors, in each block, and before the heads")

    @model_validator(mode="after")
    def _divides(self) -> Settings:
        if self.units % self.heads:
            raise ValueError("'units' that 'heads' divides")
        return self


def build(x: Input, heads: Mapping[str, Head], settings: Settings, *, dtype: str, seed: int) -> Any:
    """(batch, length) → {name of a head: (batch, its units)}, over the mean of the text's tokens."""
    import keras

    from ringmill.train.layers import Dropout
    from ringmill.train.text_layers import Attention, MeanOfReal, Places, Real, Words

    x.check_ids("train.model.kind: transformer")
    weights = "float32" if dtype.startswith("mixed") else dtype
    numbers = iter(range(100))

    def dropped(values: Any) -> Any:
        number = next(numbers)
        return Dropout(settings.dropout, number=number, dtype=dtype, name=f"dropout_{number}")(values)

    def norm(values: Any, name: str) -> Any:
        return keras.layers.LayerNormalization(dtype=dtype, name=name)(values)

    inputs = keras.Input(x.shape, dtype="int32", name="x")
    real = Real(dtype=dtype, name="real")(inputs)
    seen = Words(x.ids, settings.units, seed=seed, dtype=dtype, name="words")(inputs)
    seen = dropped(Places(seed=seed + 1, dtype=dtype, name="places")(seen))
    for block in range(settings.blocks):
        own = seed + 10 * (block + 1)
        attention = Attention(settings.heads, seed=own, dtype=dtype, name=f"attention_{block}")
        looked = attention([norm(seen, f"norm_{block}_0"), real])
        seen = keras.layers.Add(dtype=dtype, name=f"add_{block}_0")([seen, dropped(looked)])
        widen = keras.layers.Dense(
            settings.dense,
            activation="gelu",
            kernel_initializer=keras.initializers.GlorotUniform(seed=own + 5),
            dtype=dtype,
            name=f"widen_{block}",
        )
        narrow = keras.layers.Dense(
            settings.units,
            kernel_initializer=keras.initializers.GlorotUniform(seed=own + 6),
            dtype=dtype,
            name=f"narrow_{block}",
        )
        more = narrow(widen(norm(seen, f"norm_{block}_1")))
        seen = keras.layers.Add(dtype=dtype, name=f"add_{block}_1")([seen, dropped(more)])
    seen = MeanOfReal(dtype=dtype, name="mean")([norm(seen, "norm"), real])
    return keras.Model(inputs, heads_over(dropped(seen), heads, weights=weights, seed=seed), name="transformer")
