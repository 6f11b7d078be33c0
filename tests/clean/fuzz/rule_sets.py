"""A seed → a configuration of cleaning that is allowed, with what it refers to."""

from __future__ import annotations

import random
from typing import Any

from clean.fuzz.conditions import Condition, begins, compared, some_condition
from clean.fuzz.judging import Setting
from ringmill.config.clean import Clean
from ringmill.config.columns import types_of
from ringmill.config.raw import Raw

# Seeds from 0 that every run of the tests takes: they reach all checks, fixes, statuses and reasons.
FIRST = 50
# Every line of a case has the case's name in this column of ours, and so in each key, group and unique rule.
CARRIER = "country"
COLUMNS = {
    "line_id": "Line",
    "order_id": "Invoice",
    "product_id": "Code",
    "description": "Words",
    "quantity": "Quantity",
    "unit_price": "Price",
    "customer_id": "Customer ID",
    "country": "Country",
    "ordered_at": "Date",
    "known_at": "Known",
}
EURO = {"decimal": ",", "thousands": ".", "currency": ["€", "EUR"]}
SWISS = {"thousands": "'", "currency": ["CHF"]}
SPACED = {"decimal": ",", "thousands": " "}
POUND = {"thousands": ",", "currency": ["£"]}
EXTRAS: dict[str, dict[str, Any]] = {
    "gift": {"column": "Gift", "type": "boolean", "true": ["yes", "1"], "false": ["No", "0"]},
    "weight": {"column": "Weight", "type": "double", "number": EURO},
    "points": {"column": "Points", "type": "bigint"},
    "note": {"column": "Note", "type": "string"},
    "sent": {"column": "Sent", "type": "date", "formats": ["dd/MM/yyyy", "yyyy-MM-dd"]},
    "seen": {"column": "Seen", "type": "timestamp"},
}
FORMATS: list[list[Any]] = [
    ["yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd HH:mm", "yyyy-MM-dd"],
    ["dd/MM/yyyy HH:mm", "MM/dd/yyyy HH:mm", "yyyy-MM-dd HH:mm:ss"],
    ["yyyy-MM-dd'T'HH:mm:ssXXX", {"format": "yyyy-MM-dd HH:mm:ss", "zone": "America/New_York"}, "yyyy-MM-dd"],
]
STEPS = ["whitespace", "nfc", "nfkc", "html", "lower", "upper", "punctuation", "stop_words"]
VALUES: dict[str, list[Any]] = {"bigint": [2, 3], "double": [1.25, 2.0]}


def setting_of(seed: int, *, by_file: bool | None = None) -> Setting:
    """The configuration of this seed; with `by_file` one where each file is a batch, or where none is."""
    rng = random.Random(seed)
    return _Draft(rng, rng.random() < 0.3 if by_file is None else by_file).setting()


