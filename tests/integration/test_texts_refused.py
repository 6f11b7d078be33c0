"""Stage train on texts that are not what their manifest says, or that lack a class: one error, nothing started.

The warehouse is composed without a JVM: the table of texts and the ledger are written by delta-rs.
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
from ringmill.config.texts import Cleaning
from ringmill.errors import RingmillError
from ringmill.features.state import State
from ringmill.features.text.parts import TokenIds
from ringmill.features.text.state import TextState
from ringmill.features.text.table import texts_table
from ringmill.lake.ledger import Entry
from ringmill.pipeline.run import stages_of
from ringmill.pipeline.stage import Run
from ringmill.pipeline.texts import manifest_of
from ringmill.pipeline.train_examples import TRAIN_EXAMPLES

CONF = Path(__file__).resolve().parents[2] / "conf" / "sms_spam.yaml"
PART = TokenIds("text", "ids", "words", True, "keep", (), (1, 1), ("hello", "prize"), 3, "end", "end")
STATE = TextState(Cleaning(), State((("text", "string"),), (PART,), (), ("ids",)), ("ham", "spam"))


def texts(ids: dict[int, list[int] | None] | None = None, labels: dict[int, str] | None = None) -> pa.Table:
    """30 texts of two classes, some of which are changed."""
    return pa.table(
        {
            "row_id": np.arange(30),
            "label": [(labels or {}).get(row, name) for row, name in enumerate(["ham", "spam"] * 15)],
            "ids": pa.array([(ids or {}).get(row, [2, 1, 0]) for row in range(30)], pa.list_(pa.int32())),
            "split": ["train"] * 20 + ["validation"] * 5 + ["test"] * 5,
        }
    )


def refused(folder: Path, table: pa.Table, *settings: str, known: TextState = STATE) -> RingmillError:
    """The error of training on this table, whose manifest knows the state `known`."""
    config = load(CONF, ["train.launcher=local", *settings], warehouse=str(folder))
    run = Run(config)
    write_table(Path(run.lake.path("features/sms_spam")), table)
    assert config.texts is not None
    whole = manifest_of(texts_table(config.texts), known)
    manifest = replace(whole, columns=tuple(column for column in whole.columns if column.name in table.column_names))
    detail: dict[str, Any] = {"state": STATE.to_json(), "state_hash": STATE.hash, "manifest": manifest.to_json()}
    published = Entry("r", "p", "texts", "published", "k", "c", {}, {}, {"features/sms_spam": 0})
    run.ledger.append(replace(published, detail=detail))
    return refused_training(TRAIN_EXAMPLES, run)


@pytest.mark.parametrize(
    ("table", "column", "received"),
    [
        (texts(ids={3: [1, 2], 29: None}), "ids", "something else in 2 of 30 rows"),
        (texts(labels={21: "advert", 29: "advert"}), "label", "'advert', in 2 rows"),
        (texts(labels=dict.fromkeys(range(1, 20, 2), "ham")), "label", "received: 1"),
    ],
    ids=["another length", "a class that training lacks", "one class"],
)
def test_law_9_texts_that_cannot_be_learnt_are_named(
    table: pa.Table, column: str, received: str, tmp_path: Path
) -> None:
    error = str(refused(tmp_path, table))
    assert column in error and received in error and "features/sms_spam, version 0" in error


def test_law_9_another_vocabulary_or_other_classes_are_named(tmp_path: Path) -> None:
    fewer = replace(STATE, tokens=replace(STATE.tokens, parts=(replace(PART, values=("hello",)),)))
    assert "'ids, by ids (token_ids)'" in refused(tmp_path / "a", texts(), known=fewer).what
    assert "'label'" in refused(tmp_path / "b", texts(), known=replace(STATE, classes=("a", "b"))).what


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("train.augmentation.flip=0.5", "train.augmentation"),
        ("train.text_augmentation={punctuation: 0.1}", "marks in the vocabulary"),
        ("train.text_augmentation={synonym: 1, synonyms: {hello: [dear friend]}}", "one token each"),
        ("train.model={kind: textcnn, unit: 3}", "did you mean 'units'"),
    ],
)
def test_settings_that_do_not_fit_texts_are_named(settings: str, words: str, tmp_path: Path) -> None:
    assert words in str(refused(tmp_path, texts(), settings))


def test_a_pipeline_of_texts_has_stages_of_its_own() -> None:
    assert list(stages_of(load(CONF))) == ["generate", "texts", "train", "score", "report"]
