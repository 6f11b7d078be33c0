"""What is followed of a run while it writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ringmill.train.progress import append, following


def test_lines_are_handed_on_in_their_order_and_half_a_line_of_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    path, seen = tmp_path / "progress.jsonl", list[Mapping[str, Any]]()
    path.touch()
    with following(path, seen.append):
        append(path, {"event": "epoch", "epoch": 1})
        with path.open("a", encoding="utf-8") as file:
            file.write('{"event": "epo')  # and no room for the rest
        append(path, {"event": "retry"})
        append(path, {"event": "epoch", "epoch": 2})
    assert [line.get("epoch") for line in seen] == [1, 2]
