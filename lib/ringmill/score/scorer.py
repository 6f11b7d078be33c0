"""The scorer process: Arrow batches of measures or texts on stdin → what the model says of them on stdout.

Spark's Python workers are forked and must not import TensorFlow; each task speaks with one such process over pipes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyarrow as pa


def main(folder: str) -> None:
    """Answer every batch with one of as many rows, in order, until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what TensorFlow prints must not reach the pipe
    from ringmill.train.start import hide_unneeded

    hide_unneeded()
    from ringmill.score.model import Scorer
    from ringmill.score.texts import STATE, TextScorer

    kind = TextScorer if (Path(folder) / STATE).is_file() else Scorer
    scorer = kind.load(Path(folder))
    with pa.ipc.open_stream(sys.stdin.buffer) as batches, pa.ipc.new_stream(answers, scorer.schema) as writer:
        for batch in batches:
            writer.write_batch(scorer.answer(batch))
            answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
