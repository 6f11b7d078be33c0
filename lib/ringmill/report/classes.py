"""What a classifier of examples found → the page's sections: how often it is right, and what it takes for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from ringmill.report.evaluate import Interval
from ringmill.report.figures import fragment
from ringmill.report.page import Block, Grid, Section
from ringmill.report.sections import share, whole

REASONS = {
    "empty_file": "files without a byte",
    "torn_image": "files that end too early",
    "unknown_format": "files of another format",
    "too_large": "files or pictures that are too large",
    "in_test": "pictures that the test files hold too",
    "torn_line": "lines with too few or too many columns",
    "not_utf8": "texts with bytes that are no text",
    "empty_text": "texts of which nothing is left",
    "too_long": "texts that are too long",
    "no_label": "reviews without a label",
    "unknown_label": "reviews with a label that no line of the files has",
    "duplicate": "repeat an earlier text",
}
SPLIT_WORDS = {"train": "to learn from", "validation": "to choose the epoch by", "test": "to judge by"}


def came_in(counts: Mapping[str, int]) -> int:
    """All examples, whatever became of them."""
    return counts["clean"] + counts["rejected"] + counts.get("duplicate", 0)


def intake(counts: Mapping[str, int], many: str) -> Section:
    """Counts of examples, which are called `many`, by status, reason and split."""
    came = came_in(counts)
    rows = [["kept", whole(counts["clean"]), share(counts["clean"], came)]]
    rows += [[words, whole(counts[key]), share(counts[key], came)] for key, words in REASONS.items() if counts.get(key)]
    splits = ", ".join(f"{counts[split]:,} {words}" for split, words in SPLIT_WORDS.items())
    text = (
        f"{whole(came)} {many} came in; of those that were kept {splits}. All copies of a content are in the same one."
    )
    return Section(
        "What came in",
        [Block(text, grid=Grid(("what became of them", many, "share"), rows, numbers=(many, "share")))],
        "intake",
    )


def classes(metrics: Mapping[str, Any], accuracy: Interval, f1: Interval | None, many: str) -> Section:
    """Accuracy and the mean F1 with their intervals, figures of each class, and the confusion matrix, all on the test
    split; without an interval of F1, which a very large split has none of, its value alone."""
    names = list(metrics["per_class"])
    text = (
        f"Of {whole(metrics['rows'])} {many} that took no part in training {accuracy.value:.1%} were told right; the "
        f"95 % interval of this sample size is {accuracy.low:.1%} to {accuracy.high:.1%}. "
        f"The mean F1 of the classes is {_figure(metrics['f1_macro']) if f1 is None else f1}."
    )
    columns = ("precision", "recall", "F1", f"{many} by weight")
    rows = [
        [name, _figure(each["precision"]), _figure(each["recall"]), _figure(each["f1"]), whole(each["weight"])]
        for name, each in metrics["per_class"].items()
    ]
    return Section(
        "How often it is right",
        [
            Block(text, grid=Grid(("class", *columns), rows, numbers=columns)),
            Block(
                f"Each row is a class, each column what was said of its {many}.",
                "What is taken for what",
                figure=confusion_map(names, metrics["confusion"]),
            ),
        ],
        "classes",
    )


def confusion_map(names: Sequence[str], cells: Sequence[Sequence[float]]) -> str:
    """Weights of rows by true and said class; the colour is the share of the true class."""
    shares = [[cell / (sum(row) or 1) for cell in row] for row in cells]
    figure = go.Figure(
        go.Heatmap(
            x=list(names),
            y=list(names),
            z=shares,
            text=[[f"{cell:,.0f}" if cell else "" for cell in row] for row in cells],
            texttemplate="%{text}",
            colorscale="Blues",
            zmin=0,
            zmax=1,
            showscale=False,
            xgap=1,
            ygap=1,
            hovertemplate="%{y} taken for %{x}: %{z:.1%}<extra></extra>",
        )
    )
    figure.update_layout(
        xaxis={"title": "said", "type": "category", "showgrid": False},
        yaxis={"title": "true", "type": "category", "autorange": "reversed", "showgrid": False},
    )
    return fragment(figure, height=140 + 30 * len(names))


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
