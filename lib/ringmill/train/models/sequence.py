"""Orders (rows, length, 1 + numbers), a category's id and numbers of each, to the heads: read one after the other by a
recurrent layer, or all at once by attention. The latest order is in the last place, and zeros stand before the first.

Source of the attention: Vaswani et al., Attention Is All You Need, 2017; of its use on a customer's events: Kang and
McAuley, Self-Attentive Sequential Recommendation, 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from ringmill.config.rules import Section
from ringmill.handoff.columns import Input
from ringmill.train.heads import heads_over
from ringmill.train.tasks.task import Head


class Settings(Section):
    """`reader`: what goes over the orders; `state` is of lstm and gru, `heads` are of attention."""

    reader: Literal["lstm", "gru", "attention"] = "gru"
    units: int = Field(32, ge=1, description="numbers of a category's vector, and of an order's")
    state: int = Field(32, ge=1, description="numbers of the recurrent state")
    heads: int = Field(4, ge=1, description="parts in which attention looks")
    dropout: float = Field(0.2, ge=0, lt=1, description="after the orders' vectors, and before the heads")

    @model_validator(mode="after")
    def _divides(self) -> Settings:
        if self.reader == "attention" and self.units % self.heads:
            raise ValueError("'units' that 'heads' divides")
        return self


def build(x: Input, heads: Mapping[str, Head], settings: Settings, *, dtype: str, seed: int) -> Any:
    """(batch, length, 1 + numbers) → {name of a head: (batch, its units)}.

    Beside what was read the heads see the last order itself, and how often each category was there: what follows from
    these alone need not pass through the reader (as in mlp.py). A customer without orders is all zeros.
    """
    import keras

    from ringmill.train.layers import Dropout
    from ringmill.train.order_layers import CategoryIds, CategoryShares, OrderNumbers
    from ringmill.train.text_layers import Real, Words

    x.check_places("train.model.kind: sequence")
    weights = "float32" if dtype.startswith("mixed") else dtype
    inputs = keras.Input(x.shape, dtype=weights, name="x")
    ids = CategoryIds(dtype=dtype, name="ids")(inputs)
    category = Words(x.ids, settings.units, seed=seed, dtype=dtype, name="category")(ids)
    numbers = OrderNumbers(dtype=dtype, name="numbers")(inputs)
    order = keras.layers.Dense(
        settings.units,
        activation="silu",
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed + 1),
        dtype=dtype,
        name="order",
    )
    seen = order(keras.layers.Concatenate(dtype=dtype, name="both")([category, numbers]))
    real = Real(dtype=dtype, name="real")(ids)
    seen = keras.layers.Multiply(dtype=dtype, name="orders")([seen, real])
    seen = Dropout(settings.dropout, number=0, dtype=dtype, name="dropout_0")(seen)
    if settings.reader == "attention":
        read = _attended(seen, real, settings, dtype, seed)
    else:
        read = _recurrent(seen, ids, settings, dtype, seed)
    shares = CategoryShares(x.ids, dtype=dtype, name="shares")(ids)
    read = keras.layers.Concatenate(dtype=dtype, name="read")([read, seen[:, -1], shares])
    read = Dropout(settings.dropout, number=1, dtype=dtype, name="dropout_1")(read)
    return keras.Model(inputs, heads_over(read, heads, weights=weights, seed=seed), name="sequence")


def _recurrent(seen: Any, ids: Any, settings: Settings, dtype: str, seed: int) -> Any:
    """(batch, length, units) → (batch, state), the state after the last order; a place without one leaves it."""
    import keras

    from ringmill.train.text_layers import GruCell, LstmCell

    cell = {"gru": GruCell, "lstm": LstmCell}[settings.reader]
    step = cell(settings.state, seed=seed + 2, dtype=dtype, name="cell")
    return keras.layers.RNN(step, dtype=dtype, name=settings.reader)(seen, mask=keras.ops.greater(ids, 0))


def _attended(seen: Any, real: Any, settings: Settings, dtype: str, seed: int) -> Any:
    """(batch, length, units) → (batch, units): the orders have looked at each other; the mean of what they found."""
    import keras

    from ringmill.train.text_layers import Attention, MeanOfReal, Places

    placed = Places(seed=seed + 2, dtype=dtype, name="places")(seen)
    norm = keras.layers.LayerNormalization(dtype=dtype, name="norm")
    looked = Attention(settings.heads, seed=seed + 3, dtype=dtype, name="attention")([norm(placed), real])
    added = keras.layers.Add(dtype=dtype, name="add")([placed, looked])
    return MeanOfReal(dtype=dtype, name="mean")([added, real])