class _Draft:
    def __init__(self, rng: random.Random, by_file: bool) -> None:
        self.rng, self.by_file = rng, by_file
        self.raw = self._raw()
        self.types = {name: kind for name, kind in types_of(self.raw).items() if name != CARRIER}
        self.texts = [name for name, kind in self.types.items() if kind == "string"]
        self.numbers = [name for name, kind in self.types.items() if kind in ("bigint", "double")]
        self.key = self._key()
        self.fixable = [name for name in (*self.texts, *self.numbers) if name not in self.key]
        self.fitted: dict[str, Any] = {}
        self.tables: dict[str, list[str | None]] = {}
        self.conditions: dict[str, Condition] = {}
        self.filled: set[str] = set()

    def setting(self) -> Setting:
        rng = self.rng
        cancels = rng.choice([begins("order_id", "C"), begins("order_id", "C"), compared("quantity", "<", 0)])
        self.conditions["clean.cancellation"] = cancels
        rules = [rule for place in range(rng.randint(2, 7)) if (rule := self._rule(f"rule_{place}"))]
        clean = {
            "cancellation": cancels.sql,
            "key": self.key,
            "keep": rng.choice(["first", "last", "most_complete"]),
            "rules": rules,
            "non_products": rng.choice([[], ["post", " M "]]),
            "non_product_pattern": rng.choice([None, "B.*|GIFT_[0-9]+"]),
            "late_after_days": rng.choice([None, 1.5, 0]),
        }
        zone = rng.choice(["UTC", "Europe/London", "America/New_York"])
        return Setting(self.raw, Clean.model_validate(clean), zone, self.fitted, self.tables, self.conditions)

    def _raw(self) -> Raw:
        rng = self.rng
        absent = {name for name in ("line_id", "description", "known_at") if rng.random() < 0.15}
        raw = {
            "path": "x",
            "columns": {ours: theirs for ours, theirs in COLUMNS.items() if ours not in absent},
            "number_formats": rng.choice([{}, {}, {"unit_price": EURO}, {"unit_price": POUND, "quantity": SWISS}])
            if rng.random() < 0.8
            else {"unit_price": SPACED},
            "extras": {
                name: {**EXTRAS[name], "unreadable": rng.choice(["reject", "flag"])}
                for name in rng.sample(sorted(EXTRAS), rng.choice([0, 0, 1, 3]))
            },
            "timestamp_formats": rng.choice(FORMATS),
            "batches": "files" if self.by_file else "whole",
            "drift": {"new": rng.choice(["ignore", "add"])},
        }
        return Raw.model_validate(raw)

    def _key(self) -> list[str]:
        of_key = [name for name in self.raw.columns if name not in (CARRIER, "description")]
        chosen = self.rng.choice([[], *(self.rng.sample(of_key, count) for count in (1, 1, 2))])
        return [*chosen, CARRIER] if chosen else []

    def _rule(self, name: str) -> dict[str, Any] | None:
        kinds = [self._required, self._bound, self._set, self._pattern, self._length, self._text, self._reference]
        kinds += [self._unique, self._condition, self._outlier, self._statistic, self._forward, self._bound]
        found = self.rng.choice(kinds)(name)
        return None if found is None else {"name": name} | found

    def _action(self) -> str:
        return self.rng.choice(["reject", "flag", "flag"])

    def _fixes(self, column: str) -> bool:
        return column in self.fixable and self.rng.random() < 0.5

    def _constant(self, column: str) -> Any:
        kind = self.types[column]
        return {"bigint": 2, "double": 1.5}.get(kind, "?")

    def _required(self, name: str) -> dict[str, Any]:
        column = self.rng.choice(sorted(self.types))
        if self._fixes(column):
            return {"action": "fix", "column": column, "required": True, "constant": self._constant(column)}
        return {"action": self._action(), "column": column, "required": True}

    def _bound(self, name: str) -> dict[str, Any]:
        column = self.rng.choice(self.numbers)
        low, high = self.rng.choice([(1, 3), (0.5, None), (None, 2), (2, 2), (-1.5, 1.5)])
        bounds = {"column": column, "minimum": low, "maximum": high}
        if self._fixes(column):
            return bounds | {"action": "fix"}
        return bounds | {"action": self._action()}

    def _checked(self, column: str, check: dict[str, Any]) -> dict[str, Any]:
        if self._fixes(column):
            return {"action": "fix", "column": column, "constant": self._constant(column)} | check
        return {"action": self._action(), "column": column} | check

    def _set(self, name: str) -> dict[str, Any]:
        column = self.rng.choice([*self.texts, "quantity"])
        return self._checked(column, {self.rng.choice(["allowed", "forbidden"]): ["1", "a", " B", "7", "c1"]})

    def _pattern(self, name: str) -> dict[str, Any]:
        column = self.rng.choice([*self.texts, "quantity"])
        return self._checked(column, {"pattern": self.rng.choice(["[0-9]+", "A|B", "C?[0-9]|.", "-?[12]"])})

    def _length(self, name: str) -> dict[str, Any]:
        low, high = self.rng.choice([(1, 1), (2, None), (None, 2), (None, 0)])
        bounds = {key: value for key, value in (("min_length", low), ("max_length", high)) if value is not None}
        return self._checked(self.rng.choice(self.texts), bounds)

    def _text(self, name: str) -> dict[str, Any]:
        column = "description" if "description" in self.texts else self.rng.choice(self.texts)
        steps = self.rng.sample(STEPS, self.rng.randint(1, 3))
        check: dict[str, Any] = {"column": column, "text": steps}
        if "stop_words" in steps:
            check["stop_words"] = ["the", "OF"]
        return check | {"action": "fix" if self._fixes(column) else self._action()}

    def _reference(self, name: str) -> dict[str, Any]:
        self.tables[name] = self.rng.sample(["1", "1.0", " a", "B", None, "", "7", "c1", "A"], 5)
        reference = {"path": "x", "column": "Value"}
        return {"action": self._action(), "column": self.rng.choice(self.texts), "references": reference}

    def _unique(self, name: str) -> dict[str, Any]:
        columns = self.rng.sample(sorted(self.types), self.rng.choice([1, 2, 2]))
        return {"action": self._action(), "unique": [*columns, CARRIER]}

    def _condition(self, name: str) -> dict[str, Any]:
        types = self.types | {"line_total": "double", "is_cancellation": "boolean", "is_product": "boolean"}
        condition = some_condition(self.rng, types)
        self.conditions[name] = condition
        return {"action": self._action(), "violated_when": condition.sql}

    def _group(self, column: str) -> list[str]:
        others = [each for each in ("product_id", "order_id", "customer_id") if each != column]
        return self.rng.choice([[], self.rng.sample(others, 1), others[:2]])

    def _groups(self, column: str, values: list[Any]) -> tuple[list[str], list[Any]]:
        """A group and fitted values by it; some groups have none."""
        group = self._group(column)
        if not group:
            return group, [[[], self.rng.choice(values)]]
        found = {tuple(self.rng.choice(["A", "B", "1", "7", None]) for _ in group) for _ in range(6)}
        return group, [[list(of), self.rng.choice(values)] for of in sorted(found, key=repr)]

    def _outlier(self, name: str) -> dict[str, Any]:
        column = self.rng.choice(self.numbers)
        whole = self.types[column] == "bigint"
        group, groups = self._groups(column, [[1, 2], [0, 3], None] if whole else [[1.25, 2.0], [0.0, 1.75], None])
        self.fitted[name] = {"groups": groups}
        action = "fix" if self._fixes(column) else self._action()
        return {"action": action, "column": column, "outlier": {"by": "iqr"}, "group": group}

    def _statistic(self, name: str) -> dict[str, Any] | None:
        column = self.rng.choice([*self.texts, *self.numbers])
        if column not in self.fixable:
            return None
        kind = self.types[column]
        fill = self.rng.choice(["mean", "median", "mode"]) if column in self.numbers else "mode"
        group, groups = self._groups(column, [*VALUES.get(kind, ["A", "7"]), None])
        self.fitted[name] = {"groups": groups}
        return {"action": "fix", "column": column, "required": True, "fill": fill, "group": group}

    def _forward(self, name: str) -> dict[str, Any] | None:
        column = self.rng.choice([*self.texts, *self.numbers])
        if self.by_file or column not in self.fixable or column in self.filled:
            return None
        self.filled.add(column)
        group = [CARRIER, *self._group(column)]
        return {"action": "fix", "column": column, "required": True, "fill": "forward", "group": group}
