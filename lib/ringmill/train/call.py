"""A function of one's own on every rank: what it returns comes back as data, from rank 0 on.

The counterpart of `horovod.spark.run`, without pickles: the function is named, not sent, and arguments and results are
JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ringmill.train.run import Launcher


def call(
    function: str,
    launcher: Launcher,
    *,
    ranks: int,
    folder: str | Path,
    arguments: Mapping[str, Any] | None = None,
) -> list[Any]:
    """Run `function`, 'module:name', on `ranks` ranks; what each returned, in the order of ranks.

    It is called as name(join, **arguments), where `join()` enters the ring and returns it (`train.ranks.Ring`); a
    function that never joins pays for no TensorFlow. `folder` must be the same path on every host.

    Raises:
        TrainingError: the ranks could not start, or one of them failed.
    """
    launcher.check(ranks)
    home = Path(folder).absolute()
    home.mkdir(parents=True, exist_ok=True)
    spec = home / "spec.json"
    spec.write_text(json.dumps({"function": function, "arguments": dict(arguments or {})}), encoding="utf-8")
    launcher.launch(spec, folder=home, ranks=ranks)
    return [json.loads(result_path(home, rank).read_text(encoding="utf-8")) for rank in range(ranks)]


def result_path(folder: Path, rank: int) -> Path:
    """Where a rank leaves what its function returned."""
    return folder / f"result-{rank}.json"
