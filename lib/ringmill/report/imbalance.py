"""How a rare class was helped → the page's sections: what each way gained or lost, and whether made rows are copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ringmill.report.page import Block, Grid, Section
from ringmill.report.sections import share, whole

FIGURES = {"precision": "precision", "recall": "recall", "f1": "F1", "auc": "AUC"}
GAINS = {"f1_gain": "F1 gained", "auc_gain": "AUC gained"}


def what_helped(ways: Sequence[Mapping[str, Any]], name: str, *, held_out: int, of_class: int) -> Section:
    """Of each way, the first without help: its `way` in words, `rows` trained on, `of_class` among them, and the
    class's `figures` on the test split."""
    text = (
        f"{whole(held_out)} rows that took no part in training, all of them real, {whole(of_class)} of them of the "
        f"class '{name}'. Beside each figure stands the 95 % interval that this number of rows allows; what is gained "
        "over no help is measured on the same draws of the same rows, and a loss has a minus."
    )
    columns = ("train rows", "share of the class", *FIGURES.values(), *GAINS.values())
    rows = [
        [
            way["way"],
            whole(way["rows"]),
            share(way["of_class"], way["rows"]),
            *(_figure(way["figures"][key]) for key in FIGURES),
            *("–" if place == 0 else _gain(way["figures"][key]) for key in GAINS),
        ]
        for place, way in enumerate(ways)
    ]
    return Section("What helped", [Block(text, grid=Grid(("help", *columns), rows, numbers=columns))], "helped")


def copies(counts: Mapping[str, int], check: Mapping[str, Any], name: str) -> Section:
    """What became of made rows, and how near they are to train rows."""
    text = (
        f"{whole(counts['made'])} rows of '{name}' were made from what {whole(counts['train'])} train rows taught. "
        f"{whole(counts['copies'])} of them were rejected, since they were train rows number for number; "
        f"{whole(counts['kept'])} were kept. They are trained with and never judged by."
    )
    if check["made_median"] is None:
        return Section("Made rows", [Block(f"{text} There were no rows to compare.")], "made")
    columns = ("compared", "median distance to the nearest train row", "as near as is usual, or nearer")
    grid = Grid(
        ("rows", *columns),
        [
            [
                rows,
                whole(check[f"{key}_rows"]),
                f"{check[f'{key}_median']:.3f}",
                "not judged" if check["near_made"] is None else f"{check[f'near_{key}']:.1%}",
            ]
            for rows, key in (("made", "made"), ("held out", "held_out"))
        ],
        numbers=columns,
    )
    words = f"Distances are of a number, in deviations of the class. {_nearness(check)}"
    return Section("Made rows", [Block(text), Block(words, grid=grid)], "made")


def _nearness(check: Mapping[str, Any]) -> str:
    """What is usual among held-out rows, or why that is not judged."""
    rows, unjudged = whole(check["held_out_rows"]), "Whether made rows are nearer than is usual is not judged"
    if check["near"] is None:
        return f"{unjudged}: there are {rows} held-out rows, and it takes {check['least_held_out']}."
    usual = f"{check['near_held_out']:.1%} of {rows} held-out rows"
    if check["near_made"] is None:
        return f"{unjudged}: {usual} are train rows number for number."
    verdict = (
        "So many more of the made rows do that they repeat train rows"
        if check.get("repeats")
        else "No more of the made rows do than chance may give"
    )
    return f"{usual} lie {check['near']:.3f} or less from a train row. {verdict} (Fisher's exact test, 0.1%)."


def _figure(figure: Mapping[str, float | None]) -> str:
    return _with_bounds(figure, "{:.3f}")


def _gain(figure: Mapping[str, float | None]) -> str:
    return _with_bounds(figure, "{:+.3f}")


def _with_bounds(figure: Mapping[str, float | None], form: str) -> str:
    if figure["value"] is None:
        return "–"
    value = form.format(figure["value"])
    if figure["low"] is None or figure["high"] is None:
        return value
    return f"{value} ({form.format(figure['low'])} to {form.format(figure['high'])})"
