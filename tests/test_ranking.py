"""Figures of recommended lists: beside a naive definition of each, and by hand."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringmill.ranking import NONE, best, judge, ndcg, recall

PRODUCTS = 12
SCORES = st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 0.5000001, 3.0]), min_size=PRODUCTS, max_size=PRODUCTS)
SOME = st.sets(st.integers(0, PRODUCTS - 1))
COUNT = st.integers(1, PRODUCTS + 3)


def naive_best(scores: list[float], count: int, without: set[int]) -> list[int]:
    left = [place for place in range(len(scores)) if place not in without and scores[place] > -np.inf]
    found = sorted(left, key=lambda place: (-scores[place], place))[:count]
    return found + [NONE] * (count - len(found))


def naive_dcg(hits: list[bool]) -> float:
    return sum(1 / log2(1 + place) for place, hit in enumerate(hits, start=1) if hit)


def ints(values: object) -> np.ndarray:
    return np.array(list(values), np.int64)  # type: ignore[call-overload]


@given(SCORES, COUNT, SOME)
def test_the_best_are_those_of_a_whole_sort(scores: list[float], count: int, without: set[int]) -> None:
    given_scores = np.array(scores)
    found = best(given_scores, count, without=ints(without))
    assert found.tolist() == naive_best(scores, count, without)
    assert given_scores.tolist() == scores


@given(st.lists(st.tuples(SCORES, SOME.filter(bool)), max_size=6), COUNT)
def test_law_6_figures_equal_their_naive_definitions(customers: list[tuple[list[float], set[int]]], count: int) -> None:
    lists = [best(np.array(scores), count) for scores, _ in customers]
    found = judge(lists, [ints(bought) for _, bought in customers], products=PRODUCTS)
    held = set()
    for place, (ranked, (_, bought)) in enumerate(zip(lists, customers, strict=True)):
        said = [product for product in ranked.tolist() if product != NONE]
        assert found.recall[place] == len(bought.intersection(said)) / len(bought)
        hits = [product in bought for product in ranked.tolist()]
        ideal = naive_dcg([True] * min(len(bought), count))
        assert found.ndcg[place] == pytest.approx(naive_dcg(hits) / ideal, rel=1e-12, abs=1e-15)
        held.update(said)
    assert found.coverage == pytest.approx(len(held) / PRODUCTS, rel=1e-12)
    means = found.to_json()
    assert means["customers"] == len(customers)
    assert (means["recall"] is None) == (not customers)


@given(SCORES, st.permutations(range(PRODUCTS)), SOME.filter(bool), COUNT)
def test_the_order_in_which_purchases_are_named_changes_nothing(
    scores: list[float], order: list[int], bought: set[int], count: int
) -> None:
    ranked, named = best(np.array(scores), count), [product for product in order if product in bought]
    for figure in (recall, ndcg):
        assert figure(ranked, ints(named)) == figure(ranked, ints(sorted(bought)))


def test_by_hand_a_list_of_three_with_hits_at_its_ends() -> None:
    ranked, bought = ints([4, 1, 7]), ints([7, 4, 9, 10])
    assert recall(ranked, bought) == 0.5
    # 1 + 1/2 of 1 + 0.6309 + 1/2.
    assert ndcg(ranked, bought) == pytest.approx(1.5 / (1.5 + 1 / log2(3)), rel=1e-15)
    assert ndcg(ints([4, 7]), ints([4])) == 1.0
    assert recall(ints([NONE, NONE]), bought) == ndcg(ints([NONE, NONE]), bought) == 0.0
