"""Guesses and typed evidence → the text of a pipeline's YAML; behind each proposal its evidence, as a comment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ringmill.clean.evidence import Evidence
from ringmill.clean.suggest import Guess, guess_pattern

TEXTS = ("order_id", "product_id", "description", "customer_id", "country")
IDS = ("line_id", "order_id", "product_id", "customer_id")
# A set is proposed for so few values that each occurs often.
MOST_ALLOWED, LINES_PER_VALUE = 50, 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def raw_lines(
    path: str,
    form: str,
    delimiter: str,
    guesses: Mapping[str, Guess],
    formats: list[tuple[str, str]],
    numbers: Mapping[str, tuple[dict[str, Any], str]],
) -> Iterator[str]:
    """The section `raw`."""
    yield "raw:"
    yield f"  path: {_quoted(path)}"
    yield f"  format: {form}"
    if delimiter != ",":
        yield f"  delimiter: {_quoted(delimiter)}"
    yield "  columns: # our name: the name in the input"
    for ours, guess in guesses.items():
        yield f"    {ours}: {_quoted(guess.theirs)} # {guess.why}"
    yield "  timestamp_formats: # Java's letters, tried in this order"
    for letters, why in formats:
        yield f"    - {_quoted(letters)} # {why}"
    if numbers:
        yield "  number_formats:"
        for ours, (found, why) in numbers.items():
            yield f"    {ours}: {json.dumps(found, ensure_ascii=False)} # {why}"


def clean_lines(
    guesses: Mapping[str, Guess], evidence: Mapping[str, Evidence], values: Mapping[str, Any]
) -> Iterator[str]:
    """The section `clean`. What is not certain flags; nothing proposed here rejects a line of this input."""
    yield "clean:"
    yield from _cancellation(values)
    line_id = evidence[guesses["line_id"].theirs] if "line_id" in guesses else None
    if line_id and line_id.count and line_id.distinct >= 0.9 * line_id.count:
        yield f"  key: [line_id] # about {line_id.distinct:,} distinct ids on {line_id.count:,} lines (estimated)"
    yield "  rules:"
    for ours in TEXTS:
        if ours in guesses:
            yield from _text_rules(ours, evidence[guesses[ours].theirs])
    for ours in ("quantity", "unit_price"):
        yield from _range(ours, values)
    if values["free"]:
        yield f"    - name: free_of_charge # {_part(values['free'], values['lines'])} of the lines cost nothing"
        yield "      action: flag"
        yield "      violated_when: unit_price = 0"
    yield "  gates: # what must hold before a batch is published"
    yield f"    - {{metric: rows, at_least: 0.5, of_median_of_last: 7}} # this input has {values['lines']:,} lines"


def feature_lines(values: Mapping[str, Any]) -> Iterator[str]:
    """The section `features`, with a cutoff that has most lines before it."""
    first, cutoff, last = (_EPOCH + timedelta(microseconds=of) for of in values["days"])
    yield "features:"
    why = f"70 % of the lines lie before; they run from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    yield f"  train_cutoffs: [{cutoff:%Y-%m-%d}] # {why}"


def _cancellation(values: Mapping[str, Any]) -> Iterator[str]:
    """A prefix of order ids that only lines with a negative quantity have."""
    negative = values["negative"]
    every = {each["item"]: each["count"] for each in values["all_prefixes"]}
    for each in values["prefixes"]:
        if each["item"] and each["count"] >= 0.3 * negative and each["count"] >= 0.9 * every.get(each["item"], 0):
            of_all = every[each["item"]]
            why = f"{each['count']:,} of {negative:,} lines with a negative quantity begin so, of {of_all:,} in all"
            yield f"""  cancellation: "order_id LIKE '{each["item"]}%'" # {why}"""
            return
    why = f"{negative:,} lines have a negative quantity, and no prefix tells them"
    yield f"  cancellation: quantity < 0 # {why}"


def _text_rules(ours: str, of: Evidence) -> Iterator[str]:
    missing = of.lines - of.count
    yield f"    - name: missing_{ours} # {_part(missing, of.lines)} of the lines have none"
    if missing:
        yield "      action: flag"
    yield f"      column: {ours}"
    yield "      required: true"
    if ours in IDS and (found := guess_pattern(of)):
        yield f"    - name: odd_{ours} # {found[1]} have this shape"
        yield "      action: flag"
        yield f"      column: {ours}"
        yield f"      pattern: {_quoted(found[0])}"
    is_small = len(of.values) <= MOST_ALLOWED and sum(of.values.values()) == of.count
    if ours not in IDS and of.count and is_small and of.count >= LINES_PER_VALUE * len(of.values):
        rare = min(of.values.values())
        yield f"    - name: unknown_{ours} # {len(of.values)} values on {of.count:,} lines; the rarest has {rare:,}"
        yield "      action: flag"
        yield f"      column: {ours}"
        yield f"      allowed: {json.dumps(sorted(of.values), ensure_ascii=False)}"


def _range(ours: str, values: Mapping[str, Any]) -> Iterator[str]:
    if not values[f"{ours}_count"]:
        return
    low, high = values[f"{ours}_bounds"]
    lowest, highest = values[f"{ours}_minimum"], values[f"{ours}_maximum"]
    why = f"99.8 % of {values[f'{ours}_count']:,} values; they run from {lowest:,} to {highest:,}"
    yield f"    - name: far_off_{ours} # {why}"
    yield "      action: flag"
    yield f"      column: {ours}"
    yield f"      minimum: {low}"
    yield f"      maximum: {high}"
    if ours == "unit_price" and lowest >= 0:
        yield "    - name: negative_price # no line has one"
        yield "      column: unit_price"
        yield "      minimum: 0"


def _part(lines: int, of: int) -> str:
    return f"{lines:,} of {of:,} ({lines / of:.2%})" if of else "0"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
