"""Selection through Spark: counts, samples, and steps one after the other."""

import numpy as np
import pytest
from pyspark.sql import functions as F
from sklearn.feature_selection import (
    RFE,
    SequentialFeatureSelector,
    chi2,
    f_classif,
    f_regression,
    mutual_info_classif,
)

from ringmill.config.selection import L1, Correlation, Elimination, Forward, Scored, Variance
from ringmill.errors import InputError
from ringmill.features.selection.counts import count_values
from ringmill.features.selection.fit import select
from ringmill.features.selection.models import SCORING, model_of
from ringmill.features.selection.sample import draw

pytestmark = pytest.mark.spark
SCHEMA = "customer_id string, useful double, noise double, `copy of useful` double, constant double, y double"
NAMES = ("useful", "noise", "copy of useful", "constant")


def rows_of(customers=40, seed=9):
    """Three rows a customer; `useful` tells of y."""
    draw = np.random.Generator(np.random.Philox(seed))
    found = []
    for customer in range(customers):
        for _ in range(3):
            useful, noise = (float(value) for value in draw.integers(0, 6, 2))
            bought = float(useful + draw.normal() > 2.5)
            found.append((f"c{customer}", useful, noise, 2 * useful + 1, 7.0, bought))
    return found


def model_step(**options):
    return Elimination(kind="elimination", label="y", task="classification", folds=3, **options)


def test_steps_judge_what_is_left_and_neither_order_nor_partitions_change_the_choices(spark):
    rows = rows_of()
    steps = [
        Variance(kind="variance"),
        Correlation(kind="correlation"),
        Scored(kind="mutual_information", label="y", keep=2),
        Scored(kind="anova", label="y", p_at_most=0.01, features=("noise",)),
        L1(kind="l1", label="y", task="classification", folds=3, penalty=1.0, sample_rows=90),
    ]
    frame = spark.createDataFrame(rows, SCHEMA).repartition(1)
    choices = select(frame, NAMES, steps, seed=4)
    assert [choice.dropped for choice in choices] == [("constant",), ("copy of useful",), (), ("noise",), ()]
    assert [choice.step for choice in choices] == [step.kind for step in steps]
    assert choices[-1].kept == ("useful",)
    assert "a sample of 90 rows of 30 groups" in choices[-1].score
    x, y = (np.array([[row[place] for place in places] for row in rows]) for places in ((1, 2), (5,)))
    expected = mutual_info_classif(x, y[:, 0], discrete_features=True)
    scores = {line.feature: line.score for line in choices[2].judged}
    assert [scores["useful"], scores["noise"]] == pytest.approx(expected.tolist(), rel=1e-9)
    again = select(spark.createDataFrame(rows[::-1], SCHEMA).repartition(3), NAMES, steps, seed=4)
    assert again == choices


JUDGED = ("useful", "noise", "copy of useful")


