"""Rows of quality/runs and quality/rules → the page's section on quality: columns, rules, gates, a trend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup

from ringmill.report.figures import COLOURS, fragment
from ringmill.report.page import Block, Grid, Section
from ringmill.report.sections import share, whole

Rows = Sequence[Mapping[str, Any]]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WIDTH, HEIGHT = 96, 24
SHORT = 24


def quality(columns: Rows, rules: Rows, gates: Rows, batches: Sequence[str]) -> Section:
    """Columns of one batch or of the merge of several; rules and statuses of every batch; `batches` in known order."""
    of_what = f"batch {batches[0]}" if len(batches) == 1 else f"{len(batches)} batches, merged from their states"
    words = (
        f"All lines that could be parsed of {of_what}, whatever became of them. Texts are measured by their length; "
        "the histogram runs from the 1 % to the 99 % quantile, its outer bars hold what lies beyond. "
        f"{_bounds(columns)}"
    )
    blocks = [Block(words, "Columns", _columns(columns))]
    blocks.append(Block("Examples are the lines with the lowest hashes.", "Rules", _rules(rules)))
    if gates:
        blocks.append(Block("Checked before anything was published.", "Gates", _gates(gates)))
    if len(batches) > 1:
        text = "Each batch in the order of its known times."
        blocks.append(Block(text, "Batch by batch", figure=_trend(rules, batches)))
    return Section("Quality", blocks, "quality")


def histogram(shares: Sequence[float] | None) -> str:
    """Bars of an inline SVG; nothing where all values are one."""
    if not shares:
        return ""
    highest, step = max(shares), WIDTH / len(shares)
    bars = "".join(
        f'<rect x="{place * step:.1f}" y="{HEIGHT * (1 - part / highest):.1f}" width="{step - 1:.1f}" '
        f'height="{HEIGHT * part / highest:.1f}"/>'
        for place, part in enumerate(shares)
    )
    label = ", ".join(f"{part:.0%}" for part in shares)
    return Markup(
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{label}" fill="{COLOURS[0]}">{bars}</svg>'
    )


def _columns(columns: Rows) -> Grid:
    numbers = ("missing", "distinct", "min", "median", "max", "mean ± deviation")
    rows = [
        [
            f"{row['name']} ({'length' if row['kind'] == 'text' else row['kind']})",
            share(row["missing"], row["rows"]),
            whole(row["distinct"]),
            _value(row, row["minimum"]),
            _value(row, row["quantiles"][3] if row["quantiles"] else None),
            _value(row, row["maximum"]),
            "–" if row["mean"] is None else f"{_value(row, row['mean'])} ± {_value(row, row['deviation'])}",
            histogram(row["shares"]),
            _top(row),
        ]
        for row in columns
    ]
    return Grid(("column", *numbers, "spread", "most frequent"), rows, numbers)


def _bounds(columns: Rows) -> str:
    """How far the estimates may be off, in words."""
    rank, distinct = (max((row[name] for row in columns), default=0.0) for name in ("rank_error", "distinct_error"))
    return (
        f"Distinct values are estimated, with a standard error of {distinct:.1%}; the rank of a median or of a bar's "
        f"edge is right to within {rank:.1%}, with confidence 99 %. Counts, min, max, mean and deviation are exact."
    )


def _value(row: Mapping[str, Any], value: float | None) -> str:
    if value is None:
        return "–"
    if row["kind"] == "instant":
        return f"{_EPOCH + timedelta(microseconds=value):%Y-%m-%d}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def _top(row: Mapping[str, Any]) -> str:
    found = row["top"] or []
    listed = ", ".join(f"{_short(each['value'])} {share(each['rows'], row['rows'])}" for each in found[:3])
    return f"{listed} (at most {row['top_error'] / row['rows']:.2%} too high)" if found and row["top_error"] else listed


def _short(text: str) -> str:
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


def _rules(rules: Rows) -> Grid:
    """Sums over the batches; examples of the last one that has some."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: {"tried": 0, "failed": 0, "fixed": 0})
    actions, examples = {}, {}
    for row in rules:
        if row["kind"] == "status":
            continue
        for name in ("tried", "failed", "fixed"):
            sums[row["name"]][name] += row[name]
        actions[row["name"]] = row["action"]
        if row["examples"]:
            examples[row["name"]] = "; ".join(f"{each['shown']} ({each['source_file']})" for each in row["examples"])
    numbers = ("tried", "failed", "fixed", "share")
    table = [
        [
            name.replace("_", " "),
            actions[name],
            whole(of["tried"]),
            whole(of["failed"]),
            whole(of["fixed"]),
            share(of["failed"], of["tried"]),
            examples.get(name, ""),
        ]
        for name, of in sums.items()
    ]
    return Grid(("rule", "action", *numbers, "examples"), table, numbers)


def _gates(gates: Rows) -> Grid:
    rows = [
        [
            row["subject"].replace("_", " "),
            row["batch"],
            _bound(row, row["value"]),
            _bound(row, row["at_least"]),
            _bound(row, row["at_most"]),
            "passed" if row["passed"] else "failed",
            row["note"],
        ]
        for row in gates
    ]
    numbers = ("figure", "at least", "at most")
    return Grid(("gate", "batch", *numbers, "verdict", "note"), rows, numbers)


def _bound(row: Mapping[str, Any], value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2%}" if "_share" in row["subject"] else f"{value:,.6g}"


def _trend(rules: Rows, batches: Sequence[str]) -> str:
    figure = go.Figure()
    for name in ("clean", "rejected", "duplicate", "superseded"):
        shares = {row["source_batch"]: row["share"] for row in rules if (row["kind"], row["name"]) == ("status", name)}
        figure.add_scatter(x=list(batches), y=[shares.get(batch) for batch in batches], name=name, mode="lines+markers")
    figure.update_layout(xaxis={"type": "category"}, yaxis={"tickformat": ".0%", "title": "share of the batch's lines"})
    return fragment(figure)
