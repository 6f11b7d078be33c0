"""A rare class of UCI Adult, helped in four ways on two ranks: not at all, by weights, by repeated and by made rows.

    scripts/bench/augment.py FOLDER [--keep SHARE] [--seeds N] [--fashion FOLDER] [--out FILE] [--quick]

FOLDER holds adult_data.parquet and adult_test.parquet. Of the class '>50K' the share SHARE (0.1; 1: all) of the rows to
learn from is kept; the official test rows are all judged by, with what each way gains over no help. With --fashion, a
folder with the four idx files of Fashion-MNIST, the same is done for images of shirts (class 6), of which one in twenty
is kept. What is lost is written as it is found.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import arguments, claim, write
from deltalake import write_deltalake
from fashion_mnist import read
from numpy.typing import NDArray

from ringmill.config import load
from ringmill.config.models import SparkSection
from ringmill.lake.session import open_session
from ringmill.pipeline.run import run_all

CONF = Path(__file__).resolve().parents[2] / "conf" / "augment.yaml"
NUMBERS = ("age", "education_num", "capital_gain", "capital_loss", "hours_per_week")
LOGGED = ("capital_gain", "capital_loss")
TEXTS = ("workclass", "marital_status", "occupation", "relationship", "race", "sex")
RICH, SHIRT = ">50K", "6"
# A value of fewer train rows shares one column with others of its kind.
LEAST = 100
VALIDATION, THINNED = 0.2, 0.05
Floats = NDArray[np.float64]


def main() -> None:
    parser = arguments("augment", str(__doc__))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keep", type=float, default=0.1, help="share of the rare class's train rows that is kept")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fashion", type=Path, help="the folder with Fashion-MNIST's four files")
    chosen = parser.parse_args()
    rows, seeds = (8_000, 1) if chosen.quick else (None, chosen.seeds)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        spark = open_session(SparkSection(shuffle_partitions=2), name="augment", log=home / "spark.log")
        runs = [
            helped(*adult(chosen.folder, chosen.keep, rows, seed), RICH, home / f"adult{seed}", [], seed, spark)
            for seed in range(seeds)
        ]
        claims = list(claims_of("adult", runs, keep=chosen.keep))
        if chosen.fashion is not None:
            few = 8_000 if chosen.quick else 20_000
            pictures = ["train.model={kind: cnn, filters: [16, 32]}", "train.epochs=6", "augment.epochs=60"]
            shown = [
                helped(*fashion(chosen.fashion, few, seed), SHIRT, home / f"fashion{seed}", pictures, seed, spark)
                for seed in range(seeds)
            ]
            claims += list(claims_of("fashion_mnist", shown, keep=THINNED))
        spark.stop()
    write(chosen.out, claims)


def adult(folder: Path, keep: float, rows: int | None, seed: int) -> tuple[pa.Table, tuple[int, ...]]:
    """Numbers over their deviations, texts one-hot, of the train rows' values; and the shape of x."""
    learnt, tests = (pq.read_table(folder / f"adult_{part}.parquet") for part in ("data", "test"))
    learnt = learnt.slice(0, rows or learnt.num_rows)
    labels = [
        np.char.strip(np.char.rstrip(np.array(one["income"].to_pylist(), str), "."), " ") for one in (learnt, tests)
    ]
    columns = [encoded(learnt, tests, name) for name in (*NUMBERS, *TEXTS)]
    x = [np.concatenate(parts, axis=1) for parts in zip(*columns, strict=True)]
    return split_rows(x, labels, RICH, keep, seed, shape=(x[0].shape[1],))


