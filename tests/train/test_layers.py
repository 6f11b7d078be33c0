"""Laws 4 and 5 with batch norm, dropout and augmentation, and that breaking any of them is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from train.pictures import SECTION
from train.test_optimizer import off, on_ranks

pytestmark = pytest.mark.ring

OWN, DRAWN = "a rank's own gradient of the moments", "draws by place"
COUNTED, USED = "padding among the moments", "padding's values used"
MODEL = SECTION["model"]
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "filled": {"fill": 1e30},
    "still": {"section": {"augmentation": {}, "model": {**MODEL, "dropout": 0.0}}},
    "unsynced": {"section": {"model": {**MODEL, "sync": False}}},
    OWN: {"broken": OWN},
    DRAWN: {"broken": DRAWN},
    COUNTED: {"broken": COUNTED},
    USED: {"broken": USED},
    f"{USED}, filled": {"broken": USED, "fill": 1e30},
}
# On each number of ranks what the tests look at: building the graphs is what takes time.
TRIED = {
    1: ("plain", "filled", "still", DRAWN, COUNTED, USED, f"{USED}, filled"),
    2: ("plain", "filled", "unsynced", OWN, DRAWN, COUNTED),
}


def found_on(ranks: int, home: Path, *names: str) -> list[dict[str, Any]]:
    """What each rank found."""
    variants = {name: VARIANTS[name] for name in names}
    return on_ranks("train_pictures", ranks, home, module="pictures", variants=variants)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    """By the number of ranks, what each rank found."""
    home = tmp_path_factory.mktemp("layers")
    return {ranks: found_on(ranks, home, *names) for ranks, names in TRIED.items()}


def check_law_5(solo: dict[str, Any], all_ranks: list[dict[str, Any]]) -> None:
    assert all_ranks[0]["steps"] == 54
    assert all(found["weights"] == all_ranks[0]["weights"] for found in all_ranks)
    assert off(all_ranks[0], solo) <= 1e-9
    assert solo["losses"][-1] < solo["losses"][0]


def test_law_5_batch_norm_dropout_and_augmentation_give_one_rank_s_weights_on_two(trained: dict[int, Any]) -> None:
    check_law_5(trained[1][0]["plain"], [found["plain"] for found in trained[2]])


@pytest.mark.long
def test_law_5_batch_norm_dropout_and_augmentation_give_one_rank_s_weights_on_four(
    trained: dict[int, Any], tmp_path: Path
) -> None:
    check_law_5(trained[1][0]["plain"], [found["plain"] for found in found_on(4, tmp_path, "plain")])


@pytest.mark.parametrize("ranks", [1, 2])
def test_law_4_padding_of_1e30_changes_no_bit_with_batch_norm_and_dropout(ranks: int, trained: dict[int, Any]) -> None:
    # 68 rows in steps of 13, which no number of ranks divides: most steps have padding on some rank.
    assert trained[ranks][0]["filled"]["weights"] == trained[ranks][0]["plain"]["weights"]


def test_law_5_is_seen_to_break_where_a_rank_has_its_own_gradient_of_the_moments(trained: dict[int, Any]) -> None:
    assert off(trained[2][0][OWN], trained[1][0]["plain"]) > 1e-4


@pytest.mark.parametrize("broken", [DRAWN, COUNTED])
def test_law_5_is_seen_to_break(broken: str, trained: dict[int, Any]) -> None:
    assert off(trained[2][0][broken], trained[1][0][broken]) > 1e-4


def test_law_4_is_seen_to_break(trained: dict[int, Any]) -> None:
    assert trained[1][0][f"{USED}, filled"]["weights"] != trained[1][0][USED]["weights"]


def test_moments_of_a_rank_s_own_rows_give_other_weights_but_the_same_on_all_ranks(trained: dict[int, Any]) -> None:
    first, second = (found["unsynced"] for found in trained[2])
    assert first["weights"] == second["weights"]
    # One rank alone normalises by all rows in either case.
    assert off(first, trained[1][0]["plain"]) > 1e-4


def test_dropout_and_augmentation_do_something(trained: dict[int, Any]) -> None:
    assert off(trained[1][0]["still"], trained[1][0]["plain"]) > 1e-2
