"""Gates → verdicts: a batch's figures beside their bounds, and beside those of the batches before it. No Spark here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import median
from typing import Any

from ringmill.config.gates import OF_COLUMNS, Gate
from ringmill.config.rules import OWN_MARKS

_NEVER = datetime.max


@dataclass(frozen=True)
class Figures:
    """What gates may ask of one batch: its counts, the rows of `quality/runs` and of `quality/rules` by name."""

    batch: str
    middle_known_at: datetime | None
    columns: Mapping[str, Mapping[str, Any]]
    marks: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of_rows(cls, runs: Sequence[Mapping[str, Any]], rules: Sequence[Mapping[str, Any]]) -> list[Figures]:
        """Rows of both tables → one `Figures` per batch, in the order of their known times."""
        profiles, counts = _by_batch(runs), _by_batch(rules)
        found = []
        for batch, marks in counts.items():
            columns = profiles.get(batch, {})
            middle = next((row["middle_known_at"] for row in columns.values()), None)
            found.append(cls(batch, middle.replace(tzinfo=None) if middle else None, columns, marks))
        return sorted(found, key=Figures.order)

    def order(self) -> tuple[datetime, str]:
        """By known time, then by name: never by arrival."""
        return (self.middle_known_at or _NEVER, self.batch)


@dataclass(frozen=True)
class Verdict:
    """One gate of one batch: its figure, the bounds in the figure's unit, and whether they hold.

    `value` is None where the batch has no such figure (the column holds no value): then the gate does not hold.
    """

    batch: str
    subject: str
    value: float | None
    at_least: float | None
    at_most: float | None
    passed: bool
    note: str = ""

    @property
    def expected(self) -> str:
        bounds = [f"{word} {figure(self.subject, bound)}" for word, bound in self._bounds() if bound is not None]
        return f"{self.subject} of batch {self.batch} {' and '.join(bounds)}{f' ({self.note})' if self.note else ''}"

    @property
    def received(self) -> str:
        return f"{self.subject} {'none' if self.value is None else figure(self.subject, self.value)}"

    def plain(self) -> dict[str, Any]:
        """For the ledger."""
        return asdict(self)

    def _bounds(self) -> tuple[tuple[str, float | None], ...]:
        return (("at least", self.at_least), ("at most", self.at_most))


def _by_batch(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Mapping[str, Any]]]:
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["source_batch"], {})[row["name"]] = row
    return found


def judge(gates: Sequence[Gate], batch: Figures, earlier: Sequence[Figures]) -> list[Verdict]:
    """One verdict per gate; `earlier` are other batches, of which those before this one in known time count."""
    before = sorted((of for of in earlier if of.order() < batch.order()), key=Figures.order)
    return [_judged(gate, batch, before) for gate in gates]


def figure(subject: str, value: float) -> str:
    """A figure as a person reads it: shares in per cent, whole numbers with their thousands."""
    if "_share" in subject:
        return f"{value:.2%}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


def _judged(gate: Gate, batch: Figures, before: Sequence[Figures]) -> Verdict:
    value = _value(gate, batch)
    factor, note = 1.0, ""
    if gate.of_median_of_last is not None:
        known = [found for of in before if (found := _value(gate, of)) is not None][-gate.of_median_of_last :]
        if not known:
            return Verdict(batch.batch, gate.subject, value, None, None, True, "no earlier batch to compare with")
        factor = median(known)
        note = f"the median of the last {len(known)} is {figure(gate.subject, factor)}"
    low, high = (None if bound is None else bound * factor for bound in (gate.at_least, gate.at_most))
    if factor < 0:
        # Twice a negative median lies below it: as shares of the median the bounds hold the other way round.
        low, high = high, low
    passed = value is not None and (low is None or value >= low) and (high is None or value <= high)
    return Verdict(batch.batch, gate.subject, value, low, high, passed, note)


def _value(gate: Gate, of: Figures) -> float | None:
    if gate.metric == "rows":
        # Every line has a status; a rule is tried on some of them.
        return float(of.marks["clean"]["tried"]) if "clean" in of.marks else None
    if gate.metric in OF_COLUMNS:
        column = of.columns.get(str(gate.column))
        if column is None:
            return None
        if gate.metric == "missing_share":
            return float(column["missing"] / column["rows"]) if column["rows"] else None
        found = column[gate.metric]
        return None if found is None else float(found)
    name = gate.rule or ("unreadable" if gate.metric == "unreadable_share" else gate.metric.removesuffix("_share"))
    if (mark := of.marks.get(name)) is not None:
        return float(mark["share"])
    # What cleaning says by itself is counted where it occurs; of a rule that was not there then, nothing is known.
    is_own = name in OWN_MARKS or name.startswith("unreadable_")
    return 0.0 if is_own and of.marks else None
