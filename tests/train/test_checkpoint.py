"""The state between epochs: early stopping, and the round trip through bytes."""

from __future__ import annotations

import numpy as np
import pytest

from ringmill.config.train import Train
from ringmill.train.checkpoint import State


def weights(value: float) -> tuple[np.ndarray, ...]:
    return (np.full((2, 3), value), np.array(value, np.float32))


def after(*losses: float) -> State:
    state = State(0, weights(0), (), weights(0))
    for place, loss in enumerate(losses, 1):
        state = state.after({"val_loss": loss}, weights(place), ())
    return state


def test_the_best_weights_are_those_of_the_lowest_validation_loss() -> None:
    state = after(0.5, 0.3, 0.4)
    assert (state.best_epoch, state.best_loss, state.waited) == (2, 0.3, 1)
    assert (state.best_weights[0] == 2).all()
    assert (state.weights[0] == 3).all()


def test_an_equal_loss_is_no_improvement() -> None:
    assert after(0.3, 0.3).best_epoch == 1


@pytest.mark.parametrize(("losses", "finished"), [((0.5, 0.6), False), ((0.5, 0.6, 0.6), True), ((3, 2, 1, 0), True)])
def test_training_ends_after_patience_or_the_last_epoch(losses: tuple[float, ...], finished: bool) -> None:
    assert after(*losses).finished(Train(epochs=4, patience=2)) is finished


def test_a_state_survives_its_file_bit_for_bit() -> None:
    state = State(3, weights(0.1), (np.array(7),), weights(1 / 3), 0.25, 2, 1, ({"epoch": 1, "val_loss": 0.25},))
    again, fingerprint = State.from_bytes(state.to_bytes("abc"))
    assert fingerprint == "abc"
    assert again.to_bytes("abc") == state.to_bytes("abc")
    assert (again.epoch, again.best_loss, again.best_epoch, again.waited) == (3, 0.25, 2, 1)
    assert again.history == state.history
