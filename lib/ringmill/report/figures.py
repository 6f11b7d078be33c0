"""Plain data → Plotly figures as HTML fragments; the page holds Plotly's script once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from ringmill.report.evaluate import Decile

# Okabe and Ito's palette: told apart with every common colour blindness.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
GREY = "#8a8f98"
FONT = "system-ui, -apple-system, Segoe UI, Roboto, sans-serif"


def fragment(figure: go.Figure, *, height: int = 340) -> str:
    """A figure as a <div>, without the script that draws it."""
    figure.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 56, "r": 16, "t": 24, "b": 48},
        font={"family": FONT, "size": 13},
        colorway=COLOURS,
        legend={"orientation": "h", "y": 1.12, "x": 0},
    )
    html: str = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}
    )
    return html


def segments(names: Sequence[str], customers: Sequence[int], revenue: Sequence[float]) -> str:
    """Share of customers and of revenue, for each segment."""
    figure = go.Figure()
    for label, values, colour in (("customers", customers, GREY), ("revenue", revenue, COLOURS[0])):
        total = sum(values) or 1
        shares = [value / total for value in values]
        figure.add_bar(y=list(names), x=shares, name=f"share of {label}", orientation="h", marker_color=colour)
    figure.update_layout(barmode="group", xaxis={"tickformat": ".0%"}, yaxis={"autorange": "reversed"})
    return fragment(figure, height=60 + 44 * len(names))


def heat_map(cells: Mapping[tuple[int, int], tuple[int, float]]) -> str:
    """(recency score, frequency score) → (customers, mean spend), as a 5 × 5 map of mean spend."""
    fifths = range(1, 6)
    spend = [[cells[r, f][1] if (r, f) in cells else None for f in fifths] for r in fifths]
    text = [[f"{cells[r, f][0]:,}" if (r, f) in cells else "0" for f in fifths] for r in fifths]
    figure = go.Figure(
        go.Heatmap(
            x=[str(f) for f in fifths],
            y=[str(r) for r in fifths],
            z=spend,
            text=text,
            texttemplate="%{text}",
            colorscale="Blues",
            colorbar={"title": "mean spend"},
            hovertemplate="recency %{y}, frequency %{x}: %{text} customers, mean spend %{z:,.0f}<extra></extra>",
        )
    )
    figure.update_layout(xaxis_title="frequency score", yaxis_title="recency score")
    return fragment(figure)


def cohort_map(
    cohorts: Sequence[str],
    values: Sequence[Sequence[float | None]],
    hovers: Sequence[Sequence[str]],
    *,
    form: str = ".0%",
) -> str:
    """(cohorts) × (months since): a share or an amount of each cohort; None where the month is not over yet."""
    months = max((len(row) for row in values), default=0)
    text = [[format(value, form) if value is not None else "" for value in row] for row in values]
    figure = go.Figure(
        go.Heatmap(
            x=[str(month) for month in range(months)],
            y=list(cohorts),
            z=values,
            text=text,
            customdata=hovers,
            texttemplate="%{text}",
            colorscale="Blues",
            # Month 0 is all of the cohort: on its scale the months after it would look alike.
            zmin=0,
            zmax=max((value for row in values for value in row[1:] if value is not None), default=1.0),
            showscale=False,
            xgap=1,
            ygap=1,
            hoverongaps=False,
            hovertemplate="%{y}, month %{x}: %{customdata}<extra></extra>",
        )
    )
    figure.update_layout(
        xaxis={"title": "months since the first purchase", "type": "category", "showgrid": False},
        yaxis={"autorange": "reversed", "type": "category", "showgrid": False},
    )
    return fragment(figure, height=110 + 30 * len(cohorts))


def training_curves(history: Sequence[Mapping[str, float]], best_epoch: int) -> str:
    """Loss by epoch on train and validation; the line marks the epoch whose weights were kept."""
    epochs = [row["epoch"] for row in history]
    figure = go.Figure()
    for key, label in (("loss", "train"), ("val_loss", "validation")):
        figure.add_scatter(x=epochs, y=[row[key] for row in history], name=label, mode="lines")
    figure.add_vline(x=best_epoch, line_dash="dot", line_color=GREY)
    figure.update_layout(xaxis_title="epoch", yaxis_title="loss")
    return fragment(figure)


def roc(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> str:
    """Name → (false positive rates, true positive rates)."""
    figure = go.Figure()
    for name, (false_rate, true_rate) in curves.items():
        figure.add_scatter(x=list(false_rate), y=list(true_rate), name=name, mode="lines")
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "color": GREY}, showlegend=False)
    figure.update_layout(xaxis_title="share of non-buyers called", yaxis_title="share of buyers called")
    return fragment(figure)


def calibration(curves: Mapping[str, Sequence[tuple[float, float, int]]]) -> str:
    """Name → (mean predicted, share that bought, customers) by bin."""
    figure = go.Figure()
    for name, bins in curves.items():
        figure.add_scatter(x=[b[0] for b in bins], y=[b[1] for b in bins], name=name, mode="lines+markers")
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "color": GREY}, showlegend=False)
    figure.update_layout(
        xaxis={"title": "predicted probability", "tickformat": ".0%"}, yaxis={"title": "bought", "tickformat": ".0%"}
    )
    return fragment(figure)


def deciles(groups: Sequence[Decile]) -> str:
    """Expected beside actual spend, for each tenth of the customers."""
    tenths = [str(number) for number in range(1, len(groups) + 1)]
    figure = go.Figure()
    figure.add_bar(x=tenths, y=[g.expected_mean for g in groups], name="expected", marker_color=COLOURS[0])
    figure.add_bar(x=tenths, y=[g.actual_mean for g in groups], name="actual", marker_color=GREY)
    figure.update_layout(barmode="group", xaxis_title="tenth by expected spend", yaxis_title="mean per customer")
    return fragment(figure)
