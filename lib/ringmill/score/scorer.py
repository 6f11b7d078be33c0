"""The scorer process: Arrow batches of measures, texts, images or orders on stdin → what the model says, on stdout.

Spark's Python workers are forked and must not import TensorFlow; each task speaks with one such process over pipes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pyarrow as pa


class Scoring(Protocol):
    """A model that answers."""

    @property
    def schema(self) -> pa.Schema:
        """Of what is answered."""

    def answer(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A batch of as many rows."""


def main(folder: str) -> None:
    """Answer every batch with one of as many rows, in order, until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what TensorFlow prints must not reach the pipe
    from ringmill.train.start import hide_unneeded

    hide_unneeded()
    from ringmill.score.images import STATE as IMAGES
    from ringmill.score.images import ImageScorer
    from ringmill.score.model import Scorer
    from ringmill.score.next_orders import STATE as ORDERS
    from ringmill.score.next_orders import OrderScorer
    from ringmill.score.texts import STATE as TEXTS
    from ringmill.score.texts import TextScorer

    kinds: dict[str, Callable[[Path], Scoring]] = {
        TEXTS: TextScorer.load,
        IMAGES: ImageScorer.load,
        ORDERS: OrderScorer.load,
    }
    load = next((kinds[name] for name in kinds if (Path(folder) / name).is_file()), Scorer.load)
    scorer = load(Path(folder))
    with pa.ipc.open_stream(sys.stdin.buffer) as batches, pa.ipc.new_stream(answers, scorer.schema) as writer:
        for batch in batches:
            writer.write_batch(scorer.answer(batch))
            answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
