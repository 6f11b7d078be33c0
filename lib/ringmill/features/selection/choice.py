"""The outcome of a selection step: plain data that is frozen with the state, and its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Judged:
    """One column of x. `score` and `p_value` are null where the step has none, or none for this column.

    `rank`: 1 is best; among equals the first in x is better. `reason`: why it is kept, or dropped.
    """

    feature: str
    score: float | None
    p_value: float | None
    rank: int
    kept: bool
    reason: str


@dataclass(frozen=True)
class Choice:
    """One step's judgement of each column that it looked at, best first; `score` says what the scores are, on what."""

    kind: ClassVar[str] = "choice"
    step: str
    score: str
    judged: tuple[Judged, ...]

    @property
    def kept(self) -> tuple[str, ...]:
        return tuple(line.feature for line in self.judged if line.kept)

    @property
    def dropped(self) -> tuple[str, ...]:
        return tuple(line.feature for line in self.judged if not line.kept)

    def apply(self, names: Sequence[str]) -> tuple[str, ...]:
        """Columns of x → those of them that were not dropped, in the order they had."""
        gone = set(self.dropped)
        return tuple(name for name in names if name not in gone)

    def table(self) -> str:
        """For people: a line for each column, best first."""
        head = ("feature", "score", "p-value", "rank", "", "reason")
        rows = [
            (
                line.feature,
                "–" if line.score is None else f"{line.score:.6g}",
                "–" if line.p_value is None else f"{line.p_value:.3g}",
                str(line.rank),
                "kept" if line.kept else "dropped",
                line.reason,
            )
            for line in self.judged
        ]
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = [
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)
        ]
        counts = f"{self.step}: {len(self.kept)} of {len(self.judged)} columns kept, by {self.score}"
        return "\n".join([counts, *(line.rstrip() for line in lines)])

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, **asdict(self)}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Choice:
        return cls(tree["step"], tree["score"], tuple(Judged(**line) for line in tree["judged"]))
