"""Stage train on images that are not what their manifest says: one error, nothing started, nothing half-written.

The warehouse is composed without a JVM: the table of images and the ledger are written by delta-rs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from handoff.tables import write_table
from integration.refusals import refused_training
from ringmill.config import load
from ringmill.config.images import Decoding
from ringmill.errors import ConfigError, InputError, RingmillError
from ringmill.features.images.state import ImageState
from ringmill.handoff.contract import Contract
from ringmill.lake.ledger import Entry
from ringmill.pipeline.images import manifest_of
from ringmill.pipeline.run import STAGES, stages_of
from ringmill.pipeline.stage import Run
from ringmill.pipeline.train_examples import TRAIN_EXAMPLES

CONF = Path(__file__).resolve().parents[2] / "conf" / "fashion_mnist.yaml"
STATE = ImageState(Decoding(height=4, width=4, channels=1), (100.0,), (50.0,), ("bag", "coat"))


def images(pixels: dict[int, bytes | None] | None = None, labels: dict[int, str | None] | None = None) -> pa.Table:
    """30 images of two classes, some of which are changed."""
    held = [bytes(16)] * 30
    named = ["bag", "coat"] * 15
    return pa.table(
        {
            "row_id": np.arange(30),
            "label": pa.array([(labels or {}).get(row, name) for row, name in enumerate(named)], pa.string()),
            "pixels": pa.array([(pixels or {}).get(row, data) for row, data in enumerate(held)], pa.binary()),
            "split": ["train"] * 20 + ["validation"] * 5 + ["test"] * 5,
        }
    )


def contract_of(state: ImageState) -> Contract:
    """The manifest, of the columns that this table has."""
    from ringmill.features.images.table import images_table

    config = load(CONF)
    assert config.images is not None
    section = config.images.model_copy(update={"decoding": state.decoding})
    whole = manifest_of(images_table(section), state)
    return replace(whole, columns=tuple(column for column in whole.columns if column.name in images().column_names))


def refused(
    folder: Path, table: pa.Table, *settings: str, state: ImageState = STATE, known: ImageState = STATE
) -> RingmillError:
    """The error of training on this table, whose manifest knows the state `known`."""
    run = Run(load(CONF, ["train.launcher=local", *settings], warehouse=str(folder)))
    write_table(Path(run.lake.path("features/fashion_mnist")), table)
    detail: dict[str, Any] = {
        "state": state.to_json(),
        "state_hash": state.hash,
        "manifest": contract_of(known).to_json(),
    }
    published = Entry("r", "p", "images", "published", "k", "c", {}, {}, {"features/fashion_mnist": 0})
    run.ledger.append(replace(published, detail=detail))
    return refused_training(TRAIN_EXAMPLES, run)


@pytest.mark.parametrize(
    ("table", "column", "received"),
    [
        (images().drop_columns("pixels"), "pixels", "columns row_id, label, split; 30 rows"),
        (images().set_column(2, "pixels", pa.array(["ab"] * 30)), "pixels", "type string; 30 rows"),
        (images(pixels={3: b"short", 29: None}), "pixels", "something else in 2 of 30 rows"),
        (images(labels={21: "boot", 22: "hat", 29: "hat"}), "label", "'boot', 'hat', in 3 rows"),
        (images(labels={4: None}), "label", "1 nulls among 20 train rows"),
    ],
    ids=["missing", "another type", "another length", "a class that training lacks", "no class"],
)
def test_law_9_images_that_break_their_contract_are_named(
    table: pa.Table, column: str, received: str, tmp_path: Path
) -> None:
    error = refused(tmp_path, table)
    assert isinstance(error, InputError)
    assert f"'{column}'" in error.what
    assert error.where.endswith("features/fashion_mnist, version 0")
    assert error.received == received


def test_law_9_classes_and_a_state_that_differ_are_named(tmp_path: Path) -> None:
    other = replace(STATE, classes=("bag", "shoe"))
    assert "'label'" in refused(tmp_path / "classes", images(), state=other).what
    assert "'pixels'" in refused(tmp_path / "state", images(), state=replace(STATE, mean=(1.0,))).what


def test_a_model_that_is_not_there_or_does_not_fit_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path, images(), "train.model.kind=cmn")
    assert isinstance(error, ConfigError)
    assert {"cnn", "mlp"} <= set(error.expected.removeprefix("one of ").split(", "))


def test_a_pipeline_of_images_has_stages_of_its_own() -> None:
    assert list(stages_of(load(CONF))) == ["generate", "images", "train", "score", "report"]
    assert stages_of(load(CONF.with_name("default.yaml"))) is STAGES
