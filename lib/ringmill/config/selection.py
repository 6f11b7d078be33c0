"""Selection as data: steps that each drop some columns of x, in their order; what is left after the last is the choice.

Filters look at every row of the train split; wrappers and L1 fit scikit-learn's estimators on a sample of it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ringmill.config.rules import Section

Task = Literal["classification", "regression"]


class Step(Section):
    """What all steps share."""

    features: tuple[str, ...] = Field((), description="columns of x that it judges; default: all that are left")


class Variance(Step):
    """Drops what varies too little: population variance at most `above`."""

    kind: Literal["variance"]
    above: float = Field(0.0, ge=0)


class Correlation(Step):
    """Drops a column whose correlation with a kept one before it is beyond `at_most`, either sign."""

    kind: Literal["correlation"]
    at_most: float = Field(0.95, gt=0, le=1)


class Scored(Step):
    """Keeps the columns that tell most of `label`, each judged alone.

    `anova`: F of classes; `f_regression`: F of a number; `chi_squared`: sums of columns that are counts or shares,
    never negative; `mutual_information`: in nats, of columns with few values. One of: `keep` of the highest scores
    (of equal ones the first in x), a p-value of at most `p_at_most`, a score of at least `score_at_least`.
    """

    kind: Literal["anova", "f_regression", "chi_squared", "mutual_information"]
    label: str
    keep: int | None = Field(None, ge=1)
    p_at_most: float | None = Field(None, gt=0, le=1)
    score_at_least: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_bound(self) -> Scored:
        if sum(bound is not None for bound in (self.keep, self.p_at_most, self.score_at_least)) != 1:
            raise ValueError(f"{self.kind} with one of 'keep', 'p_at_most' and 'score_at_least'")
        if self.kind == "mutual_information" and self.p_at_most is not None:
            raise ValueError("mutual_information with 'keep' or 'score_at_least': it has no p-value")
        return self


class Sampled(Step):
    """What steps share that fit a linear model: logistic for a classification, ridge or lasso for a regression.

    They see whole groups, drawn by hash, of at most `sample_rows` rows, and cross-validate by group: no group is in two
    folds. Columns are standardised within each fold.
    """

    label: str
    task: Task
    group: str = Field("customer_id", description="rows of one group are never parted")
    folds: int = Field(5, ge=2, le=20)
    sample_rows: int = Field(20_000, ge=10, le=1_000_000, description="the driver holds so many rows, at most")


class Elimination(Sampled):
    """Recursive elimination: the column with the least coefficient goes, one at a time, down to `keep`.

    Without `keep`: down to the number of columns that is best in cross-validation, of equally good ones the fewest.
    """

    kind: Literal["elimination"]
    keep: int | None = Field(None, ge=1)


class Forward(Sampled):
    """Forward selection: the column that helps most in cross-validation comes in, one at a time, up to `keep`.

    Without `keep`: as long as the score gains at least `least_gain` (log-likelihood a row, or R²).
    """

    kind: Literal["forward"]
    keep: int | None = Field(None, ge=1)
    least_gain: float = Field(1e-4, gt=0)


class L1(Sampled):
    """Keeps the columns to which an L1-penalised model gives a coefficient other than 0.

    `penalty`: scikit-learn's `alpha` of Lasso, or 1 / `C` of LogisticRegression; default: by cross-validation.
    """

    kind: Literal["l1"]
    penalty: float | None = Field(None, gt=0)


SelectionStep = Annotated[
    Variance | Correlation | Scored | Elimination | Forward | L1,
    Field(discriminator="kind"),
]
