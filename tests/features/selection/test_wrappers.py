"""Elimination, forward selection and L1 against scikit-learn's."""

import numpy as np
import pytest
from sklearn.feature_selection import RFE, RFECV, SequentialFeatureSelector
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from adult import NUMBERS, adult
from ringmill.config.selection import L1, Elimination, Forward
from ringmill.errors import InputError
from ringmill.features.selection import models
from ringmill.features.selection.embedded import by_l1
from ringmill.features.selection.models import SCORING, model_of
from ringmill.features.selection.sample import Sample
from ringmill.features.selection.wrappers import by_elimination, by_forward

NAMES = [f"x{place}" for place in range(6)]
COEFFICIENTS = "named_steps.model.coef_"


def sample_of(matrix, target, groups, *, folds=3):
    kind = GroupKFold if np.issubdtype(target.dtype, np.number) else StratifiedGroupKFold
    splitter = kind(n_splits=folds, shuffle=True, random_state=1)
    return Sample(matrix, target, groups, list(splitter.split(matrix, target, groups)))


def drawn(task, rows=240, seed=3):
    """Two columns tell of the target, one a little, three nothing; unlike scales."""
    draw = np.random.Generator(np.random.Philox(seed))
    matrix = draw.normal(size=(rows, 6)) * [1, 10, 0.1, 5, 1, 2] + 3
    score = (matrix[:, 1] - 3) / 5 - (matrix[:, 4] - 3) + 0.4 * (matrix[:, 2] - 3) / 0.1
    target = score + draw.normal(size=rows)
    groups = draw.integers(0, 60, rows)
    return sample_of(matrix, target if task == "regression" else np.where(target > 0, "yes", "no"), groups)


def step_of(kind, task, **options):
    called = {"elimination": Elimination, "forward": Forward, "l1": L1}
    return called[kind](kind=kind, label="y", task=task, folds=3, **options)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_elimination_is_scikit_learns(task):
    sample = drawn(task)
    step = step_of("elimination", task)
    choice = by_elimination(sample, NAMES, step, where="train")
    theirs = RFECV(model_of(step), cv=sample.folds, scoring=SCORING[task], importance_getter=COEFFICIENTS)
    theirs.fit(sample.matrix, sample.target)
    assert set(choice.kept) == {name for name, kept in zip(NAMES, theirs.support_, strict=True) if kept}
    by_rank = [line.score for line in choice.judged]
    np.testing.assert_allclose(by_rank, theirs.cv_results_["mean_test_score"], rtol=1e-8)
    three = by_elimination(sample, NAMES, step_of("elimination", task, keep=3), where="train")
    order = RFE(model_of(step), n_features_to_select=1, importance_getter=COEFFICIENTS)
    order.fit(sample.matrix, sample.target)
    ranks = {line.feature: line.rank for line in three.judged}
    assert [ranks[name] for name in NAMES] == order.ranking_.tolist()
    assert [line.kept for line in three.judged] == [True] * 3 + [False] * 3
    assert three.judged[-1].reason == "eliminated with 6 columns left"


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("keep", [None, 2])
def test_forward_selection_is_scikit_learns(task, keep):
    sample = drawn(task)
    step = step_of("forward", task, keep=keep, least_gain=1e-3)
    choice = by_forward(sample, NAMES, step, where="train")
    theirs = SequentialFeatureSelector(
        model_of(step),
        n_features_to_select=keep or "auto",
        tol=None if keep else 1e-3,
        scoring=SCORING[task],
        cv=sample.folds,
    ).fit(sample.matrix, sample.target)
    assert set(choice.kept) == {name for name, kept in zip(NAMES, theirs.support_, strict=True) if kept}
    assert choice.judged[0].reason == "came in as number 1"
    assert len(choice.judged) == 6
    assert "a sample of 240 rows of" in choice.score


def test_a_copy_of_a_column_never_takes_its_place():
    sample = drawn("regression")
    twice = Sample(np.column_stack([sample.matrix, sample.matrix[:, 1]]), sample.target, sample.groups, sample.folds)
    names = [*NAMES, "copy"]
    forward = by_forward(twice, names, step_of("forward", "regression", keep=2), where="train")
    assert forward.kept == ("x1", "x4")
    eliminated = by_elimination(twice, names, step_of("elimination", "regression", keep=3), where="train")
    ranks = {line.feature: line.rank for line in eliminated.judged}
    assert ranks["x1"] < ranks["copy"]


