"""Penalties and label smoothing: what is added to gradients and losses, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ringmill.config.train import Train
from ringmill.train.optimizer import RingOptimizer
from ringmill.train.penalty import Penalty
from ringmill.train.ranks import Solo
from ringmill.train.tasks.class_metrics import CLASS
from ringmill.train.tasks.classes import LOGITS
from ringmill.train.tasks.find import task_of

KERNEL = [[1.0, -2.0], [0.0, 0.5]]


def variables() -> list[Any]:
    return [keras.Variable(np.array(KERNEL)), keras.Variable(np.array([3.0, -1.0]))]


def test_each_kernel_gets_the_penaltys_slope_and_no_bias_does() -> None:
    zeros = [tf.zeros((2, 2), tf.float64), tf.zeros(2, tf.float64)]
    kernel, bias = Penalty(l1=0.5, l2=0.25).added(zeros, variables(), lambda loss: loss)
    # 0.5 · sign(w) + 2 · 0.25 · w
    assert kernel.numpy().tolist() == [[1.0, -1.5], [0.0, 0.75]]
    assert bias.numpy().tolist() == [0.0, 0.0]


def test_a_kernel_without_a_gradient_has_the_penaltys_alone_as_large_as_the_loss_is_scaled() -> None:
    kernel, bias = Penalty(l2=1.0).added([None, None], variables(), lambda loss: loss * 8.0)
    assert bias is None and kernel.numpy().tolist() == (16.0 * np.array(KERNEL)).tolist()


def test_an_embeddings_untouched_rows_shrink_too() -> None:
    touched = tf.IndexedSlices(tf.ones((1, 2), tf.float64), tf.constant([1]), tf.constant([2, 2]))
    optimizer = RingOptimizer(keras.optimizers.SGD(0.5), Solo(), penalty=Penalty(l2=0.5))
    table = variables()[0]
    optimizer.build([table])
    optimizer.apply([touched], [table])
    # w − 0.5 · (gradient + w)
    assert table.numpy().tolist() == [[0.5, -1.0], [-0.5, -0.25]]


@settings(deadline=None, max_examples=30)
@given(smoothing=st.floats(0, 0.99), places=st.lists(st.integers(0, 2), min_size=1, max_size=5))
def test_smoothing_mixes_the_labels_loss_with_the_mean_over_all_classes(smoothing: float, places: list[int]) -> None:
    logits = np.random.default_rng(3).normal(size=(len(places), 3))
    task = task_of(Train(task={"kind": "classes", "label_smoothing": smoothing}), ("a", "b", "c"))
    weight = np.arange(1.0, len(places) + 1)
    (found,) = task.losses({LOGITS: tf.constant(logits)}, {CLASS: tf.constant(places, tf.float64)}, weight)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    rows = -(1 - smoothing) * logs[np.arange(len(places)), places] - smoothing * logs.mean(axis=1)
    assert float(found) == pytest.approx(float(weight @ rows), rel=1e-9)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"l1": -0.1}, r"l1[\s\S]*greater than or equal to 0"),
        ({"l2": math.inf}, r"l2[\s\S]*finite"),
        ({"l2": math.nan}, r"l2"),
        ({"task": {"kind": "classes", "label_smoothing": 1.0}}, r"label_smoothing[\s\S]*less than 1"),
        ({"task": {"kind": "purchase", "label_smoothing": 0.1}}, r"label_smoothing"),
    ],
    ids=["negative", "infinite", "no number", "all is spread", "no classes"],
)
def test_what_cannot_be_meant_is_refused_by_its_key(section: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Train(**section)
