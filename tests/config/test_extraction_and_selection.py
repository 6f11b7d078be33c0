"""Entries of extraction and steps of selection as a YAML list gives them."""

import pytest
from pydantic import TypeAdapter, ValidationError

from ringmill.config.extraction import ExtractionEntry, Lda, Pca, TruncatedSvd
from ringmill.config.selection import L1, Correlation, Elimination, Forward, Scored, SelectionStep, Variance

ENTRY = TypeAdapter(ExtractionEntry)
STEP = TypeAdapter(SelectionStep)


def test_each_kind_makes_its_own_model_and_needs_little_more_than_columns():
    entries = [
        {"kind": "pca", "columns": ["a", "b"]},
        {"kind": "lda", "columns": ["a"], "label": "y"},
        {"kind": "truncated_svd", "columns": ["indices", "values"], "terms": 100},
    ]
    assert [type(ENTRY.validate_python(entry)) for entry in entries] == [Pca, Lda, TruncatedSvd]
    model = {"label": "y", "task": "regression"}
    steps = [
        {"kind": "variance"},
        {"kind": "correlation"},
        {"kind": "anova", "label": "y", "keep": 3},
        {"kind": "elimination", **model},
        {"kind": "forward", **model},
        {"kind": "l1", **model},
    ]
    found = [type(STEP.validate_python(step)) for step in steps]
    assert found == [Variance, Correlation, Scored, Elimination, Forward, L1]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"kind": "pca", "columns": ["a", "b", "a"]}, "columns with no name twice"),
        ({"kind": "pca", "columns": []}, "at least 1"),
        ({"kind": "pca", "columns": ["a"], "components": 1, "share": 0.9}, "not both"),
        ({"kind": "pca", "columns": ["a"], "compnents": 1}, "Extra inputs"),
        ({"kind": "lda", "columns": ["a"]}, "label"),
        ({"kind": "truncated_svd", "columns": ["a"], "terms": 10}, "columns"),
        ({"kind": "truncated_svd", "columns": ["a", "b"], "terms": 10}, "at most as many components as terms"),
        ({"kind": "truncated_svd", "columns": ["a", "b"], "terms": 2_001}, "less than or equal to 2000"),
        ({"kind": "ica", "columns": ["a"]}, "'pca', 'lda', 'truncated_svd'"),
    ],
)
def test_an_entry_that_cannot_be_fitted_is_refused(entry, said):
    with pytest.raises(ValidationError, match=said):
        ENTRY.validate_python(entry)


@pytest.mark.parametrize(
    "step",
    [
        {"kind": "l1", "label": "y"},
        {"kind": "forward", "label": "y", "task": "regression", "folds": 1},
        {"kind": "correlation", "at_most": 0},
        {"kind": "mutual_information", "label": "y", "p_at_most": 0.05},
    ],
)
def test_a_step_that_cannot_judge_is_refused(step):
    with pytest.raises(ValidationError):
        STEP.validate_python(step)
