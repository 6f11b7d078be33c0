"""A command that runs stages, from its YAML to its last line: one JSON object on standard output, for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ringmill.errors import RingmillError, UnforeseenError
from ringmill.errors.runs import interrupted

INTERRUPTED = 130


@dataclass
class Outcome:
    """What is known of a run so far: without an id it did not begin."""

    run_id: str | None = None
    pipeline: str | None = None
    stages: dict[str, str] = field(default_factory=dict)

    def line(self, status: int, error: RingmillError | None = None) -> str:
        """As JSON: run, pipeline, status, each stage's outcome and, where it failed, the error's parts."""
        said: dict[str, Any] = {
            "run_id": self.run_id,
            "pipeline": self.pipeline,
            "exit_status": status,
            "stages": self.stages,
        }
        return json.dumps(said | ({"error": error.parts()} if error else {}))


@contextmanager
def last_line() -> Iterator[Outcome]:
    """Print the line when what is within ends, however it does; errors go on to who shows them to people."""
    outcome = Outcome()
    try:
        yield outcome
    except RingmillError as error:
        print(outcome.line(error.exit_status, error), flush=True)
        raise
    except KeyboardInterrupt:
        print(outcome.line(INTERRUPTED, interrupted()), flush=True)
        raise
    except Exception as error:
        unforeseen = UnforeseenError.of(error, "standard error")
        print(outcome.line(unforeseen.exit_status, unforeseen), flush=True)
        raise
    print(outcome.line(0), flush=True)


def run_command(
    conf: Path,
    names: Sequence[str] | None = None,
    *,
    raw: str | None = None,
    warehouse: str | None = None,
    settings: Iterable[str] = (),
    run_id: str | None = None,
) -> None:
    """Run the named stages of a YAML's pipeline, or all where none is named."""
    with last_line() as outcome:
        # Spark's and Arrow's libraries take seconds, in which the command may be interrupted.
        from ringmill.pipeline.run import configured, run_all, run_stages

        config = configured(conf, raw=raw, warehouse=warehouse, settings=settings)
        if names is None:
            run_all(config, run_id=run_id, outcome=outcome)
        else:
            run_stages(config, names, run_id=run_id, outcome=outcome)