def test_filters_through_spark_are_scikit_learns(spark):
    rows = rows_of()
    frame = spark.createDataFrame(rows, SCHEMA).repartition(3)
    x, y = (np.array([[row[place] for place in places] for row in rows]) for places in ((1, 2, 3), (5,)))
    expected = {
        "anova": f_classif(x, y[:, 0]),
        "f_regression": f_regression(x, y[:, 0]),
        "chi_squared": chi2(x, y[:, 0]),
    }
    steps = [Scored(kind=kind, label="y", p_at_most=1.0, features=JUDGED) for kind in expected]
    for choice, (scores, chances) in zip(select(frame, NAMES, steps, seed=1), expected.values(), strict=True):
        judged = {line.feature: line for line in choice.judged}
        assert [judged[name].score for name in JUDGED] == pytest.approx(scores.tolist(), rel=1e-9)
        assert [judged[name].p_value for name in JUDGED] == pytest.approx(chances.tolist(), rel=1e-9)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_wrappers_through_spark_are_scikit_learns_on_the_sample_that_is_drawn(spark, task):
    # No copies: which of two equal columns goes first is chance to scikit-learn.
    names = ("useful", "noise", "rough", "constant")
    frame = spark.createDataFrame(rows_of(), SCHEMA).repartition(3)
    frame = frame.withColumn("rough", F.expr("pmod(7 * useful + 3 * noise, 5)"))
    steps = [
        Elimination(kind="elimination", label="y", task=task, folds=3, keep=2, features=names[:3]),
        Forward(kind="forward", label="y", task=task, folds=3, keep=1),
    ]
    ranks, (came, *_) = (choice.judged for choice in select(frame, names, steps, seed=1))
    sample = draw(frame, names[:3], steps[0], seed=1, where="train")
    assert len(sample.matrix) == 120
    theirs = RFE(model_of(steps[0]), n_features_to_select=1, importance_getter="named_steps.model.coef_")
    theirs.fit(sample.matrix, sample.target)
    by_name = {line.feature: line.rank for line in ranks}
    assert [by_name[name] for name in names[:3]] == theirs.ranking_.tolist()
    left = [name for name in names[:3] if by_name[name] <= 2]
    sample = draw(frame, (*left, "constant"), steps[1], seed=1, where="train")
    first = SequentialFeatureSelector(
        model_of(steps[1]), n_features_to_select=1, scoring=SCORING[task], cv=sample.folds
    ).fit(sample.matrix, sample.target)
    assert (came.kept, came.reason) == (True, "came in as number 1")
    assert came.feature == [*left, "constant"][int(first.get_support(indices=True)[0])]


def test_a_sample_is_of_whole_groups_by_the_seed_alone_and_no_group_is_in_two_folds(spark):
    rows = rows_of()
    frame = spark.createDataFrame(rows, SCHEMA)
    step = model_step(sample_rows=32)
    found = draw(frame, NAMES, step, seed=1, where="train")
    # 32 rows hold 10 customers of three.
    assert (len(found.matrix), len(np.unique(found.groups))) == (30, 10)
    for fit, judge in found.folds:
        assert not set(found.groups[fit]) & set(found.groups[judge])
        assert len(fit) + len(judge) == 30
    again = draw(frame.repartition(5), NAMES, step, seed=1, where="train")
    np.testing.assert_array_equal(again.matrix, found.matrix)
    np.testing.assert_array_equal(again.target, found.target)
    other = draw(frame, NAMES, step, seed=2, where="train")
    assert set(other.groups.tolist()) != set(found.groups.tolist())


def test_what_cannot_be_sampled_or_counted_is_refused_by_name(spark):
    rows = rows_of(12)
    frame = spark.createDataFrame(rows, SCHEMA)
    bad = spark.createDataFrame(
        [*rows, ("c1", float("nan"), None, 1.0, 1.0, 1.0), (None, 1.0, 1.0, 1.0, 1.0, None)], SCHEMA
    )
    for refused in (
        lambda: draw(bad, NAMES, model_step(), seed=1, where="train"),
        lambda: count_values(bad, NAMES, "y", where="train"),
    ):
        with pytest.raises(InputError) as caught:
            refused()
        assert all(f"{name}: 1 without" in caught.value.received for name in ("useful", "noise", "y"))
    with pytest.raises(InputError, match="customer_id: 1 without"):
        draw(bad, ["constant"], model_step(), seed=1, where="train")
    one_group = frame.selectExpr("'all' AS customer_id", "useful", "y")
    with pytest.raises(InputError, match="groups of 'customer_id' of at most 10 rows"):
        draw(one_group, ["useful"], model_step(sample_rows=10), seed=1, where="train")
    with pytest.raises(InputError, match="3 groups with a row of each class"):
        rare = frame.selectExpr("customer_id", "useful", "CASE WHEN customer_id = 'c1' THEN 2 ELSE y END AS y")
        draw(rare, ["useful"], model_step(), seed=1, where="train")
    with pytest.raises(InputError, match="missing: nothing"):
        select(frame, NAMES, [Variance(kind="variance", features=("nothing",))], seed=1)
    with pytest.raises(InputError, match="at least one column of x"):
        select(frame, ["constant"], [Variance(kind="variance")], seed=1)
