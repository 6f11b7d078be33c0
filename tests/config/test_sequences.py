"""The section 'sequences': cutoffs that follow each other, and the three heads beside it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ringmill.config import load
from ringmill.errors import ConfigError

CONF = Path(__file__).resolve().parents[2] / "conf" / "next_order.yaml"


def test_the_configuration_that_ships_names_each_split_s_cutoffs(tmp_path):
    section = load(CONF, warehouse=str(tmp_path)).sequences
    assert section.cutoffs_by_split["test"] == (date(2011, 11, 9),) and len(section.cutoffs) == 10
    assert [section.key_of(split) for split in ("train", "test")] == [
        "sequences.train_cutoffs",
        "sequences.test_cutoff",
    ]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["sequences.validation_cutoff=2011-10-09"], "behind all of sequences.train_cutoffs"),
        (["sequences.test_cutoff=2011-11-08"], "sequences.test_cutoff at least horizon_days behind"),
        (["sequences.train_cutoffs=[2011-02-12, 2011-02-12]"], "each once"),
        (["sequences.train_cutoffs=[]"], "at least 1"),
        (["sequences.historie=4"], "history"),
        (["train.task={kind: purchase}"], "a head each for comes of kind classes, category of kind classes, days of"),
        (["train.task.heads.days.label=gap"], "a head each for"),
        (["train.task.heads.days={kind: classes, label: days}"], "a head each for"),
        (["train.task.heads.more={kind: number, label: days}"], "a head each for"),
        (["features={train_cutoffs: [2011-09-10]}"], "no examples or features of another kind"),
        (["recommend={validation_cutoff: 2011-10-10, test_cutoff: 2011-11-09}"], "of another kind"),
    ],
)
def test_what_does_not_fit_together_is_refused(settings, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        load(CONF, settings, warehouse=str(tmp_path))
