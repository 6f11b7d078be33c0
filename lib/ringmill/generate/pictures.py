"""Rendered shapes as idx files: each image is a function of (seed, its number), whatever the number of images."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringmill.config.images import Decoding, Pictures
from ringmill.config.load import dump
from ringmill.lake.key import code_hash, stage_key
from ringmill.lake.paths import open_path
from ringmill.lake.written import mark_done, was_done

Grid = NDArray[np.float64]
AT_ONCE = 256
PICTURES = 4  # tells these draws from those of other uses

# In coordinates from the middle of the shape, whose edge is about 1 away.
SHAPES: tuple[Callable[[Grid, Grid], NDArray[np.bool_]], ...] = (
    lambda x, y: x**2 + y**2 < 1,  # disc
    lambda x, y: (x**2 + y**2 < 1) & (x**2 + y**2 > 0.4),  # ring
    lambda x, y: np.maximum(abs(x), abs(y)) < 0.8,  # square
    lambda x, y: (np.maximum(abs(x), abs(y)) < 0.9) & (np.maximum(abs(x), abs(y)) > 0.55),  # frame
    lambda x, y: (y < 0.7) & (y > 2 * abs(x) - 1),  # triangle
    lambda x, y: (np.minimum(abs(x), abs(y)) < 0.25) & (np.maximum(abs(x), abs(y)) < 1),  # plus
    lambda x, y: (abs(x) < 0.25) & (abs(y) < 1),  # bar
    lambda x, y: (abs(abs(x) - 0.6) < 0.22) & (abs(y) < 1),  # two bars
    lambda x, y: (x**2 + y**2 < 1) & (x > 0),  # half disc
    lambda x, y: (np.maximum(abs(x), abs(y)) < 0.9) & ((x > 0) ^ (y > 0)),  # checks
)


def is_written(pictures: Pictures, decoding: Decoding, *, seed: int, files: Sequence[tuple[str, str]]) -> bool:
    """Whether these very pictures lie there already, see `write_pictures`."""
    return was_done(files[0][0].rpartition("/")[0], _key(pictures, decoding, seed, sets=len(files)))


def write_pictures(pictures: Pictures, decoding: Decoding, *, seed: int, files: Sequence[tuple[str, str]]) -> None:
    """Write (rows, height, width[, 3]) images and (rows,) labels 0 … classes − 1 in the idx format, .gz by their names.

    `files` names images and labels of each set: the first has `rows` images, a second one the `test_rows` after them.
    The folder of the first images is marked as done at the end. Raises WarehouseError where it cannot be written.
    """
    folder = files[0][0].rpartition("/")[0]
    mark_done(folder, None)
    shape = decoding.shape if decoding.channels > 1 else decoding.shape[:2]
    sets = np.split(np.arange(pictures.rows + pictures.test_rows), [pictures.rows])
    for (images, labels), numbers in zip(files, sets, strict=False):
        _write(labels, (len(numbers),), [_classes(numbers, pictures, seed).astype(np.uint8)])
        parts = (render(part, pictures, decoding, seed=seed) for part in _parts(numbers))
        _write(images, (len(numbers), *shape), parts)
    mark_done(folder, _key(pictures, decoding, seed, sets=len(files)))


def _parts(numbers: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return (numbers[at : at + AT_ONCE] for at in range(0, len(numbers), AT_ONCE))


def render(numbers: NDArray[np.int64], pictures: Pictures, decoding: Decoding, *, seed: int) -> NDArray[np.uint8]:
    """(rows,) numbers of images → (rows, height, width, channels)."""
    return np.stack([_render(int(number), pictures, decoding, seed) for number in numbers])


def _render(number: int, pictures: Pictures, decoding: Decoding, seed: int) -> NDArray[np.uint8]:
    draw = np.random.default_rng([seed, PICTURES, number])
    height, width, channels = decoding.shape
    kind = int(_classes(np.array([number]), pictures, seed)[0])
    size = draw.uniform(0.22, 0.4) * min(height, width)
    middle = np.array([height, width]) / 2 + draw.uniform(-0.12, 0.12, 2) * [height, width]
    turn = draw.uniform(-0.25, 0.25)
    down, across = (np.arange(height)[:, None] - middle[0]) / size, (np.arange(width)[None, :] - middle[1]) / size
    x, y = across * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - across * np.sin(turn)
    behind, shade = draw.uniform(0, 90, channels), draw.uniform(130, 255, channels)
    levels = np.where(SHAPES[kind](x, y)[:, :, None], shade, behind)
    noisy = levels + pictures.noise * draw.standard_normal(levels.shape)
    found: NDArray[np.uint8] = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return found


def _classes(numbers: NDArray[np.int64], pictures: Pictures, seed: int) -> NDArray[np.int64]:
    """By turns, from one that hangs on the seed: each class is about as large as the others."""
    return (numbers + seed) % pictures.classes


def _write(path: str, shape: tuple[int, ...], parts: Any) -> None:
    system, inner = open_path(path)
    header = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4) for size in shape)
    # A .gz holds its time otherwise: the same pictures are the same bytes.
    with system.open_output_stream(inner, compression=None) as raw:
        packed = gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") if path.endswith(".gz") else raw
        packed.write(header)
        for part in parts:
            packed.write(part.tobytes())
        if packed is not raw:
            packed.close()


def _key(pictures: Pictures, decoding: Decoding, seed: int, *, sets: int) -> str:
    configuration = {"pictures": dump(pictures), "shape": decoding.shape, "seed": seed, "sets": sets}
    return stage_key({}, configuration, code_hash("ringmill.generate.pictures"))
