"""Stage train on features that are not what their manifest says: one error, nothing started, nothing half-written.

The warehouse is composed without a JVM: the features' table and the ledger are written by delta-rs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from integration.refusals import refused_training
from published import CONF, CONTRACT, COUNTRY, STATE, publish_features
from ringmill.config import load
from ringmill.errors import InputError, PlanError, RingmillError
from ringmill.features.state import State
from ringmill.handoff.contract import Contract, Promise
from ringmill.pipeline.stage import Run
from ringmill.pipeline.train import TRAIN


def refused(folder: Path, *, state: State = STATE, contract: Contract = CONTRACT, gone: str = "") -> RingmillError:
    """The error of training on features with that state and manifest; files that match `gone` are vacuumed."""
    run = Run(load(CONF, ["train.launcher=local", "train.retries=2"], warehouse=str(folder)))
    table = f"features/{run.config.features.name}"
    publish_features(run, state, contract)
    for file in Path(run.lake.path(table)).glob(gone) if gone else ():
        file.unlink()
    return refused_training(TRAIN, run)


def test_law_9_a_vocabulary_that_differs_is_named(tmp_path: Path) -> None:
    other = replace(STATE, parts=(replace(COUNTRY, values=("France", "Italy")),))
    error = refused(tmp_path, state=other)
    assert isinstance(error, InputError)
    assert error.what.startswith("Column 'x, by country (one_hot)'")
    assert error.expected == f"the vocabulary {STATE.vocabularies['country (one_hot)'][:12]}"


def test_law_9_a_column_that_breaks_the_contract_is_named(tmp_path: Path) -> None:
    columns = (*CONTRACT.columns[:3], Promise("label_spend", "bigint", False))
    error = refused(tmp_path, contract=replace(CONTRACT, columns=columns))
    assert isinstance(error, InputError)
    assert "'label_spend'" in error.what


@pytest.mark.parametrize("gone", ["split=train/*.parquet", "_delta_log/*.json"])
def test_a_vacuumed_version_is_named(gone: str, tmp_path: Path) -> None:
    error = refused(tmp_path, gone=gone)
    assert isinstance(error, PlanError)
    assert "vacuumed" in error.todo
