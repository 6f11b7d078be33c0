"""What a classifier of examples found → the page's sections: how often it is right, and what it takes for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from ringmill.report.evaluate import Interval, interval_of
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


FIGURES = {"precision": "precision", "recall": "recall", "f1": "F1", "auc": "AUC"}


def classes(metrics: Mapping[str, Any], accuracy: Interval, intervals: Mapping[str, Any], many: str) -> Section:
    """Accuracy and mean F1, figures of each class and their means, each with its interval, and the confusion matrix,
    all on the test split. `intervals` are the manifest's; a figure that has none, as of a very large split, stands
    alone, and one that a model of an earlier release lacks is a dash."""
    names = list(metrics["per_class"])
    text = (
        f"Of {whole(metrics['rows'])} {many} that took no part in training {accuracy.value:.1%} were told right; the "
        f"95 % interval of this sample size is {accuracy.low:.1%} to {accuracy.high:.1%}. "
        f"The mean F1 of the classes is {_with_interval(metrics['f1_macro'], intervals, 'f1_macro')}. "
        "AUC is the chance that one of the class is given more of it than one of another class. "
        "In brackets are 95 % intervals."
    )
    columns = (*FIGURES.values(), f"{many} by weight")
    rows = [
        [
            name,
            *(_with_interval(each.get(figure), intervals, f"per_class.{name}.{figure}") for figure in FIGURES),
            whole(each["weight"]),
        ]
        for name, each in metrics["per_class"].items()
    ]
    means = [_with_interval(metrics.get(f"{figure}_macro"), intervals, f"{figure}_macro") for figure in FIGURES]
    rows.append(["mean of the classes", *means, ""])
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


def _with_interval(value: float | None, intervals: Mapping[str, Any], name: str) -> str:
    found = interval_of(intervals, name)
    return _figure(value) if found is None else str(found)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
