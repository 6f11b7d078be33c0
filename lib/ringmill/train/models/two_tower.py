"""Purchases (rows, 1 + length), a product's id and others that were bought, to how surprising the product is.

One tower makes a vector of the products that a customer has bought, the other has one of each product; their product
says how likely it is bought next. Source: Covington, Adams, Sargin, Deep Neural Networks for YouTube Recommendations,
2016; Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations, 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from ringmill.config.rules import Section
from ringmill.handoff.columns import Input
from ringmill.train.tasks.task import Head


class Settings(Section):
    """The customer's tower: the mean of the vectors of the customer's products, `hidden` layers, a linear one."""

    units: int = Field(64, ge=1, description="numbers of a product's vector, of either tower")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = ()
    dropout: float = Field(0.2, ge=0, lt=1, description="chance of each of the customer's products to be left out")


def build(x: Input, heads: Mapping[str, Head], settings: Settings, *, dtype: str, seed: int) -> Any:
    """(batch, 1 + length) → {the head: (batch,)}; `bias` of the head is the logarithm of each product's share."""
    import keras

    from ringmill.train.layers import Dropout
    from ringmill.train.text_layers import MeanOfReal, Real, Words
    from ringmill.train.tower_layers import ProductLoss

    x.check_ids("train.model.kind: two_tower")
    weights = "float32" if dtype.startswith("mixed") else dtype
    inputs = keras.Input(x.shape, dtype="int32", name="x")
    past = inputs[:, 1:]
    words = Words(x.ids, settings.units, seed=seed, dtype=dtype, name="past")(past)
    real = Dropout(settings.dropout, number=0, dtype=dtype, name="dropout_0")(Real(dtype=dtype, name="real")(past))
    seen = MeanOfReal(dtype=dtype, name="mean")([words, real])
    for place, units in enumerate((*settings.hidden, settings.units)):
        layer = keras.layers.Dense(
            units,
            activation="relu" if place < len(settings.hidden) else None,
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed + 1 + place),
            dtype=dtype,
            name=f"customer_{place}",
        )
        seen = layer(seen)
    ((name, head),) = heads.items()
    products = ProductLoss(head.bias, seed=seed + 100, dtype=weights, name="products")
    return keras.Model(inputs, {name: products([seen, inputs[:, 0]])}, name="two_tower")


def frozen(model: Any) -> dict[str, Any]:
    """Both towers as plain data: `past` (ids, units), of which id 0 is none; of each layer of the customer's tower
    `kernel` (units, inputs) and `bias` (units), between layers max(·, 0); `products` (products, units) and `biases`,
    the first of id 1."""
    layers = [layer.get_weights() for layer in model.layers if layer.name.startswith("customer_")]
    products, biases = model.get_layer("products").get_weights()
    return {
        "past": model.get_layer("past").get_weights()[0].tolist(),
        "layers": [{"kernel": kernel.T.tolist(), "bias": bias.tolist()} for kernel, bias in layers],
        "products": products.tolist(),
        "biases": biases.tolist(),
    }
