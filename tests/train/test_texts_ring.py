"""Laws 4 and 5 with models of texts, whose embeddings have sparse gradients, and with varied texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from handoff.tables import write_table
from ringmill.handoff.columns import Input
from ringmill.train.vary_words import KnownIds
from train.runs import largest_difference, run, spec_of
from train.test_optimizer import off, on_ranks
from train.texts import CLASSES, IDS, KNOWN, LENGTH, SECTION, texts

pytestmark = pytest.mark.ring

MODELS: dict[str, dict[str, Any]] = {
    "textcnn": {"kind": "textcnn", "units": 4, "kernels": (1, 2), "filters": 3, "dense": 4, "dropout": 0.3},
    "gru": {"kind": "gru", "units": 4, "state": 5, "dropout": 0.3},
    "transformer": {"kind": "transformer", "units": 4, "heads": 2, "dense": 6, "dropout": 0.3},
}
VARIANTS: dict[str, dict[str, Any]] = {name: {"section": {"model": model}} for name, model in MODELS.items()}
VARIANTS |= {
    "filled": {"section": {"model": MODELS["textcnn"]}, "fill": 1e30},
    "still": {"section": {"model": MODELS["textcnn"], "text_augmentation": {}}},
}
# Building the graphs is what takes time.
TRIED = {1: (*MODELS, "still"), 2: (*MODELS, "filled")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    """By the number of ranks, what each rank found."""
    home = tmp_path_factory.mktemp("texts")
    return {
        ranks: on_ranks("train_texts", ranks, home, module="texts", variants={n: VARIANTS[n] for n in names})
        for ranks, names in TRIED.items()
    }


@pytest.mark.parametrize("name", MODELS)
def test_law_5_models_of_texts_give_one_rank_s_weights_on_two(name: str, trained: dict[int, Any]) -> None:
    solo, (first, second) = trained[1][0][name], (found[name] for found in trained[2])
    assert first["steps"] == 54
    assert first["weights"] == second["weights"]
    assert off(first, solo) <= 1e-9


@pytest.mark.parametrize("name", MODELS)
def test_models_of_texts_learn(name: str, trained: dict[int, Any]) -> None:
    losses = trained[1][0][name]["losses"]
    assert losses[-1] < losses[0]


def test_law_4_ids_of_padding_change_no_bit(trained: dict[int, Any]) -> None:
    # 68 rows in steps of 13, which two does not divide: most steps have padding on a rank.
    assert trained[2][0]["filled"]["weights"] == trained[2][0]["textcnn"]["weights"]


def test_varied_texts_are_what_is_learnt_from(trained: dict[int, Any]) -> None:
    assert off(trained[1][0]["still"], trained[1][0]["textcnn"]) > 1e-2


@pytest.mark.long
def test_law_5_texts_are_learnt_alike_under_the_mirrored_engine_and_in_several_passes(tmp_path: Path) -> None:
    row_id, ids, classes = texts()
    split = np.array([["train", "train", "train", "validation", "test"][place % 5] for place in range(len(ids))])
    lists = pa.array(ids.tolist(), pa.list_(pa.int32()))
    rows = {"row_id": row_id, "label": np.array(CLASSES)[classes], "ids": lists, "split": split}
    write_table(tmp_path / "table", pa.table(rows))
    known, x = KnownIds.from_json(KNOWN), Input("ids", (LENGTH,), "int32", ids=IDS)
    section = {**SECTION, "model": MODELS["textcnn"], "epochs": 4, "memory_mb": 64, "x": x, "known": known}
    ways = {"ring": {}, "mirrored": {"engine": "mirrored", "launcher": "local"}, "passes": {"optimizer": {"passes": 2}}}
    ring, *others = (
        run(spec_of(str(tmp_path / "table"), tmp_path / name, ranks=2, **{**section, **way})).folder
        for name, way in ways.items()
    )
    assert max(largest_difference(other, ring) for other in others) <= 1e-9
