"""Clean texts of the train split → the frozen state: their vocabulary and their classes."""

from __future__ import annotations

from pyspark.sql import DataFrame

from ringmill.config.texts import Texts
from ringmill.errors import InputError
from ringmill.features.fit import fit
from ringmill.features.text.state import TextState

WHERE = "the train split of the texts"
# More look like names of rows; the task refuses them with its own words.
MOST_CLASSES = 100_000


def fit_texts(texts: DataFrame, section: Texts) -> TextState:
    """Rows with text, label and split → what training and scoring need; only those of the train split are read.

    Raises:
        InputError: no text is in the train split, or more than 100,000 classes.
    """
    train = texts.where("split = 'train'")
    found = train.groupBy("label").count().limit(MOST_CLASSES + 1).collect()
    if not found:
        todo = "give more texts with labels, or other shares; features/<name> holds why lines were rejected"
        raise InputError.unfit(WHERE, "at least one text with a label", "none", todo)
    if len(found) > MOST_CLASSES:
        todo = "check which column holds the labels: they seem to be names of texts"
        raise InputError.unfit(WHERE, f"at most {MOST_CLASSES:,} classes", "more", todo)
    tokens = fit(train.select("text"), [section.tokens], columns=["text"])
    return TextState(section.cleaning, tokens, tuple(sorted(row["label"] for row in found)))
