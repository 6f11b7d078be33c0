"""What later stages read must be in the currency of now, and by the rates of now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ringmill.config import load
from ringmill.errors import ConfigError, InputError
from ringmill.lake.ledger import Entry
from ringmill.pipeline.lines import check_money, line_configuration, rate_inputs
from ringmill.pipeline.promote import model_in_currency
from ringmill.pipeline.stage import Run

CONF = Path(__file__).parents[2] / "conf" / "default.yaml"


@pytest.fixture
def rates(tmp_path: Path) -> Path:
    file = tmp_path / "rates.csv"
    file.write_text("currency,valid_from,rate\nEUR,2024-01-01,0.5\n", encoding="utf-8")
    return file


@pytest.fixture
def run(tmp_path: Path, rates: Path) -> Iterator[Run]:
    # Columns of one's own are in no table of rates.
    extras = "raw.extras={currency: {column: Code, type: string}, store_id: {column: Shop, type: string}}"
    settings = [extras, f"rfm.currency={{into: GBP, rates: {rates}}}"]
    found = Run(load(CONF, settings, warehouse=str(tmp_path / "lake")))
    yield found
    found.close()


def made_by(run: Run, stage: str, **more: Any) -> Entry:
    """A row of the ledger, as read again."""
    entry = Entry("r", "p", stage, "published", "k", "c", line_configuration(run.config), rate_inputs(run), **more)
    return Entry.from_row(Entry(**{**asdict(entry), "started_at": entry.started_at}).to_row())


def test_what_was_made_by_the_same_rates_is_used(run: Run) -> None:
    check_money(run, made_by(run, "features"))


def test_other_rates_and_another_currency_are_named(run: Run, rates: Path, tmp_path: Path) -> None:
    features = made_by(run, "features")
    dollars = Run(load(CONF, [f"rfm.currency={{into: USD, rates: {rates}}}"], warehouse=str(tmp_path / "lake")))
    plain = Run(load(CONF, warehouse=str(tmp_path / "lake")))
    for other, now in ((dollars, "USD"), (plain, "none")):
        with pytest.raises(InputError, match=rf"'features'[\s\S]*into: {now}[\s\S]*received: GBP"):
            check_money(other, features)
        other.close()
    rates.write_text("currency,valid_from,rate\nEUR,2024-01-01,0.6\n", encoding="utf-8")
    with pytest.raises(InputError, match="other exchange rates"):
        check_money(run, features)


def test_a_model_trained_on_another_currency_does_not_score(run: Run, tmp_path: Path) -> None:
    name = run.config.features.name
    model = {"model": f"models/{name}/r"}
    run.ledger.append(made_by(run, "train", outputs={"model": "r"}, detail=model))
    wanted = ["score.model_run=r"]
    plain = Run(load(CONF, wanted, warehouse=str(tmp_path / "lake")))
    with pytest.raises(InputError, match=r"'train'[\s\S]*received: GBP"):
        model_in_currency(plain, name)
    plain.close()
    same = Run(
        load(CONF, [*wanted, f"rfm.currency={run.config.rfm.currency.model_dump()}"], warehouse=str(tmp_path / "lake"))
    )
    assert model_in_currency(same, name) == model["model"]
    same.close()


def test_a_snapshots_column_named_twice_or_without_a_set_is_refused() -> None:
    entry = "features.set=[{kind: zscore, columns: [spend_net]}]"
    assert load(CONF, [entry, "features.snapshots=[spend_net]"]).features.snapshots == ("spend_net",)
    for settings in ([entry, "features.snapshots=[spend_net, spend_net]"], ["features.snapshots=[spend_net]"]):
        with pytest.raises(ConfigError, match="snapshots"):
            load(CONF, settings)
