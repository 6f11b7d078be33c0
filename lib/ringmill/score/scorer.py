"""The scorer process: Arrow batches of measures on stdin → probability and expected spend on stdout.

Spark's Python workers are forked and must not import TensorFlow; each task speaks with one such process over pipes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyarrow as pa

from ringmill.score.batches import SCORES


def main(folder: str) -> None:
    """Answer every batch with one of as many rows, in order, until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what TensorFlow prints must not reach the pipe
    from ringmill.train.start import hide_unneeded

    hide_unneeded()
    from ringmill.score.model import Scorer

    scorer = Scorer.load(Path(folder))
    with pa.ipc.open_stream(sys.stdin.buffer) as batches, pa.ipc.new_stream(answers, SCORES) as writer:
        for batch in batches:
            probability, spend = scorer.score(batch)
            writer.write_batch(pa.record_batch([pa.array(probability), pa.array(spend)], schema=SCORES))
            answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
