"""The optimizer on the ring: what is sent, accumulated, clipped and scaled changes no number that it should not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from ringmill.config.train import Train
from ringmill.train.call import call
from ringmill.train.launch.local import LocalLauncher

pytestmark = pytest.mark.ring

TESTS = Path(__file__).resolve().parents[1]
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "passes": {"optimizer": {"passes": 3}},
    "clipped": {"optimizer": {"kind": "sgd", "momentum": 0.9, "clip_norm": 0.05}},
    "unclipped": {"optimizer": {"kind": "sgd", "momentum": 0.9}},
    "adam": {"optimizer": {"kind": "adam"}, "schedule": {"kind": "cosine"}},
    "rmsprop": {"optimizer": {"kind": "rmsprop"}, "schedule": {"kind": "step", "epochs": [3, 6]}},
    "lion": {"optimizer": {"kind": "lion"}, "schedule": {"kind": "exponential", "factor": 0.9}},
    "penalised": {"l1": 0.004, "l2": 0.02, "optimizer": {"kind": "sgd"}},
    "penalised in passes": {"l1": 0.004, "l2": 0.02, "optimizer": {"kind": "sgd", "passes": 3}},
    "not penalised": {"optimizer": {"kind": "sgd"}},
    "fp16 on the wire": {"optimizer": {"compression": "fp16"}},
    "float32": {"dtype": "float32"},
    "mixed_float16": {"dtype": "mixed_float16"},
    "mixed_bfloat16": {"dtype": "mixed_bfloat16"},
}
EXACT = ["plain", "passes", "clipped", "unclipped", "adam", "rmsprop", "lion", "penalised", "penalised in passes"]


def on_ranks(function: str, ranks: int, folder: Path, *, module: str = "variants", **arguments: Any) -> list[Any]:
    """What the function of a module here returned on each rank."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]))
        name = f"train.{module}:{function}"
        return call(name, LocalLauncher(), ranks=ranks, folder=folder / str(ranks), arguments=arguments)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    """By the number of ranks, what each rank found."""
    home = tmp_path_factory.mktemp("optimizers")
    return {ranks: on_ranks("train_variants", ranks, home, sections=VARIANTS) for ranks in (1, 2)}


def off(one: dict[str, Any], other: dict[str, Any]) -> float:
    """The largest difference between the weights, beside the largest weight."""
    pairs = [(np.array(a), np.array(b)) for a, b in zip(one["weights"], other["weights"], strict=True)]
    return max(float(np.max(np.abs(a - b))) for a, b in pairs) / max(float(np.max(np.abs(b))) for _, b in pairs)


@pytest.mark.parametrize("name", EXACT)
def test_law_5_each_optimizer_gives_one_rank_s_weights_on_two(name: str, trained: dict[int, Any]) -> None:
    solo, (first, second) = trained[1][0][name], (found[name] for found in trained[2])
    assert first["steps"] == 72
    assert first["weights"] == second["weights"]
    assert off(first, solo) <= 1e-9
    assert solo["losses"][-1] < solo["losses"][0]


def test_accumulating_over_passes_changes_no_weight(trained: dict[int, Any]) -> None:
    assert off(trained[1][0]["passes"], trained[1][0]["plain"]) <= 1e-9


def test_law_5_a_penalty_is_of_the_weights_once_a_step_and_shrinks_them(trained: dict[int, Any]) -> None:
    penalised, in_passes, free = (trained[1][0][name] for name in ("penalised", "penalised in passes", "not penalised"))
    assert off(in_passes, penalised) <= 1e-9
    kernels = [np.square(np.array(one["weights"][0])).sum() for one in (penalised, free)]
    assert kernels[0] < 0.9 * kernels[1]


def test_gradients_are_clipped_after_they_are_summed(trained: dict[int, Any]) -> None:
    # If each rank clipped its own part, two ranks would move up to twice as far: law 5 above would not hold.
    solo = trained[1][0]
    assert off(solo["clipped"], solo["unclipped"]) > 0.1
    start = np.zeros(6)
    moved = np.abs(np.array(solo["clipped"]["weights"][2]) - start).max()
    assert moved < np.abs(np.array(solo["unclipped"]["weights"][2]) - start).max()


def test_compression_rounds_what_is_sent_and_nothing_else(trained: dict[int, Any]) -> None:
    exact, rounded = (trained[2][0][name] for name in ("plain", "fp16 on the wire"))
    assert 0 < off(rounded, exact) < 0.02
    assert rounded["weights"] == trained[2][1]["fp16 on the wire"]["weights"]


@pytest.mark.parametrize("name", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_keeps_float32_weights_equal_on_all_ranks_and_learns(
    name: str, trained: dict[int, Any]
) -> None:
    first, second = (found[name] for found in trained[2])
    assert first["dtypes"] == ["float32"]
    assert first["weights"] == second["weights"]
    full = trained[2][0]["float32"]
    assert 0 < off(first, full) < 0.2
    assert first["losses"][-1] == pytest.approx(full["losses"][-1], rel=0.05)


def test_a_rate_is_a_function_of_the_step_and_the_global_batch() -> None:
    from ringmill.train.optimizer import rate_of

    def rates(**section: Any) -> list[float]:
        rate = rate_of(Train(**{"learning_rate": 0.8, "warmup_epochs": 0, "epochs": 4, **section}), steps=5)
        return [float(rate(step)) for step in range(20)]

    steps = np.arange(20)
    assert rates() == pytest.approx([0.8] * 20)
    assert rates(warmup_epochs=2) == pytest.approx(0.8 * np.minimum((steps + 1) / 10, 1))
    cosine = 0.8 * (0.1 + 0.9 * (1 + np.cos(np.pi * steps / 20)) / 2)
    assert rates(schedule={"kind": "cosine", "floor": 0.1}) == pytest.approx(cosine, rel=1e-5)
    stepped = [0.8] * 5 + [0.4] * 10 + [0.2] * 5
    assert rates(schedule={"kind": "step", "epochs": [2, 4], "factor": 0.5}) == pytest.approx(stepped)
    assert rates(schedule={"kind": "exponential", "factor": 0.5}) == pytest.approx(0.8 * 0.5 ** (steps / 5))
    assert rates(batch=512, rate_for_batch={"rule": "linear", "batch": 128}) == pytest.approx([3.2] * 20)
    assert rates(batch=512, rate_for_batch={"rule": "square_root", "batch": 128}) == pytest.approx([1.6] * 20)


def test_bf16_on_the_wire_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="does not know bfloat16"):
        Train(optimizer={"compression": "bf16"})


@pytest.mark.parametrize("words", [5, 400])
def test_law_5_sparse_gradients_of_an_embedding(words: int, tmp_path: Path) -> None:
    # 12 rows of 2 words: a table of 5 rows is sent whole, of one of 400 the touched rows alone.
    solo, several = (on_ranks("train_embedding", ranks, tmp_path, words=words, compression="none") for ranks in (1, 2))
    assert several[0] == several[1]
    for found, expected in zip(several[0], solo[0], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert len(np.unique(np.array(solo[0][0])[:, 0])) > 1
