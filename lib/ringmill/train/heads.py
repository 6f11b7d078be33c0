"""The last layers of a model: each head of the task over one vector per row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ringmill.train.tasks.task import Head


def heads_over(seen: Any, heads: Mapping[str, Head], *, weights: str, seed: int) -> dict[str, Any]:
    """(batch, units) → {name of a head: (batch, its units)}, linear, with small random weights and the head's bias.

    They compute in `weights`, the weights' dtype, whatever the layers before do: logits lose nothing.
    """
    import keras

    outputs = {}
    for place, (name, head) in enumerate(heads.items()):
        start = keras.initializers.Constant(np.array(head.bias))
        small = keras.initializers.GlorotUniform(seed=seed + 200 + place)
        layer = keras.layers.Dense(
            len(head.bias), kernel_initializer=small, bias_initializer=start, dtype=weights, name=f"{name}_dense"
        )
        outputs[name] = keras.layers.Reshape(head.units, dtype=weights, name=name)(layer(seen))
    return outputs
