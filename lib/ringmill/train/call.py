"""A function of one's own on every rank: what it returns comes back as data, from rank 0 on.

The counterpart of `horovod.spark.run`, without pickles: the function is named, not sent, and arguments and results are
JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ringmill.train.run import Launcher

TEN_DAYS = 864_000.0


def call(
    function: str,
    launcher: Launcher,
    *,
    ranks: int,
    folder: str | Path,
    arguments: Mapping[str, Any] | None = None,
    stall_seconds: float = TEN_DAYS,
) -> list[Any]:
    """Run `function`, 'module:name', on `ranks` ranks; what each returned, in the order of ranks.

    It is called as name(join, **arguments), where `join()` enters the ring and returns it (`train.ranks.Ring`); a
    function that never joins pays for no TensorFlow. A rank that is stopped, or that does not move in the ring for
    `stall_seconds`, is ended. `folder` must be the same path on every host.

    Raises:
        TrainingError: the ranks could not start, or one of them failed.
    """
    from ringmill.train.launch.process import Launch

    launcher.check(ranks)
    home = Path(folder).absolute()
    home.mkdir(parents=True, exist_ok=True)
    task = json.dumps({"function": function, "arguments": dict(arguments or {})}).encode()
    (home / "spec.json").write_bytes(task)
    spec_hash = hashlib.sha256(task).hexdigest()
    launch = Launch(home / "spec.json", ranks, spec_hash, bytes_per_rank=0, stall_seconds=stall_seconds)
    launcher.launch(launch)
    return [json.loads(result_path(home, rank).read_text(encoding="utf-8")) for rank in range(ranks)]


def result_path(folder: Path, rank: int) -> Path:
    """Where a rank leaves what its function returned."""
    return folder / f"result-{rank}.json"
