"""The train split's sequences → the state that encodes them: what the categories are, and how numbers are scaled."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ringmill.config.sequences import Sequences
from ringmill.config.text import Sequence as SequenceEntry
from ringmill.errors import InputError
from ringmill.features.fit_sequences import fit_sequences
from ringmill.features.order_state import NUMBERS, OrderState
from ringmill.features.sequences import Sequence


def fit_orders(train: DataFrame, section: Sequences, *, where: str) -> OrderState:
    """Rows of `summarise_sequences`, of the train split's cutoffs → the state; two actions.

    Raises:
        InputError: the next orders are all of one category, or there is none.
    """
    counts = train.where(F.col("next_group").isNotNull()).groupBy("next_group").count()
    found = [(row["next_group"], row["count"]) for row in counts.orderBy(F.desc("count"), "next_group").collect()]
    kept, rest = found[: section.categories], found[section.categories :]
    if len(kept) + bool(rest) < 2:
        received = ", ".join(f"{count:,} of '{group}'" for group, count in found) or "none"
        expected = "next orders of at least 2 categories among the train split's rows"
        todo = "give more orders, other sequences.train_cutoffs or a longer sequences.code_characters"
        raise InputError.unfit(where, expected, received, todo)
    entry = SequenceEntry(
        kind="sequence",
        columns=NUMBERS,
        name="x",
        length=section.history,
        log1p=True,
        null=0.0,
        pad="start",
        mask=False,
    )
    ((part,),) = fit_sequences(train, [entry])
    if not isinstance(part, Sequence):
        raise TypeError(f"a sequence's part; received {part!r}")
    return OrderState(
        tuple(group for group, _ in kept), tuple(count for _, count in kept), sum(count for _, count in rest), part
    )
