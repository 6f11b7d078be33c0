"""Cleaning beside a plain-Python reference: random rules over random lines, many cases in one Spark job.

A seed gives a set of rules and 21 cases of 8 to 15 lines. Every column of every row is compared; a difference is shown
by its smallest case, which is found by leaving out rules and lines.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from clean.fuzz.batches import published_after
from clean.fuzz.comparing import check, compared
from clean.fuzz.lines import FILES, cases_of
from clean.fuzz.rule_sets import FIRST, setting_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark
CASES = 21
# Seeds say nothing by their size: what Hypothesis would shrink is shrunk where the case is at hand.
HYPOTHESIS = settings(
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Those of 200 seeds whose rules look across rows in both ways.
ACROSS = [
    seed
    for seed in range(200)
    if (clean := setting_of(seed, by_file=True).clean).key and any(rule.unique for rule in clean.rules)
]


@pytest.mark.parametrize(
    "seed", [*range(FIRST), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(FIRST, 100))]
)
def test_rows_are_what_the_reference_makes_of_the_lines(spark: SparkSession, seed: int) -> None:
    setting = setting_of(seed)
    check(spark, cases_of(seed, setting, cases=CASES), setting)


@pytest.mark.long
@settings(HYPOTHESIS, max_examples=200)
@given(seed=st.integers(100, 2**32))
def test_rows_are_what_the_reference_makes_of_lines_that_nobody_saw(spark: SparkSession, seed: int) -> None:
    setting = setting_of(seed)
    check(spark, cases_of(seed, setting, cases=CASES), setting)


@pytest.mark.parametrize("seed", ACROSS[:2])
def test_law_3_files_in_any_order_give_what_the_reference_makes_of_all_lines(spark: SparkSession, seed: int) -> None:
    _check_batches(spark, seed)


@pytest.mark.long
@settings(HYPOTHESIS, max_examples=40)
@given(seed=st.sampled_from(ACROSS[2:]))
def test_law_3_holds_for_more_files_and_rules(spark: SparkSession, seed: int) -> None:
    _check_batches(spark, seed)


def _check_batches(spark: SparkSession, seed: int) -> None:
    setting = setting_of(seed, by_file=True)
    cases = cases_of(seed, setting, cases=CASES)
    order = random.Random(seed).sample(FILES, len(FILES))
    batches = [[line for case in cases.values() for line in case if line.file == file] for file in order]
    rows = published_after(spark, batches, setting)
    assert compared(rows, cases, setting) == {}, f"files in the order {order}"
