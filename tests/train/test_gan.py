"""The task 'adversarial' and its model: what is minimised, laws 4, 5 and 7 on real ranks, and the generator frozen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ringmill.config.train import Train
from ringmill.errors import ConfigError
from ringmill.handoff.columns import Input
from ringmill.train.build import build_model
from ringmill.train.ranks import Solo
from ringmill.train.saved import load_model
from ringmill.train.tasks.find import task_of
from train.adversaries import ROWS, SECTION, SHAPES, real_rows, train_adversaries
from train.test_optimizer import off, on_ranks

PADDED, DRAWN = "made rows of padding", "draws by place"
VARIANTS: dict[str, dict[str, Any]] = {
    "rows": {},
    "images": {"shape": "images"},
    "filled": {"fill": 1e30},
    "filled images": {"shape": "images", "fill": 1e30},
    PADDED: {"broken": PADDED},
    DRAWN: {"broken": DRAWN},
}
# What several ranks try: building the graphs is what takes time. One rank needs no process of its own.
ALWAYS = {2: ("rows", "filled", "filled images")}
LONG = {2: ("images", PADDED, DRAWN), 4: ("rows", "images")}


def section(**changes: Any) -> Train:
    return Train(**{**SECTION, **changes})


def tried(names: Mapping[int, tuple[str, ...]], home: Path) -> dict[int, list[dict[str, Any]]]:
    """By the number of ranks, what each rank found."""
    return {
        ranks: on_ranks(
            "train_adversaries", ranks, home, module="adversaries", variants={name: VARIANTS[name] for name in some}
        )
        for ranks, some in names.items()
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    return tried(ALWAYS, tmp_path_factory.mktemp("adversaries"))


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    return tried(LONG, tmp_path_factory.mktemp("more_adversaries"))


def alone(name: str, **more: Any) -> dict[str, Any]:
    """What one rank finds."""
    return train_adversaries(Solo, {name: VARIANTS[name] | more})[name]


@pytest.fixture(scope="module")
def solo() -> dict[str, dict[str, Any]]:
    return {name: alone(name) for name in ("rows", "images")}


def of(found: dict[str, Any], network: str) -> dict[str, Any]:
    """The weights of one network."""
    pairs = zip(found["networks"], found["weights"], strict=True)
    return {"weights": [value for name, value in pairs if name == network]}


def check_equal(ranks: list[dict[str, Any]], one: dict[str, Any]) -> None:
    # 6 steps an epoch, and in each an update of either network.
    assert ranks[0]["steps"] == [54, 54]
    assert all(found["weights"] == ranks[0]["weights"] for found in ranks)
    for network in ("generator", "discriminator"):
        assert off(of(ranks[0], network), of(one, network)) <= 1e-9
    assert np.isfinite(one["losses"]).all() and one["losses"][-1] != one["losses"][0]


@pytest.mark.ring
@pytest.mark.parametrize("name", ["rows", "filled images"])
def test_law_5_both_networks_have_one_rank_s_weights_on_two(
    name: str, trained: dict[int, Any], solo: dict[str, Any]
) -> None:
    check_equal([found[name] for found in trained[2]], solo[name.removeprefix("filled ")])


@pytest.mark.ring
def test_law_4_padding_of_1e30_changes_no_bit_of_either_network(trained: dict[int, Any]) -> None:
    # 68 rows in steps of 13, which two does not divide: most steps have padding on a rank.
    assert trained[2][0]["filled"]["weights"] == trained[2][0]["rows"]["weights"]


def test_law_7_a_checkpoint_holds_both_networks_and_both_optimizers(solo: dict[str, Any]) -> None:
    resumed = alone("rows", resume_after=4)
    assert resumed["weights"] == solo["rows"]["weights"]
    assert resumed["steps"] == [54, 54]


@pytest.mark.ring
@pytest.mark.long
@pytest.mark.parametrize("shape", ["rows", "images"])
def test_law_5_both_networks_have_one_rank_s_weights_on_four(
    shape: str, more: dict[int, Any], solo: dict[str, Any]
) -> None:
    check_equal([found[shape] for found in more[4]], solo[shape])


@pytest.mark.ring
@pytest.mark.long
def test_law_4_padding_of_1e30_changes_no_bit_of_images(trained: dict[int, Any], more: dict[int, Any]) -> None:
    assert trained[2][0]["filled images"]["weights"] == more[2][0]["images"]["weights"]


@pytest.mark.ring
@pytest.mark.long
@pytest.mark.parametrize("broken", [PADDED, DRAWN])
def test_law_5_is_seen_to_break(broken: str, more: dict[int, Any]) -> None:
    assert off(more[2][0][broken], alone(broken)) > 1e-4


def in_step(model: Any, x: np.ndarray, row_id: np.ndarray, *, real: np.ndarray, epoch: int = 0) -> dict[str, Any]:
    import tensorflow as tf

    from ringmill.train.step import Step, during

    step = Step(tf.constant(real), lambda: tf.constant(row_id), tf.constant(epoch, tf.int64), 3, Solo())
    with during(step):
        return dict(model(tf.constant(x), training=True))


def test_each_network_minimises_its_own_part_and_padding_is_in_neither() -> None:
    import tensorflow as tf

    task = task_of(section(task={"kind": "adversarial", "smoothing": 0.1}))
    real, made = np.array([0.5, -1.0, 9.0]), np.array([-0.3, 2.0, 9.0])
    weight = np.array([1.0, 2.0, 0.0])
    heads = {"real": tf.constant(real), "made": tf.constant(made)}
    judged, fooled = (float(one) for one in task.losses(heads, {}, tf.constant(weight)))
    told, chance = -np.log(1 / (1 + np.exp(-real))), 1 / (1 + np.exp(-made))
    expected = weight * (0.9 * told + 0.1 * (told + real) - np.log(1 - chance))
    assert judged == pytest.approx(expected.sum(), rel=1e-12)
    assert fooled == pytest.approx((weight * -np.log(chance)).sum(), rel=1e-12)
    assert [mass.tolist() for mass in task.masses(weight, {})] == [weight.tolist()] * 2
    assert task.discriminator_loss((6.0, 8.0), (3.0, 4.0)) == task.generator_loss((6.0, 8.0), (3.0, 4.0)) == 2.0


def test_a_turn_moves_one_network_alone() -> None:
    import tensorflow as tf

    from ringmill.train.updates import updates_of

    train = section()
    task, x = task_of(train), Input("x", SHAPES["rows"])
    model = build_model(train, x, task.starts(1, []), seed=3)
    judging, making = updates_of(train, task, model, Solo(), steps=6)
    moved = [{id(variable) for variable in each.variables} for each in (judging, making)]
    of_networks = [model.get_layer(name).trainable_variables for name in ("discriminator", "generator")]
    assert moved == [{id(variable) for variable in variables} for variables in of_networks]
    assert set.union(*moved) == {id(variable) for variable in model.trainable_variables} and not set.intersection(
        *moved
    )
    rates = [float(tf.convert_to_tensor(each.optimizer.learning_rate)) for each in (judging, making)]
    assert rates[0] == pytest.approx(rates[1] / 2)


def test_law_5_a_made_row_hangs_on_its_row_s_id_and_the_epoch_alone() -> None:
    train, (row_id, x) = section(model={**SECTION["model"], "dropout": 0.0}), real_rows(SHAPES["rows"])
    model = build_model(train, Input("x", SHAPES["rows"]), task_of(train).starts(1, []), seed=3)
    latent = model.get_layer("latent")
    from ringmill.train.step import Step, during

    def drawn(order: np.ndarray, epoch: int) -> np.ndarray:
        import tensorflow as tf

        step = Step(None, lambda: tf.constant(row_id[order]), tf.constant(epoch, tf.int64), 3, Solo())
        with during(step):
            return np.asarray(latent(tf.constant(x[order]), training=True))

    order = np.random.default_rng(1).permutation(ROWS)
    np.testing.assert_array_equal(drawn(order, 2), drawn(np.arange(ROWS), 2)[order])
    assert (drawn(order, 2) != drawn(order, 3)).all(axis=1).any()
    everything = np.concatenate([drawn(order, epoch) for epoch in range(40)])
    assert abs(everything.mean()) < 0.02 and abs(everything.std() - 1) < 0.02


@pytest.mark.parametrize("shape", ["rows", "images"])
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, when it saves
def test_a_saved_model_says_the_same_when_it_is_loaded(shape: str, tmp_path: Path) -> None:
    train, (row_id, x) = section(), real_rows(SHAPES[shape])
    model = build_model(train, Input("x", SHAPES[shape]), task_of(train).starts(1, []), seed=3)
    rows = x.reshape(-1, *SHAPES[shape])
    in_step(model, rows, row_id, real=np.ones(ROWS, bool))
    model.save(tmp_path / "model.keras")
    loaded, drawn = load_model(tmp_path / "model.keras"), np.random.default_rng(2).normal(size=(9, 4))
    assert np.asarray(loaded(rows)["log_loss"]).tolist() == np.asarray(model(rows)["log_loss"]).tolist()
    made = [np.asarray(one.get_layer("generator")(drawn)) for one in (model, loaded)]
    assert made[0].tolist() == made[1].tolist() and made[0].shape == (9, *SHAPES[shape])


def test_what_a_gan_cannot_learn_is_refused() -> None:
    for changes in ({"task": {"kind": "purchase"}}, {"model": {"kind": "mlp"}}):
        with pytest.raises(ValueError, match="only with it"):
            section(**changes)
    with pytest.raises(ValueError, match="which has no classes"):
        section(class_weights={"a": 1.0})
    with pytest.raises(ValueError, match="two sums a step"):
        section(engine="mirrored", launcher="local")
    starts = task_of(section()).starts(1, [])
    for x in (Input("x", (4,), "int32", ids=3), Input("x", (4, 4)), Input("x", (6, 8, 1))):
        with pytest.raises(ConfigError, match=r"train\.model"):
            build_model(section(), x, starts, seed=3)
    with pytest.raises(ConfigError, match=r"train\.optimizer\.passes"):
        build_model(section(optimizer={"passes": 2}), Input("x", (4,)), starts, seed=3)