def encoded(learnt: pa.Table, tests: pa.Table, name: str) -> tuple[Floats, Floats]:
    """(rows, columns) of the rows to learn from and of the test rows."""
    if name in TEXTS:
        values = [np.array(one[name].cast(pa.string()).fill_null("?").to_pylist(), str) for one in (learnt, tests)]
        there, counts = np.unique(values[0], return_counts=True)
        known = there[counts >= LEAST]
        hot = [one[:, None] == known[None, :] for one in values]
        return tuple(np.concatenate([one, ~one.any(axis=1, keepdims=True)], axis=1).astype(float) for one in hot)
    numbers = [one[name].to_numpy().astype(float) for one in (learnt, tests)]
    if name in LOGGED:
        numbers = [np.log1p(one) for one in numbers]
    mean, deviation = numbers[0].mean(), numbers[0].std()
    return tuple(((one - mean) / deviation)[:, None] for one in numbers)


def fashion(folder: Path, rows: int, seed: int) -> tuple[pa.Table, tuple[int, ...]]:
    images, labels, tests, test_labels = read(folder, rows)
    x = [part / 255.0 for part in (images, tests)]
    return split_rows(x, [labels.astype(str), test_labels.astype(str)], SHIRT, THINNED, seed, shape=(28, 28, 1))


def split_rows(
    x: Sequence[Floats], labels: Sequence[NDArray[Any]], name: str, keep: float, seed: int, *, shape: tuple[int, ...]
) -> tuple[pa.Table, tuple[int, ...]]:
    """Of the rows to learn from a part chooses the epoch, as common as it is; of the others the class is thinned."""
    draw = np.random.default_rng([seed, 1])
    validation = draw.random(len(x[0])) < VALIDATION
    kept = validation | (labels[0] != name) | (draw.random(len(x[0])) < keep)
    split = np.concatenate([np.where(validation, "validation", "train"), np.full(len(x[1]), "test")])
    whole = np.concatenate([kept, np.ones(len(x[1]), bool)])
    rows = np.concatenate(list(x)).astype(np.float32)[whole]
    table = {
        "row_id": pa.array(np.flatnonzero(whole), pa.int64()),
        "x": pa.array(list(rows), pa.list_(pa.float32())),
        "label": pa.array(np.concatenate(list(labels))[whole].astype(str)),
        "split": pa.array(split[whole].astype(str)),
    }
    return pa.table(table), shape


def helped(
    rows: pa.Table, shape: tuple[int, ...], name: str, home: Path, settings: list[str], seed: int, spark: Any
) -> dict[str, Any]:
    """The pipeline of conf/augment.yaml: what the report judged, and what became of made rows."""
    write_deltalake(str(home / "table"), rows, partition_by=["split"])
    laid = [
        f"table.shape={list(shape)}",
        f"augment.minority='{name}'",
        f"seed={seed}",
        "train.launcher=local",
        *settings,
    ]
    config = load(CONF, laid, warehouse=str(home / "lake"), raw=str(home / "table"))
    entries = {entry.stage: entry for entry in run_all(config, session=spark)}
    ways = {way["way"]: way for way in entries["report"].detail["judged"]}
    return {
        "ways": ways,
        "counts": entries["augment"].counts,
        "copy_check": entries["augment"].detail["copy_check"],
        "seconds": {stage: entry.seconds for stage, entry in entries.items()},
    }


def claims_of(name: str, runs: Sequence[Mapping[str, Any]], *, keep: float) -> Iterator[dict[str, Any]]:
    """What made rows gain over no help, beside what the other ways do."""
    *_, made = runs[0]["ways"]
    for figure in ("f1", "auc"):
        peers = {
            way: {
                key: median(run["ways"][way]["figures"][key]["value"] or 0.0 for run in runs)
                for key in found["figures"]
            }
            for way, found in runs[0]["ways"].items()
        }
        yield claim(
            f"augment_{name}_{figure}_gain_of_made_rows",
            [run["ways"][made]["figures"][f"{figure}_gain"]["value"] or 0.0 for run in runs],
            unit=f"{figure} of the rare class on real test rows, made rows less no help",
            goal=0.0,
            better="higher",
            peers=peers,
            kept_of_the_class=keep,
            runs=list(runs),
        )


if __name__ == "__main__":
    main()
