"""Batches of rows → scored batches, through one scorer process per Spark task; runs in Spark's Python workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ringmill.errors import ScoringError

# What a scorer answers: of customers, of texts or images, and of sequences of orders.
SCORES = pa.schema([("buy_probability", pa.float64()), ("expected_spend", pa.float64())])
CLASS_SCORES = pa.schema([("predicted", pa.string()), ("probabilities", pa.list_(pa.float64()))])
ORDER_SCORES = pa.schema(
    [
        ("order_probability", pa.float64()),
        ("category", pa.string()),
        ("category_probability", pa.float64()),
        ("probabilities", pa.list_(pa.float64())),
        ("expected_days", pa.float64()),
    ]
)
TAIL_BYTES = 2_000


def scored(
    model_folder: str, log_folder: str, *, keys: Sequence[str], answer: pa.Schema
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A function for `mapInArrow`: (keys…, what the model reads…) → (keys…, the columns of `answer`).

    A batch that comes back with another number of rows is an error.

    Raises:
        ScoringError: the scorer process ended, or answered with another number of rows.
    """

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        process: _Process | None = None
        try:
            for batch in batches:
                if batch.num_rows == 0:
                    continue
                process = process or _Process(
                    model_folder, Path(log_folder) / f"scorer-{os.getpid()}.log", batch.schema
                )
                columns = [batch.column(name) for name in keys] + process.ask(batch).columns
                yield pa.record_batch(columns, names=[*keys, *answer.names])
        finally:
            if process is not None:
                process.close()

    return score


class _Process:
    """One scorer with its two pipes; it is started at a task's first batch."""

    def __init__(self, model_folder: str, log: Path, schema: pa.Schema) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        command = [sys.executable, "-m", "ringmill.score.scorer", model_folder]
        with log.open("wb") as errors:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=_environment()
            )
        self._questions = pa.ipc.new_stream(self._process.stdin, schema)
        self._answers: Any = None

    def ask(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        try:
            self._questions.write_batch(batch)
            if self._process.stdin is not None:
                self._process.stdin.flush()
            if self._answers is None:
                self._answers = pa.ipc.open_stream(self._process.stdout)
            answer = self._answers.read_next_batch()
        except (OSError, pa.ArrowInvalid, StopIteration) as error:
            raise ScoringError.scorer_failed(str(self._log), self._tail() or str(error)) from error
        if answer.num_rows != batch.num_rows:
            received = f"{answer.num_rows} rows for {batch.num_rows}"
            raise ScoringError.scorer_failed(str(self._log), received)
        return answer

    def close(self) -> None:
        """Let the scorer end by itself at the end of its input; if it does not, end it."""
        try:
            self._questions.close()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.wait(timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()

    def _tail(self) -> str:
        self._process.kill()
        self._process.wait()
        return self._log.read_bytes()[-TAIL_BYTES:].decode(errors="replace").strip()


def _environment() -> dict[str, str]:
    # One thread per scorer: Spark already runs one task per core.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    return {
        **os.environ,
        **threads,
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "CUDA_VISIBLE_DEVICES": "",
    }
