"""The cutoffs of rfm: its own, and those as of which features read its snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ringmill.config import load
from ringmill.config.load import dump
from ringmill.errors import InputError
from ringmill.lake.ledger import Entry
from ringmill.pipeline.cutoffs import key_of_cutoff, rfm_cutoffs
from ringmill.pipeline.lines import line_configuration
from ringmill.pipeline.rfm import RFM
from ringmill.pipeline.stage import Run

CONF = Path(__file__).parents[2] / "conf" / "default.yaml"
SPLIT = "{kind: time, validation_cutoffs: [2024-04-01], test_cutoffs: [2024-04-20]}"
OF_FEATURES = ["features.train_cutoffs=[2024-02-01, 2024-03-01]", f"features.split={SPLIT}", "features.horizon_days=10"]
WANTED = [*OF_FEATURES, "features.set=[{kind: zscore, columns: [spend_net]}]", "features.snapshots=[spend_net]"]
OWN = ["rfm.cutoff=2024-05-01", "rfm.cutoffs=[2024-03-10]"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Any]:
    made: list[Run] = []

    def with_settings(*settings: str) -> Run:
        made.append(Run(load(CONF, settings, warehouse=str(tmp_path / "lake"))))
        events = {"first_event_at": "2024-02-10T09:00:00+00:00", "last_event_at": "2024-04-30T09:00:00+00:00"}
        made[-1].ledger.append(Entry("r", "shop", "clean", "published", "k", "c", {}, {}, {}, {}, {}, events))
        return made[-1]

    yield with_settings
    for one in made:
        one.close()


def test_rfm_makes_the_snapshots_that_features_read_where_the_data_see_something(run) -> None:
    found = run(*WANTED, *OWN)
    current, cutoffs = rfm_cutoffs(found)
    assert current == date(2024, 5, 1)
    # None as of February: features says of its cutoff that it lies before the first event.
    assert [f"{cutoff:%m-%d}" for cutoff in cutoffs] == ["03-01", "03-10", "04-01", "04-20", "05-01"]
    assert [key_of_cutoff(found.config, cutoff, current) for cutoff in cutoffs] == [
        "features.train_cutoffs",
        "rfm.cutoffs",
        "features.split.validation_cutoffs",
        "features.split.test_cutoffs",
        "rfm.cutoff",
    ]


def test_without_snapshots_rfm_has_its_own_cutoffs_and_its_key_stays(run) -> None:
    found = run(*OF_FEATURES, *OWN)
    assert [f"{cutoff:%m-%d}" for cutoff in rfm_cutoffs(found)[1]] == ["03-10", "05-01"]
    config = found.config
    assert RFM.configuration(config) == {"rfm": dump(config.rfm), "seed": config.seed, **line_configuration(config)}
    assert RFM.configuration(run(*WANTED, *OWN).config)["snapshot_cutoffs"][0] == "2024-02-01"


def test_a_cutoff_of_its_own_before_the_first_event_is_refused(run) -> None:
    with pytest.raises(InputError, match=r"2024-02-01[\s\S]*rfm\.cutoffs"):
        rfm_cutoffs(run(*WANTED, "rfm.cutoffs=[2024-02-01]"))
