"""What the stages found → the page's sections, in words and figures that a manager can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ringmill.report import figures
from ringmill.report.evaluate import Decile, Interval, SpendForecast
from ringmill.report.page import Block, Grid, Section

# What each status means, in the page's words.
STATUS_WORDS = {
    "clean": "kept",
    "rejected": "refused, with reasons",
    "duplicate": "exact or key copies of another line",
    "superseded": "replaced by a later version of the same line",
}


def whole(value: float) -> str:
    return f"{value:,.0f}"


def share(part: float, total: float) -> str:
    return f"{part / total:.1%}" if total else "–"


def intake(counts: Mapping[str, Any]) -> Section:
    """Counts by status, and by reason and flag (a row may carry several)."""
    raw = counts["raw"]
    statuses = Grid(
        ("what became of them", "lines", "share"),
        [[STATUS_WORDS[name], whole(counts[name]), share(counts[name], raw)] for name in STATUS_WORDS],
        numbers=("lines", "share"),
    )
    blocks = [Block(f"{whole(raw)} lines came in. Every one of them is kept in the table clean/rows.", grid=statuses)]
    for key, title, text in (
        ("reasons", "Why lines were not kept", "A line may have several reasons; each is counted."),
        ("flags", "What was marked on lines, kept or not", "Marked lines stay; analysts can filter on the mark."),
    ):
        if counts[key]:
            ordered = sorted(counts[key].items(), key=lambda item: (-item[1], item[0]))
            rows = [[name.replace("_", " "), whole(n), share(n, raw)] for name, n in ordered]
            grid = Grid((key[:-1], "lines", "share of all"), rows, numbers=("lines", "share of all"))
            blocks.append(Block(text, title, grid))
    return Section("What came in", blocks, "intake")


def detection(found: Sequence[Mapping[str, Any]]) -> Section:
    """Planted defects and how many of them the rules caught; only for a generated shop."""
    numbers = ("planted", "caught", "missed", "false alarms", "precision", "recall")
    rows = [
        [
            row["kind"].replace("_", " "),
            row["found_by"].replace("_", " "),
            whole(row["planted"]),
            whole(row["true"]),
            whole(row["planted"] - row["true"]),
            whole(row["detected"] - row["true"]),
            "–" if row["precision"] is None else f"{row['precision']:.1%}",
            "–" if row["recall"] is None else f"{row['recall']:.1%}",
        ]
        for row in found
    ]
    text = (
        "This shop is generated, so every defect is known. Precision is the share of alarms that were right; "
        "recall is the share of defects that were found. Some kinds cannot wholly be told from honest orders."
    )
    return Section(
        "Planted defects", [Block(text, grid=Grid(("kind", "found by", *numbers), rows, numbers))], "defects"
    )


def training(history: Sequence[Mapping[str, float]], best_epoch: int, words: str) -> Section:
    """Loss by epoch."""
    return Section("Training", [Block(words, figure=figures.training_curves(history, best_epoch))], "training")


def repurchase(
    aucs: Mapping[str, Interval],
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    calibrated: Mapping[str, Sequence[tuple[float, float, int]]],
    *,
    rows: int,
    bought: float,
    horizon_days: int,
    learnt_after: str,
) -> Section:
    """Discrimination and calibration on the test split, beside the baselines."""
    text = (
        f"{whole(rows)} customers were held out from training; {bought:.1%} of them bought within {horizon_days} days. "
        "AUC is the chance that a buyer is ranked above a non-buyer, with the 95 % interval of this sample size. "
        f"All was learnt from what followed {learnt_after}: a season unlike that one is not foreseen."
    )
    grid = Grid(("who ranks", "AUC (95 % interval)"), [[name, str(auc)] for name, auc in aucs.items()])
    return Section(
        "Who will buy again",
        [
            Block(text, grid=grid),
            Block("The higher above the dotted line, the better.", "Ranking", figure=figures.roc(curves)),
            Block(
                "On the dotted line a predicted 30 % means that 30 % buy.",
                "Calibration",
                figure=figures.calibration(calibrated),
            ),
        ],
        "repurchase",
    )


def spend(groups: Sequence[Decile], forecasts: Sequence[SpendForecast], actual: Interval, verdict: str) -> Section:
    """Expected beside actual spend on the test split."""
    rows = [[f.name, f"{f.mean_absolute_error:,.2f}", whole(f.total)] for f in forecasts]
    grid = Grid(("forecast", "mean absolute error", "total"), rows, ("mean absolute error", "total"))
    interval = f"95 % interval {whole(actual.low)} to {whole(actual.high)}"
    total = f"The held-out customers spent {whole(actual.value)} in all ({interval}). {verdict}"
    return Section("How much", [Block(total, grid=grid), Block(figure=figures.deciles(groups))], "spend")


def at_risk(rows: Sequence[Mapping[str, Any]], currency: str) -> Section:
    """The customers whose past value is highest among those more likely to stay away than to buy."""
    money = f"spend so far{f' ({currency})' if currency else ''}"
    numbers = ("days since last order", "orders", money, "chance to buy", "expected spend")
    grid = Grid(
        ("customer", "segment", *numbers),
        [
            [
                row["customer_id"],
                row["segment"],
                whole(row["days_since_last_order"]),
                whole(row["order_count"]),
                whole(row["spend_net"]),
                f"{row['buy_probability']:.0%}",
                whole(row["expected_spend"]),
            ]
            for row in rows
        ],
        numbers,
    )
    text = (
        "More likely to stay away than to buy within the horizon; ordered by spend so far, less what was cancelled, "
        "× the chance that they stay away."
    )
    return Section("Customers at risk", [Block(text, grid=grid)], "risk")


def accounts(stages: Sequence[Sequence[str]], laws: Sequence[Sequence[str]], versions: Mapping[str, str]) -> Section:
    """Timings, laws and versions of the run."""
    return Section(
        "How it was made",
        [
            Block(title="Stages", grid=Grid(("stage", "outcome", "seconds", "result"), stages, ("seconds",))),
            Block("Checked on this run's own tables.", "Laws", Grid(("law", "stage", "evidence"), laws)),
            Block(title="Versions", grid=Grid(("package", "version"), [list(item) for item in versions.items()])),
        ],
        "accounts",
    )
