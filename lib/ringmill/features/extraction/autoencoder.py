"""A trained encoder as plain data; columns of x → the numbers of its code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from ringmill.features.extraction.project import Columns, Rows, matrix_of, project
from ringmill.features.lists import tensor_array
from ringmill.features.twofold import Floats


@dataclass(frozen=True)
class AutoencoderPart:
    """code = W_n · max(… max(W_1 · x + b_1, 0) …, 0) + b_n, with x as training sees it, in float32.

    `kernels`: of each layer (units, inputs); `biases`: (units).
    """

    kind: ClassVar[str] = "autoencoder"
    refuses_null: ClassVar[bool] = True
    name: str
    columns: tuple[str, ...]
    kernels: tuple[Rows, ...]
    biases: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, name: str, columns: tuple[str, ...], tree: Mapping[str, Any]) -> AutoencoderPart:
        """From what a training left of its encoder: see train/models/autoencoder.py."""
        kernels = tuple(tuple(tuple(row) for row in layer["kernel"]) for layer in tree["layers"])
        return cls(name, columns, kernels, tuple(tuple(layer["bias"]) for layer in tree["layers"]))

    @property
    def reads(self) -> tuple[str, ...]:
        return self.columns

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.name} {place + 1}" for place in range(len(self.biases[-1])))

    def apply(self, columns: Columns) -> Floats:
        return self.encode(matrix_of(columns, self.columns))

    def encode(self, x: Floats) -> Floats:
        """(rows, columns) → (rows, numbers of the code) float64, with bits that depend on the row alone."""
        seen = x.astype(np.float32).astype(np.float64)
        for place, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            seen = project(np.maximum(seen, 0.0) if place else seen, np.array(kernel)) + np.array(bias)
        return seen


def embedder(part: AutoencoderPart) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A function for `mapInArrow`: batches with x, lists of numbers → the same with their codes, float32, in its place.

    The last column is x; that of the codes is called embedding.
    """

    def embed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            x = batch.column("x").flatten().to_numpy(zero_copy_only=False)
            code = part.encode(x.reshape(batch.num_rows, len(part.columns)))
            arrays = [*batch.columns[:-1], tensor_array(code.astype(np.float32), "float")]
            yield pa.RecordBatch.from_arrays(arrays, names=[*batch.schema.names[:-1], "embedding"])

    return embed
