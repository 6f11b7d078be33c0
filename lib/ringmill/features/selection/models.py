"""The linear models by which wrappers and L1 judge: scikit-learn's, on columns standardised within each fold."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ringmill.config.selection import L1, Sampled
from ringmill.errors import InputError
from ringmill.features.selection.sample import Sample
from ringmill.features.twofold import Floats

SCORING = {"classification": "neg_log_loss", "regression": "r2"}
SCORED_BY = {"classification": "mean log-likelihood", "regression": "mean R²"}
ROUNDS = 10_000
# Scores and coefficients that agree to so many digits are equal: then the order in x decides, not the last bits.
DIGITS = 9


def model_of(step: Sampled) -> Any:
    """Logistic regression, or ridge, with scikit-learn's default penalties."""
    from sklearn.linear_model import LogisticRegression, Ridge

    return _standardised(LogisticRegression(max_iter=ROUNDS) if step.task == "classification" else Ridge())


def l1_model_of(step: L1, penalty: float, *, classes: int, seed: int) -> Any:
    """Lasso, or logistic regression with an L1 penalty."""
    from sklearn.linear_model import Lasso, LogisticRegression

    if step.task == "regression":
        return _standardised(Lasso(alpha=penalty, max_iter=ROUNDS))
    # liblinear takes two classes only.
    solver = "liblinear" if classes == 2 else "saga"
    return _standardised(
        LogisticRegression(l1_ratio=1.0, C=1 / penalty, solver=solver, max_iter=ROUNDS, random_state=seed % 2**32)
    )


def coefficients(model: Any) -> Floats:
    """A fitted model → (classes or 1, columns), of standardised columns."""
    return np.atleast_2d(np.asarray(model.named_steps["model"].coef_, dtype=np.float64))


def cross_validated(model: Any, sample: Sample, columns: list[int], step: Sampled) -> float:
    """The mean score over the folds with these columns, rounded to DIGITS digits."""
    from sklearn.model_selection import cross_val_score

    scores = cross_val_score(
        model, sample.matrix[:, columns], sample.target, cv=sample.folds, scoring=SCORING[step.task]
    )
    return rounded(float(scores.mean()))


def rounded(value: float) -> float:
    return float(f"{value:.{DIGITS - 1}e}")


@contextmanager
def converging(step: Sampled, *, where: str) -> Iterator[None]:
    """Turn a fit that does not converge into an error.

    Raises:
        InputError: a fit did not converge: its coefficients would be those of the last round, not the model's.
    """
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            yield
        except ConvergenceWarning as warning:
            raise InputError.unfit(
                where,
                f"a model of '{step.label}' that converges within {ROUNDS:,} rounds",
                str(warning).splitlines()[0],
                "leave out columns that are nearly the same, by a step 'correlation' before, or raise 'penalty'",
            ) from warning


def _standardised(model: Any) -> Any:
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    return Pipeline([("scale", StandardScaler()), ("model", model)])
