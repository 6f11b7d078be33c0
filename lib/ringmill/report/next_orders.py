"""How well the next order is foreseen → the page's sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ringmill.report.page import Block, Grid, Section
from ringmill.report.sections import share, whole

Judged = Mapping[str, Sequence[Mapping[str, Any]]]


def next_orders(judged: Judged, *, cutoff: str, days: int, categories: int) -> Section:
    """One table for each of what is foreseen, one row for the model and for each baseline."""
    came = judged["comes"][0]
    words = (
        f"All was said of what was known on {cutoff}, and compared with the {days} days from then on, which no part of "
        f"the model has seen. Of {whole(came['rows'])} customers {_share(came['share'])} ordered within them; what and "
        "when is judged by these alone. A difference is the model's figure less the other's, with its 95 % interval "
        "over resampled customers."
    )
    return Section(
        "How well the next order is foreseen",
        [
            Block(words),
            Block(
                f"The order's category, one of {categories}: the group of products on which most is spent in it. F1 is "
                "the mean over the categories that occur.",
                "What they order",
                grid=_grid(judged["category"], {"accuracy": _share, "f1_macro": _figure}, _points),
            ),
            Block(
                "Days from the cutoff to the order: the mean absolute error, and the root of the mean squared one.",
                "When they order",
                grid=_grid(judged["days"], {"mae": _days, "rmse": _days}, _days),
            ),
            Block(
                "AUC is the chance that who orders is ranked above who does not.",
                "Who orders",
                grid=_grid(judged["comes"], {"auc": _figure}, None),
            ),
        ],
        "next-orders",
    )


NAMES = {
    "accuracy": "accuracy",
    "f1_macro": "F1",
    "mae": "mean absolute error",
    "rmse": "root mean squared",
    "auc": "AUC",
}


def _grid(found: Sequence[Mapping[str, Any]], figures: Mapping[str, Any], difference: Any) -> Grid:
    compared = ("model less this",) if difference else ()
    rows = []
    for each in found:
        row = [str(each["by"]), *(show(each[name]) for name, show in figures.items())]
        rows.append(row + ([_between(each.get("difference"), difference)] if difference else []))
    numbers = (*(NAMES[name] for name in figures), *compared)
    return Grid(("foreseen by", *numbers), rows, numbers)


def _between(found: Mapping[str, float] | None, show: Any) -> str:
    if found is None:
        return ""
    return f"{show(found['value'], sign='+')} ({show(found['low'], sign='+')} to {show(found['high'], sign='+')})"


def _share(value: float | None) -> str:
    return "–" if value is None else share(value, 1.0)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _days(value: float | None, *, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.2f}"


def _points(value: float, *, sign: str = "") -> str:
    return f"{value:{sign}.1%}"
