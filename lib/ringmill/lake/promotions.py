"""Which model of a name is current: the ledger's last published row of 'promote'.

One row is one Delta commit, so the pointer is atomic on every file system and keeps who moved it, when, from and to.
`models/<name>/current` repeats it on a local warehouse, for programs that do not read the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ringmill.lake.key import code_hash
from ringmill.lake.ledger import Entry, Ledger

STAGE = "promote"


@dataclass(frozen=True)
class Promotions:
    """The models of one name, `models/<name>`."""

    ledger: Ledger
    name: str

    @classmethod
    def of(cls, ledger: Ledger, model: str) -> Promotions:
        """Of a model's path under the warehouse, models/<name>/<run>."""
        return cls(ledger, model.rpartition("/")[0].rpartition("/")[2])

    @property
    def lock(self) -> str:
        """Who decides of models of this name holds it."""
        return f"{STAGE}.{self.name}"

    @property
    def folder(self) -> str:
        return f"models/{self.name}"

    def path(self, run_id: str) -> str:
        """Of a run's model, under the warehouse."""
        return f"{self.folder}/{run_id}"

    def rows(self) -> list[Entry]:
        """What was decided of models of this name, oldest first: outcome published, kept (not current) or failed."""
        return [row for row in self.ledger.entries() if row.stage == STAGE and row.detail.get("name") == self.name]

    def line(self) -> list[str]:
        """The runs that were current one after another, those rolled back taken out; the last is current."""
        line: list[str] = []
        for row in self.rows():
            if row.outcome == "published":
                line = line[:-1] if row.detail["how"] == "rollback" else [*line, row.detail["to"]]
        return line

    def current(self) -> str | None:
        """The run whose model is current; None before the first."""
        line = self.line()
        return line[-1] if line else None

    def is_settled(self, run_id: str) -> bool:
        """Whether it has been decided what becomes of a run's model; a stop decides nothing."""
        model = self.path(run_id)
        return any(row.inputs.get("model") == model and row.outcome in ("published", "kept") for row in self.rows())

    def record(
        self,
        run_id: str,
        *,
        by: str,
        pipeline: str,
        how: str,
        outcome: str,
        configuration: Mapping[str, Any],
        detail: Mapping[str, Any],
        clock: float,
    ) -> Entry:
        """Add the row that decides of a run's model; `by` is the run that decides, `how` gate, hand or rollback."""
        before = self.current()
        to = run_id if outcome == "published" else before
        entry = Entry(
            run_id=by,
            pipeline=pipeline,
            stage=STAGE,
            outcome=outcome,
            key="",
            code=code_hash("ringmill.lake.promotions", "ringmill.train.compare"),
            configuration=configuration,
            inputs={"model": self.path(run_id)},
            outputs={f"{self.folder}/current": run_id} if outcome == "published" else {},  # type: ignore[dict-item]
            detail={"name": self.name, "how": how, "from": before, "to": to, **detail},
            started_at=datetime.now(UTC),
            seconds=time.monotonic() - clock,
        )
        self.ledger.append(entry)
        self.repeat()
        return entry

    def repeat(self) -> None:
        """Bring models/<name>/current up to date, by an atomic rename; nothing on a file system that has none."""
        current, root = self.current(), self.ledger.lake.root
        if current is None or "://" in root:
            return
        file = Path(root) / self.folder / "current"
        if file.is_file() and file.read_text(encoding="utf-8") == f"{current}\n":
            return
        pending = file.with_suffix(".pending")
        pending.write_text(f"{current}\n", encoding="utf-8")
        pending.replace(file)
