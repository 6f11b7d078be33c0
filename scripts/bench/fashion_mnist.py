"""Fashion-MNIST on two ranks: accuracy on the official 10,000 test images, and how long training takes.

    scripts/bench/fashion_mnist.py FOLDER [--epochs N] [--seeds N] [--out FILE] [--quick]

FOLDER holds the four official idx files. Of the 60,000 training images 55,000 are learnt from and 5,000, drawn by a
seed, choose the epoch; the test images are looked at once. The peer is what the mean image of each class tells.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from common import arguments, claim, write
from deltalake import write_deltalake
from numpy.typing import NDArray

from ringmill.config.train import Train
from ringmill.handoff.columns import Input
from ringmill.lake.idx import look_at_idx, read_stretch
from ringmill.train.launch.local import LocalLauncher
from ringmill.train.run import train
from ringmill.train.spec import TrainResult, TrainSpec

CONF = Path(__file__).resolve().parents[2] / "conf" / "fashion_mnist.yaml"
SHAPE, VALIDATION = (28, 28, 1), 5_000


def main() -> None:
    parser = arguments("fashion_mnist", str(__doc__))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    rows, epochs, seeds = (4_000, 2, 1) if chosen.quick else (None, chosen.epochs, chosen.seeds)
    images, labels, tests, test_labels = read(chosen.folder, rows)
    with tempfile.TemporaryDirectory() as folder:
        table = written(Path(folder) / "table", images, labels, tests, test_labels)
        x = seen(images)
        runs = [trained(table, Path(folder) / f"run{seed}", x, seed=seed, epochs=epochs) for seed in range(seeds)]
    accuracies = [run.manifest["metrics"]["test"]["accuracy"] for run in runs]
    minutes = [sum(epoch["seconds"] for epoch in run.history) / 60 for run in runs]
    curves = [[epoch["val_accuracy"] for epoch in run.history] for run in runs]
    peers = {"mean image of each class": by_mean_images(images, labels, tests, test_labels)}
    write(
        chosen.out,
        [
            claim(
                "fashion_mnist_test_accuracy",
                accuracies,
                unit="of the official test images",
                goal=0.91,
                better="higher",
                peers=peers,
                validation_accuracy_by_epoch=curves,
                best_epochs=[run.manifest["best_epoch"] for run in runs],
                trained_on=len(images) - validation_rows(len(images)),
            ),
            claim(
                "fashion_mnist_training_minutes",
                minutes,
                unit="minutes of training and validation on two ranks",
                goal=8.0,
                better="lower",
                peers={},
                epochs=epochs,
            ),
        ],
    )


def read(folder: Path, rows: int | None) -> tuple[NDArray[np.uint8], ...]:
    """(n, 784) images and (n,) labels of the training files, at most `rows`, then of the test files, all of them."""
    found = []
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        file = look_at_idx(str(folder / f"{name}-ubyte.gz"), dimensions=(1, 3))
        count = min(file.rows, rows or file.rows) if name.startswith("train") else file.rows
        held = np.frombuffer(b"".join(read_stretch(file, 0, count)), np.uint8)
        found.append(held.reshape(count, -1).squeeze(axis=1) if len(file.shape) == 1 else held.reshape(count, -1))
    return tuple(found)


def validation_rows(count: int) -> int:
    return min(VALIDATION, count // 10)


def written(
    path: Path,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    tests: NDArray[np.uint8],
    test_labels: NDArray[np.uint8],
) -> str:
    split = np.full(len(images), "train", object)
    split[np.random.default_rng(1).permutation(len(images))[: validation_rows(len(images))]] = "validation"
    pixels = [image.tobytes() for image in np.concatenate([images, tests])]
    table = pa.table(
        {
            "row_id": np.arange(len(pixels)),
            "label": pa.array(np.concatenate([labels, test_labels]).astype(np.int32)),
            "pixels": pa.array(pixels, pa.binary()),
            "split": pa.array([*split, *["test"] * len(tests)], pa.string()),
        }
    )
    write_deltalake(str(path), table, partition_by=["split"])
    return str(path)


def seen(images: NDArray[np.uint8]) -> Input:
    return Input("pixels", SHAPE, "uint8", mean=(float(images.mean()),), scale=(float(images.std()),))


def trained(table: str, folder: Path, x: Input, *, seed: int, epochs: int) -> TrainResult:
    """The section `train` of conf/fashion_mnist.yaml, on two local ranks."""
    section: dict[str, Any] = yaml.safe_load(CONF.read_text(encoding="utf-8"))["train"]
    section |= {"launcher": "local", "ranks": 2, "epochs": epochs, "patience": epochs}
    spec = TrainSpec(table, 0, str(folder), Train(**section), seed, x.length, f"seed{seed}", x=x)
    return train(spec, LocalLauncher())


def by_mean_images(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], tests: NDArray[np.uint8], test_labels: NDArray[np.uint8]
) -> float:
    """Accuracy of the class whose mean image is nearest."""
    means = np.stack([images[labels == label].mean(axis=0) for label in range(10)])
    # |x − m|² without |x|², which is the same for all classes.
    distance = (means**2).sum(axis=1) - 2.0 * tests.astype(np.float64) @ means.T
    return float((distance.argmin(axis=1) == test_labels).mean())


if __name__ == "__main__":
    main()
