"""Texts (rows, length) of token ids to the heads: read token by token, the state after the last one is what is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from ringmill.config.rules import Section
from ringmill.handoff.columns import Input
from ringmill.train.heads import heads_over
from ringmill.train.tasks.task import Head


class Settings(Section):
    """A recurrent layer; padding leaves its state as it is."""

    cell: Literal["gru", "lstm"] = "gru"
    units: int = Field(64, ge=1, description="numbers of a token's vector")
    state: int = Field(64, ge=1, description="numbers of the recurrent state")
    dropout: float = Field(0.3, ge=0, lt=1, description="after the vectors, and before the heads")


def build(x: Input, heads: Mapping[str, Head], settings: Settings, *, dtype: str, seed: int) -> Any:
    """(batch, length) → {name of a head: (batch, its units)}; a text without tokens has a state of zeros."""
    import keras

    from ringmill.train.layers import Dropout
    from ringmill.train.text_layers import GruCell, LstmCell, Words

    x.check_ids("train.model.kind: gru")
    weights = "float32" if dtype.startswith("mixed") else dtype
    cell = {"gru": GruCell, "lstm": LstmCell}[settings.cell]
    inputs = keras.Input(x.shape, dtype="int32", name="x")
    words = Words(x.ids, settings.units, seed=seed, dtype=dtype, name="words")(inputs)
    words = Dropout(settings.dropout, number=0, dtype=dtype, name="dropout_0")(words)
    step = cell(settings.state, seed=seed + 1, dtype=dtype, name="cell")
    seen = keras.layers.RNN(step, dtype=dtype, name=settings.cell)(words, mask=keras.ops.greater(inputs, 0))
    seen = Dropout(settings.dropout, number=1, dtype=dtype, name="dropout_1")(seen)
    return keras.Model(inputs, heads_over(seen, heads, weights=weights, seed=seed), name="gru")
