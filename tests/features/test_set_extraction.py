"""Extraction and selection within a feature set: fitted, frozen and applied as the rest."""

import json

import numpy as np
import pytest
from pydantic import TypeAdapter
from sklearn.decomposition import PCA

from ringmill.config.features import FeatureEntry
from ringmill.config.selection import SelectionStep
from ringmill.features.apply import apply
from ringmill.features.fit import choose, fit
from ringmill.features.state import State

pytestmark = pytest.mark.spark


def test_a_set_with_extraction_and_selection_is_fitted_frozen_and_applied(spark):
    draw = np.random.Generator(np.random.Philox(3))
    rows = [
        (f"c{i // 2}", float(a), float(b), float(a + b > 0), [int(i % 4), 4], [1.0, float(i % 3)])
        for i, (a, b) in enumerate(draw.normal(size=(80, 2)) * [1.0, 5.0])
    ]
    schema = "customer_id string, a double, b double, y double, indices array<int>, weights array<double>"
    frame = spark.createDataFrame(rows, schema)
    entries = TypeAdapter(tuple[FeatureEntry, ...]).validate_python(
        [
            {"kind": "zscore", "columns": ["a", "b"]},
            {"kind": "pca", "columns": ["a", "b"]},
            {"kind": "lda", "columns": ["a", "b"], "label": "y", "keep": False},
            {"kind": "zscore", "columns": ["lda 1"], "name": "parting"},
            {"kind": "truncated_svd", "columns": ["indices", "weights"], "terms": 5, "components": 2},
        ]
    )
    state = fit(frame, entries, columns=["a", "b", "indices", "weights"])
    assert state.kept == ("a", "b", "pca 1", "pca 2", "parting", "svd 1", "svd 2")
    (batch,) = frame.toArrow().combine_chunks().to_batches()
    theirs = PCA().fit_transform(np.array([row[1:3] for row in rows]))
    np.testing.assert_allclose(apply(batch, state)[:, 2:4], theirs, rtol=1e-5, atol=1e-5)
    steps = TypeAdapter(tuple[SelectionStep, ...]).validate_python(
        [
            {"kind": "correlation", "at_most": 0.999},
            {"kind": "l1", "label": "y", "task": "classification", "folds": 3, "penalty": 1.0},
        ]
    )
    state, choices = choose(frame, state, steps, seed=1, where="train")
    assert [choice.dropped for choice in choices] == [("pca 1", "pca 2"), ("b", "svd 1", "svd 2")]
    assert state.kept == ("a", "parting")
    again = State.from_json(json.loads(json.dumps(state.to_json())))
    assert again == state
    assert again.hash == state.hash
    whole = apply(batch, again)
    np.testing.assert_array_equal(apply(batch.slice(7, 1), again), whole[7:8])