def test_l1_is_scikit_learns_lasso_with_its_cross_validation():
    sample = drawn("regression")
    choice = by_l1(sample, NAMES, step_of("l1", "regression", penalty=0.3), seed=1, where="train")
    scaled = StandardScaler().fit_transform(sample.matrix)
    theirs = np.abs(Lasso(alpha=0.3, max_iter=10_000).fit(scaled, sample.target).coef_)
    found = {line.feature: line.score for line in choice.judged}
    np.testing.assert_allclose([found[name] for name in NAMES], theirs, rtol=1e-9)
    assert set(choice.kept) == {name for name, weight in zip(NAMES, theirs, strict=True) if weight}
    assert 0 < len(choice.kept) < 6
    by_folds = by_l1(sample, NAMES, step_of("l1", "regression"), seed=1, where="train")
    strongest = np.abs(scaled.T @ (sample.target - sample.target.mean())).max() / len(scaled)
    grid = GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("lasso", Lasso(max_iter=10_000))]),
        {"lasso__alpha": strongest * np.logspace(0, -3, 20)},
        scoring="r2",
        cv=sample.folds,
    ).fit(sample.matrix, sample.target)
    assert f"penalty {grid.best_params_['lasso__alpha']:.6g} of the best of 20" in by_folds.score


@pytest.mark.parametrize("classes", [2, 3])
def test_l1_of_classes_is_scikit_learns_with_its_cross_validation(classes):
    sample = drawn("classification")
    target = sample.target.copy()
    if classes == 3:
        target[(sample.matrix[:, 4] > 4) & (target == "no")] = "never"
    several = sample_of(sample.matrix, target, sample.groups)
    choice = by_l1(several, NAMES, step_of("l1", "classification", penalty=20.0), seed=1, where="train")
    assert {"x1", "x4"} <= set(choice.kept)
    assert {line.reason for line in choice.judged if not line.kept} == {"its coefficient is 0"}
    again = by_l1(several, NAMES, step_of("l1", "classification", penalty=20.0), seed=1, where="train")
    assert again == choice
    solver = "liblinear" if classes == 2 else "saga"

    def logistic(penalty):
        return LogisticRegression(l1_ratio=1.0, C=1 / penalty, solver=solver, max_iter=10_000, random_state=1)

    scaled = StandardScaler().fit_transform(several.matrix)
    theirs = np.abs(logistic(20.0).fit(scaled, target).coef_).max(axis=0)
    found = {line.feature: line.score for line in choice.judged}
    np.testing.assert_allclose([found[name] for name in NAMES], theirs, rtol=1e-9)
    assert set(choice.kept) == {name for name, weight in zip(NAMES, theirs, strict=True) if weight}
    grid = GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("model", logistic(1.0))]),
        {"model__C": 1 / np.logspace(4, -4, 10)},
        scoring="neg_log_loss",
        cv=several.folds,
    ).fit(several.matrix, target)
    by_folds = by_l1(several, NAMES, step_of("l1", "classification"), seed=1, where="train")
    assert f"penalty {1 / grid.best_params_['model__C']:.6g} of the best of 10" in by_folds.score


def test_adults_incomes_are_told_by_the_columns_that_scikit_learn_keeps():
    matrix, classes = adult(scaled=False)
    part = slice(0, 1_500)
    sample = sample_of(matrix[part], classes[part], np.arange(1_500))
    step = step_of("elimination", "classification", keep=3)
    choice = by_elimination(sample, NUMBERS, step, where="train")
    theirs = RFE(model_of(step), n_features_to_select=3, importance_getter=COEFFICIENTS)
    theirs.fit(sample.matrix, sample.target)
    assert set(choice.kept) == {name for name, kept in zip(NUMBERS, theirs.support_, strict=True) if kept}


def test_a_fit_that_does_not_converge_is_an_error(monkeypatch):
    monkeypatch.setattr(models, "ROUNDS", 1)
    with pytest.raises(InputError, match="converges within 1 rounds"):
        by_elimination(drawn("classification"), NAMES, step_of("elimination", "classification"), where="train")
