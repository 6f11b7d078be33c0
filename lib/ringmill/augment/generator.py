"""A trained generator as plain data, applied without Keras: ids of rows that are to be made → the rows.

Source: see train/models/gan.py, which freezes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ringmill.features.extraction.project import project
from ringmill.features.lists import tensor_array
from ringmill.mixing import LATENT, normals, row_keys

Floats = NDArray[np.float64]
# Rows at once: what is around each place of 28 × 28 in 32 channels takes 60 MB of so many.
BLOCK = 32
# No row of training is drawn by it, whose epochs are counted from 0.
EPOCH = 2**32


@dataclass(frozen=True)
class Generator:
    """`steps` in their order make a row, as training sees rows, of `latent` random numbers."""

    latent: int
    steps: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> Self:
        arrays = ("kernel", "bias", "factor")
        steps = tuple(
            {name: np.array(value) if name in arrays else value for name, value in step.items()}
            for step in tree["steps"]
        )
        return cls(int(tree["latent"]), steps)

    def drawn(self, row_id: NDArray[np.int64], *, seed: int) -> Floats:
        """(rows,) → (rows, latent): what each row is made of, by its id alone."""
        return normals(row_keys(seed, EPOCH, row_id), LATENT, self.latent).astype(np.float64)

    def apply(self, z: Floats) -> Floats:
        """(rows, latent) → (rows, …), with bits that depend on the row alone."""
        parts = [z[start : start + BLOCK] for start in range(0, max(len(z), 1), BLOCK)]
        return np.concatenate([self._applied(part) for part in parts])

    def _applied(self, seen: Floats) -> Floats:
        for step in self.steps:
            seen = STEPS[step["kind"]](seen, step)
        return seen


def _dense(seen: Floats, step: Mapping[str, Any]) -> Floats:
    return np.asarray(project(seen, step["kernel"].T) + step["bias"])


def _scaled(seen: Floats, step: Mapping[str, Any]) -> Floats:
    return np.asarray(seen * step["factor"] + step["bias"])


def _leaky(seen: Floats, step: Mapping[str, Any]) -> Floats:
    return np.where(seen < 0, step["slope"] * seen, seen)


def _shaped(seen: Floats, step: Mapping[str, Any]) -> Floats:
    return seen.reshape(len(seen), *step["shape"])


def _doubled(seen: Floats, step: Mapping[str, Any]) -> Floats:
    return seen.repeat(2, axis=1).repeat(2, axis=2)


def _conv2d(seen: Floats, step: Mapping[str, Any]) -> Floats:
    """(rows, height, width, channels) → (rows, height, width, filters): zeros stand around the image."""
    kernel = step["kernel"]
    reach = (len(kernel) - 1) // 2
    padded = np.pad(seen, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    around = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], axis=(1, 2))
    # (rows, height, width, channels, down, across) → a row of all taps for each place.
    taps = around.transpose(0, 1, 2, 4, 5, 3).reshape(-1, kernel[..., 0].size)
    out = project(taps, kernel.reshape(-1, kernel.shape[-1]).T) + step["bias"]
    return np.asarray(out.reshape(*seen.shape[:3], kernel.shape[-1]))


STEPS: dict[str, Callable[[Floats, Mapping[str, Any]], Floats]] = {
    "dense": _dense,
    "scaled": _scaled,
    "leaky": _leaky,
    "shaped": _shaped,
    "doubled": _doubled,
    "conv2d": _conv2d,
}


@dataclass(frozen=True)
class Frame:
    """What is known of the class's train rows, (length,) each: what training takes from a number and divides it by, the
    least and the greatest that there is of it, and `levels`, its values where they are few; () where they are many.
    """

    mean: Floats
    scale: Floats
    low: Floats
    high: Floats
    levels: tuple[Floats, ...]

    @classmethod
    def of(cls, x: NDArray[np.floating[Any]], *, channels: int, snap: int) -> Self:
        """(rows, length) train rows. Mean and deviation are of each of the `channels` places of the last axis; a number
        that never changes is divided by 1."""
        rows = x.astype(np.float64)
        of_channels = rows.reshape(-1, channels)
        deviation = of_channels.std(axis=0)
        repeats = rows.shape[1] // channels
        levels = [np.unique(column) for column in rows.T]
        return cls(
            mean=np.tile(of_channels.mean(axis=0), repeats),
            scale=np.tile(np.where(deviation > 0, deviation, 1.0), repeats),
            low=rows.min(axis=0),
            high=rows.max(axis=0),
            levels=tuple(values if len(values) <= snap else values[:0] for values in levels),
        )

    def seen(self, x: NDArray[np.floating[Any]]) -> Floats:
        """(rows, length) as stored → as training sees them."""
        return np.asarray((x.astype(np.float64) - self.mean) / self.scale)

    def stored(self, seen: Floats) -> NDArray[np.float32]:
        """The way back; no number leaves the bounds, and one of few values takes the nearest, of equals the lesser."""
        x = np.clip(seen * self.scale + self.mean, self.low, self.high)
        for place, values in enumerate(self.levels):
            if len(values):
                middles = (values[1:] + values[:-1]) / 2
                x[:, place] = values[np.searchsorted(middles, x[:, place])]
        return x.astype(np.float32)


def maker(generator: Generator, frame: Frame, *, seed: int) -> Callable[[Iterable[pa.RecordBatch]], Iterator[Any]]:
    """A function for `mapInArrow`: batches with row_id → the same with x, lists of float32."""

    def make(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            ids = batch.column(0)
            z = generator.drawn(ids.to_numpy(zero_copy_only=False), seed=seed)
            made = generator.apply(z).reshape(len(z), len(frame.mean))
            yield pa.RecordBatch.from_arrays([ids, tensor_array(frame.stored(made), "float")], names=["row_id", "x"])

    return make
