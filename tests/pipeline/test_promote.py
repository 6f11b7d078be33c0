"""What becomes of a model: its gate, the pointer in the ledger, and a person's word; on models written by hand."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from ringmill import cli
from ringmill.config import load
from ringmill.errors import InputError, LawError, RaceLost, UnforeseenError
from ringmill.features.products import ProductState
from ringmill.lake import locks
from ringmill.lake.ledger import Entry, Ledger
from ringmill.lake.locks import in_turn
from ringmill.lake.promotions import Promotions
from ringmill.pipeline.history import ledger_of, run_of, run_tree
from ringmill.pipeline.promote import model_to_score_with, settle
from ringmill.pipeline.stage import Result, Run, Stage, execute

BOUGHT = [1.0, 0.0] * 20


class Shop:
    """A warehouse into whose ledger models are trained by hand."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "warehouse"
        self.conf = folder / "own.yaml"
        self.conf.write_text(f"pipeline: own\nwarehouse: {self.root}\ntable: {{name: mine, path: t, shape: [1]}}\n")
        self.ledger = Ledger(Run(load(self.conf)).lake)

    def run(self, *settings: str) -> Run:
        return Run(load(self.conf, settings))

    def trained(
        self, run_id: str, chance: float, *, ids: range = range(40), stage: str = "train", name: str = "mine"
    ) -> Entry:
        """The published training of a model that gives what happened about this chance."""
        folder = self.root / "models" / name / run_id
        folder.mkdir(parents=True)
        said = [chance + 0.01 * (row % 3 - 1) for row in range(40)]
        chances = [each if bought else 1 - each for each, bought in zip(said, BOUGHT, strict=True)]
        columns = {"row_id": list(ids), "buy_probability": chances, "label_buy": BOUGHT}
        pq.write_table(pa.table(columns), folder / "predictions.parquet")
        (folder / "manifest.json").write_text(json.dumps({"run_id": run_id}))
        detail = {"model": f"models/{name}/{run_id}", "summary": "trained"}
        entry = Entry(
            run_id, "own", stage, "published", "k", "c", {}, {"table": "t"}, {"model": run_id}, {}, {}, detail
        )
        self.ledger.append(entry)
        return entry

    @property
    def current(self) -> str | None:
        found = Promotions(self.ledger, "mine").current()
        file = self.root / "models" / "mine" / "current"
        assert (file.read_text() if file.exists() else None) == (found and f"{found}\n")
        return found

    def decisions(self) -> list[tuple[str, str, str | None, str | None]]:
        rows = Promotions(self.ledger, "mine").rows()
        return [(row.detail["how"], row.outcome, row.detail["from"], row.detail["to"]) for row in rows]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def said(shop, monkeypatch, capsys):
    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["ringmill", *words, "--warehouse", str(shop.root)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out + captured.err

    return run


def test_a_model_becomes_current_only_where_it_is_not_worse_and_both_figures_are_kept(shop: Shop) -> None:
    for run_id, chance in (("a", 0.8), ("worse", 0.6), ("b", 0.9)):
        settle(shop.run(), shop.trained(run_id, chance))
    assert shop.current == "b"
    assert shop.decisions() == [
        ("gate", "published", None, "a"),
        ("gate", "kept", "a", "a"),
        ("gate", "published", "a", "b"),
    ]
    gate = Promotions(shop.ledger, "mine").rows()[1].detail["gate"]
    assert gate["candidate"] > gate["current"]
    assert 0 < gate["low"] < gate["difference"] < gate["high"]
    assert (gate["rows"], gate["metric"]) == (40, "log_loss")


def test_a_model_that_was_kept_is_listed_as_such(shop: Shop, said) -> None:
    settle(shop.run(), shop.trained("a", 0.8))
    settle(shop.run(), shop.trained("b", 0.6))
    lines = said("runs")[1].splitlines()[1:]
    assert [" promote kept " in line for line in lines if " promote" in line] == [True, False]


def test_a_run_as_json_says_which_model_of_the_name_is_current(shop: Shop, said) -> None:
    settle(shop.run(), shop.trained("a", 0.8))
    settle(shop.run(), shop.trained("b", 0.6))
    for run_id in "ab":
        assert json.loads(said("show", run_id, "--json")[1])["current"] == {"mine": "models/mine/a"}
    said("promote", "b")
    assert json.loads(said("show", "a", "--json")[1])["current"] == {"mine": "models/mine/b"}


def test_a_model_that_cannot_be_compared_waits_for_a_person(shop: Shop, said) -> None:
    settle(shop.run(), shop.trained("a", 0.8))
    settle(shop.run(), shop.trained("b", 0.9, ids=range(100, 140)))
    assert shop.current == "a"
    assert "no rows in common" in Promotions(shop.ledger, "mine").rows()[-1].detail["summary"]
    assert said("promote", "b") == (0, "models/mine/b is current, in the place of a\n")
    assert shop.current == "b"


PRODUCTS = tuple("abcdefghi")


def recommends(shop: Shop, run_id: str, version: int, products: tuple[str, ...], chances: dict[str, float]) -> Entry:
    """The published training of two towers that give every customer these chances, as its table's version has them."""
    folder = shop.root / "models" / "mine" / run_id
    folder.mkdir(parents=True)
    state = ProductState(products, (1,) * len(products), history=1)
    bought = [PRODUCTS[row % 4] for row in range(40)]
    rows = [(row, products.index(name) + 1) for row, name in enumerate(bought) if name in products]
    ids, x = [row for row, _ in rows], [[place, 0] for _, place in rows]
    table = pa.table({"row_id": ids, "x": pa.array(x, pa.list_(pa.int32())), "split": ["test"] * len(rows)})
    write_deltalake(str(shop.root / "features" / "mine"), table, mode="overwrite")
    biases = np.log([chances[name] for name in products])
    towers = {"past": [[0.0]] * state.ids, "layers": [], "products": [[0.0]] * len(products), "biases": biases.tolist()}
    losses = [-np.log(chances[products[place - 1]] / sum(chances[name] for name in products)) for _, place in rows]
    pq.write_table(pa.table({"row_id": ids, "log_loss": losses}), folder / "predictions.parquet")
    for name, tree in (("frozen", towers), ("products", state.to_json()), ("manifest", {"version": version})):
        (folder / f"{name}.json").write_text(json.dumps(tree))
    detail = {"model": f"models/mine/{run_id}", "summary": "trained"}
    entry = Entry(run_id, "own", "train", "published", "k", "c", {}, {"table": "t"}, {"model": run_id}, {}, {}, detail)
    shop.ledger.append(entry)
    return entry


def test_who_knows_more_products_is_not_the_worse_for_it_and_both_are_judged_among_what_both_know(shop: Shop) -> None:
    # Purchases are of a, b, c and d in equal shares; nobody knows d but the second and third.
    even = dict.fromkeys(PRODUCTS, 1.0)
    settle(shop.run(), recommends(shop, "few", 0, tuple("abc"), even))
    settle(shop.run(), recommends(shop, "many", 1, tuple("ihgfedcba"), even))
    settle(shop.run(), recommends(shop, "worse", 2, PRODUCTS[:8], {**even, "h": 9.0}))
    assert shop.current == "many"
    second, third = Promotions(shop.ledger, "mine").rows()[1:]
    # Among their own products the losses are log 3 and log 9: the gate would have kept 'few'.
    gate = second.detail["gate"]
    assert (gate["candidate"], gate["current"]) == pytest.approx((np.log(3), np.log(3)))
    assert gate["rows"] == 30 and "among the 3 products that both know" in second.detail["summary"]
    assert (third.outcome, third.detail["gate"]["rows"]) == ("kept", 40)
    assert third.detail["gate"]["current"] == pytest.approx(np.log(8))


def test_models_that_know_the_same_products_are_compared_by_what_they_wrote(shop: Shop) -> None:
    even = dict.fromkeys(PRODUCTS, 1.0)
    settle(shop.run(), recommends(shop, "a", 0, PRODUCTS, even))
    settle(shop.run(), recommends(shop, "b", 1, PRODUCTS[::-1], even))
    assert shop.current == "b"
    gate = Promotions(shop.ledger, "mine").rows()[-1].detail
    assert gate["gate"]["current"] == pytest.approx(np.log(9)) and "both know" not in gate["summary"]


def test_models_without_a_product_in_common_wait_for_a_person(shop: Shop) -> None:
    even = dict.fromkeys(PRODUCTS, 1.0)
    settle(shop.run(), recommends(shop, "a", 0, PRODUCTS[:2], even))
    settle(shop.run(), recommends(shop, "b", 1, PRODUCTS[2:], even))
    assert shop.current == "a"
    assert "cannot be compared" in Promotions(shop.ledger, "mine").rows()[-1].detail["summary"]


def test_models_of_any_stage_are_promoted_and_rolled_back_by_their_name(shop: Shop, said) -> None:
    for run_id in "ab":
        settle(shop.run(), shop.trained(run_id, 0.8))
        settle(shop.run(), shop.trained(run_id, 0.8, stage="train_generated", name="mine_generated"))
    status, text = said("promote", "a")
    assert status == 2 and "one of: mine, mine_generated" in text and "--model NAME" in text
    assert said("promote", "a", "--model", "other")[0] == 2
    to_first = "models/mine_generated/a is current, in the place of b\n"
    assert said("promote", "a", "--model", "mine_generated") == (0, to_first)
    back = (0, "models/mine_generated/b is current, in the place of a\n")
    assert said("rollback", "--model", "mine_generated") == back
    assert said("rollback", "--model", "mine_generated") == (0, to_first)
    assert shop.current == "b"


def test_a_run_that_trained_one_of_several_models_anew_needs_no_name_and_the_gate_gives_the_command(
    shop: Shop, said
) -> None:
    settle(shop.run(), shop.trained("a", 0.8, name="mine_generated"))
    unchanged = {"run_id": "b", "outcome": "unchanged"}
    shop.ledger.append(replace(shop.trained("a", 0.8), **unchanged))
    settle(shop.run(), shop.trained("b", 0.6, stage="train_generated", name="mine_generated"))
    words = Promotions(shop.ledger, "mine_generated").rows()[-1].detail["summary"]
    assert words.startswith("models/mine_generated/b is worse, and not current")
    assert words.endswith("`ringmill promote b --model mine_generated` makes it current")
    assert said("promote", "b") == (0, "models/mine_generated/b is current, in the place of a\n")


def test_the_file_that_repeats_the_pointer_is_mended_by_the_same_command(shop: Shop, said) -> None:
    settle(shop.run(), shop.trained("a", 0.8))
    settle(shop.run(), shop.trained("b", 0.8))
    # As a run leaves it that is killed between its commit and the file.
    (shop.root / "models" / "mine" / "current").write_text("a\n")
    assert said("promote", "b") == (0, "models/mine/b is current already\n")
    assert shop.current == "b"


def test_what_was_decided_of_a_model_is_not_decided_again_and_what_a_crash_left_open_is(shop: Shop, said) -> None:
    first, second = shop.trained("a", 0.8), shop.trained("b", 0.9)
    settle(shop.run(), first)
    settle(shop.run(), second)
    said("rollback")
    (shop.root / "models" / "mine" / "current").write_text("b\n")
    settle(shop.run(), second)
    assert shop.current == "a"
    assert len(shop.decisions()) == 3


def test_a_gate_that_stops_ends_with_status_3_each_time_until_a_person_decides(shop: Shop, said) -> None:
    settle(shop.run(), shop.trained("a", 0.8))
    worse = shop.trained("b", 0.6)
    for _ in range(2):
        run = shop.run("promotion.when_worse=stop")
        with pytest.raises(LawError, match="worse than the current one") as stopped:
            settle(run, worse)
        assert stopped.value.exit_status == 3
        status, text = said("show", run.run_id, "--exit-status")
        assert status == 3 and "promote: failed" in text
    assert shop.current == "a"
    said("promote", "b")
    settle(shop.run("promotion.when_worse=stop"), worse)
    assert shop.current == "b"


def test_a_stage_stays_published_when_what_follows_stops_and_that_is_done_when_nothing_has_changed(shop: Shop) -> None:
    calls = []

    def after(run: Run, entry: Entry) -> None:
        calls.append(entry.run_id)
        if len(calls) == 1:
            raise LawError.worse_model("here", "much worse")

    done = Result({}, {}, "")
    stage = Stage("x", ("ringmill.mixing",), lambda config: {}, lambda run: {}, lambda *given: done, after=after)
    first = shop.run()
    with pytest.raises(LawError, match="worse"):
        execute(stage, first)
    assert execute(stage, shop.run()).outcome == "unchanged"
    assert calls == [first.run_id] * 2
    assert [row.outcome for row in shop.ledger.entries()] == ["published", "unchanged"]


def test_what_fails_unforeseen_once_a_model_is_published_is_in_the_ledger_with_its_status(shop: Shop, said) -> None:
    settle(shop.run(), shop.trained("a", 0.8))
    (shop.root / "models" / "mine" / "a" / "manifest.json").unlink()

    def body(run: Run, *given: object) -> Result:
        trained = shop.trained("b", 0.8)
        return Result(trained.outputs, {}, "", detail=trained.detail)

    stage = Stage("train", ("ringmill.mixing",), lambda config: {}, lambda run: {}, body, after=settle)
    run = shop.run()
    with pytest.raises(UnforeseenError, match="FileNotFoundError") as failed:
        execute(stage, run)
    assert failed.value.todo.endswith("the stage is published")
    assert Path(failed.value.where).read_text(encoding="utf-8").startswith("Traceback")
    assert shop.ledger.resolve("train").run_id == run.run_id
    status, text = said("show", run.run_id, "--exit-status")
    assert status == 1 and "after train: failed" in text


def test_rollback_goes_back_one_model_after_another_and_then_says_that_there_is_none(shop: Shop, said) -> None:
    for run_id in "abc":
        settle(shop.run(), shop.trained(run_id, 0.8))
    assert said("rollback") == (0, "models/mine/b is current, in the place of c\n")
    assert said("rollback", "--model", "mine")[0] == 0
    assert shop.current == "a"
    status, text = said("rollback")
    assert (status, shop.current) == (2, "a")
    assert "no such model to make current" in text
    said("promote", "c")
    said("rollback")
    assert shop.current == "a"
    rows = Promotions(shop.ledger, "mine").rows()
    assert [row.detail["how"] for row in rows][3:] == ["rollback", "rollback", "hand", "rollback"]
    assert all(row.user and row.started_at <= datetime.now(UTC) for row in rows)


def test_law_10_what_cannot_be_made_current_is_named(shop: Shop, said, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(shop.run(), shop.trained("a", 0.8))
    shop.trained("b", 0.8)
    (shop.root / "models" / "mine" / "b" / "manifest.json").unlink()
    for words, says in (
        (("promote", "x"), "No single run is meant by 'x'"),
        (("promote", "b"), "no manifest.json in its folder"),
        (("rollback", "--model", "other"), "No models have the name 'other'"),
    ):
        status, text = said(*words)
        assert (status, shop.current) == (2, "a")
        assert says in text
    # Not at all: another's decision takes seconds.
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.0)
    with in_turn(shop.ledger.lake, "promote.mine", pytest.fail), pytest.raises(RaceLost):
        settle(shop.run(), shop.trained("c", 0.8))
    with in_turn(shop.ledger.lake, "promote.others", pytest.fail):
        settle(shop.run(), shop.trained("d", 0.8))
    assert shop.current == "d"


def test_scores_are_of_the_current_model_or_of_the_run_that_is_named(shop: Shop) -> None:
    with pytest.raises(InputError, match="published nothing"):
        model_to_score_with(shop.run(), "mine")
    first = shop.trained("a", 0.8)
    with pytest.raises(InputError, match="No model is current"):
        model_to_score_with(shop.run(), "mine")
    settle(shop.run(), first)
    settle(shop.run(), shop.trained("b", 0.6))
    assert model_to_score_with(shop.run(), "mine") == "models/mine/a"
    assert model_to_score_with(shop.run("score.model_run=b"), "mine") == "models/mine/b"
    with pytest.raises(InputError, match="No single run is meant by 'c'"):
        model_to_score_with(shop.run("score.model_run=c"), "mine")


def test_a_model_that_is_gone_is_not_compared_with(shop: Shop) -> None:
    settle(shop.run(), shop.trained("a", 0.8))
    (shop.root / "models" / "mine" / "a" / "predictions.parquet").unlink()
    settle(shop.run(), shop.trained("b", 0.6))
    assert shop.current == "b"


def test_lineage_and_show_know_of_the_pointer(shop: Shop, said) -> None:
    settle(shop.run(), shop.trained("a", 0.8))
    status, text = said("lineage", "models/mine/current")
    assert status == 0
    assert text.splitlines()[0].startswith("models/mine/current@a ← promote of ")
    assert "models/mine@a ← train of a" in text
    assert said("lineage", "models/mine")[1].startswith("models/mine@a ← train of a")
    promoted = Promotions(shop.ledger, "mine").rows()[0]
    assert run_tree(run_of(ledger_of(str(shop.root)).entries(), promoted.run_id))


def test_a_stage_that_began_first_and_was_published_last_is_the_published_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = Result({"t": 1}, {}, "")
    stage = Stage("x", ("ringmill.mixing",), lambda config: {}, lambda run: {"of": run.run_id}, lambda *given: done)
    early, late = shop.run(), shop.run()

    def waits(run: Run, *words: object) -> None:
        if run is early and not shop.ledger.entries():
            execute(stage, late)

    # A lineage server that keeps the first run waiting, before it has the lock.
    monkeypatch.setattr("ringmill.pipeline.stage._emit", waits)
    execute(stage, early)
    assert [row.run_id for row in shop.ledger.entries()] == [late.run_id, early.run_id]
    assert shop.ledger.resolve("x").run_id == early.run_id
