"""A process of its own, as a scorer is, since threads are set before TensorFlow starts.

Models of several kinds are asked for rows in many batches, and what they say is printed as JSON.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringmill.train.saved import answers
from ringmill.train.start import import_tensorflow

LENGTH = 12
KINDS = ("dense", "convolutions", "recurrent")


def body_of(kind: str, keras: Any) -> list[Any]:
    layers = keras.layers
    if kind == "dense":
        return [layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(32, activation="tanh")]
    if kind == "convolutions":
        return [layers.Conv1D(16, 3, activation="relu"), layers.GlobalMaxPooling1D()]
    return [layers.GRU(16)]


def asked(kind: str, at_once: int, keras: Any) -> dict[str, Any]:
    """`differing` rows of random batches whose answer is not, to the last bit, that of the row among all."""
    inputs = keras.Input((LENGTH, 3))
    seen = inputs
    for layer in body_of(kind, keras):
        seen = layer(seen)
    model = keras.Model(inputs, {"chance": keras.layers.Dense(1, activation="sigmoid")(seen)})

    def said(x: NDArray[np.float32]) -> NDArray[np.float64]:
        return answers(lambda part: model(part, training=False), x, at_once=at_once)["chance"]

    rng = np.random.default_rng(3)
    rows = 20 if at_once < 64 else 500  # told one by one where fewer than 64 go at once
    x = rng.normal(size=(rows, LENGTH, 3)).astype(np.float32)
    whole, plain = said(x), np.asarray(model(x, training=False)["chance"], np.float64)
    differing = 0
    for _ in range(2 if at_once < 64 else 20):
        places = rng.permutation(rows)[: rng.integers(1, rows)]
        differing += int((said(x[places]) != whole[places]).sum())
    return {
        "rows": rows,
        "shape": whole.shape,
        "empty": said(x[:0]).shape,
        "values": len(np.unique(whole)),
        "off": float(np.max(np.abs(whole / plain - 1))),
        "differing": differing,
    }


def main() -> None:
    import_tensorflow(threads=1)
    import keras

    keras.utils.set_random_seed(5)
    print(json.dumps({f"{kind} {at_once}": asked(kind, at_once, keras) for kind in KINDS for at_once in (10, 100)}))


if __name__ == "__main__":
    main()
