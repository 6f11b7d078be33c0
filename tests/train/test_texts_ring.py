"""Laws 4 and 5 with models of texts, whose embeddings have sparse gradients, and with varied texts."""

from __future__ import annotations

from typing import Any

import pytest

from train.test_optimizer import off, on_ranks

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
