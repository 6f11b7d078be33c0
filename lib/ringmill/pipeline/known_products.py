"""Two models of two towers that know different products → what each says among the products that both know.

A loss is −log P(product) among the products that a model knows: whoever knows more of them says less of each, and is
not the worse for it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ringmill.features.products import FIRST, STATE_FILE, ProductState
from ringmill.lake.tables import Lake
from ringmill.score.towers import Towers
from ringmill.train.compare import Predictions
from ringmill.train.results import FROZEN
from ringmill.train.tasks.pairs import LOG_LOSS

Pair = tuple[Predictions, Predictions]


def among_common(lake: Lake, folders: tuple[Path, Path], said: Pair) -> tuple[Pair, str]:
    """Two models' predictions → theirs of the rows that both held out, whose product both know, with P among the
    products that both know; and words for it. As they are, and '', of models that know the same, or no products.

    Each sees of a row's customer what it saw when its predictions were written.
    """
    states = [_state(folder) for folder in folders]
    known = [set(state.products) for state in states if state is not None]
    if len(known) < 2 or known[0] == known[1]:
        return said, ""
    ids, other_ids = (np.asarray(one.table["row_id"]) for one in said)
    common, rows = sorted(known[0] & known[1]), np.intersect1d(ids, other_ids)
    new, current = (
        _of_rows(lake, folder, state, common, rows)
        for folder, state in zip(folders, states, strict=True)
        if state is not None
    )
    return (new, current), f", among the {len(common):,} products that both know"


def _state(folder: Path) -> ProductState | None:
    if not all((folder / name).is_file() for name in (STATE_FILE, FROZEN)):
        return None
    return ProductState.from_json(json.loads((folder / STATE_FILE).read_text(encoding="utf-8")))


def _of_rows(lake: Lake, folder: Path, state: ProductState, common: list[str], rows: NDArray[np.int64]) -> Predictions:
    version = int(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["version"])
    table = f"features/{folder.parent.name}"
    tests = lake.read_arrow(table, version, ["row_id", "x"], where=[("split", "=", "test")])
    row_id = np.asarray(tests["row_id"])
    x = np.concatenate([np.zeros(0, np.int64), *(np.asarray(chunk.flatten()) for chunk in tests["x"].chunks)])
    x = x.astype(np.int64).reshape(-1, state.length)
    ids = FIRST + np.flatnonzero(np.isin(state.products, common))
    kept = np.isin(row_id, rows) & np.isin(x[:, 0], ids)
    losses = Towers.load(folder / FROZEN).losses(x[kept], among=ids)
    return Predictions(pa.table({"row_id": row_id[kept], LOG_LOSS: losses}))
