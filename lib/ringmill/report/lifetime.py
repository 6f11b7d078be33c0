"""What the models of lifetime value found → the page's section on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ringmill.report.page import Block, Grid, Section
from ringmill.report.sections import share, whole

MEANING = {
    "r": "shape of the customers' rates of buying",
    "alpha": "scale of these rates (periods)",
    "a": "drop-out after a purchase: weight of leaving",
    "b": "drop-out after a purchase: weight of staying",
    "p": "shape of a customer's values around their mean",
    "q": "shape of the means over customers",
    "v": "scale of the means (currency)",
}


def lifetime(fits: Mapping[str, Any], customers: pa.Table, foreseen: pa.Table, currency: str) -> Section:
    """The fits, rfm/customers and rfm/lifetime of one cutoff → value ahead by segment, and the parameters."""
    if fits["purchases"] is None:
        return Section("Lifetime value", [Block(f"Nothing was fitted: {fits['reason']}.")], "lifetime")
    blocks = [Block(_words(fits, foreseen)), Block(title="By segment", grid=_by_segment(customers, foreseen, currency))]
    for key, title in (
        ("purchases", "How often they buy: BG/NBD"),
        ("values", "What a purchase is worth: Gamma-Gamma"),
    ):
        if fits[key] is not None:
            blocks.append(_parameters(fits[key], title))
    return Section("Lifetime value", blocks, "lifetime")


def _words(fits: Mapping[str, Any], foreseen: pa.Table) -> str:
    alive = pc.sum(foreseen["alive_probability"]).as_py() or 0.0
    words = (
        f"Of {whole(foreseen.num_rows)} customers {whole(alive)} are expected to be customers still. By the model who "
        "never came again cannot have left, so that the share is an upper bound."
    )
    return words if fits["values"] is not None else f"{words} Values were not fitted: {fits['reason']}."


def _by_segment(customers: pa.Table, foreseen: pa.Table, currency: str) -> Grid:
    joined = foreseen.join(customers.select(["customer_id", "segment"]), "customer_id", join_type="inner")
    horizons = [name for name in foreseen.column_names if name.startswith("expected_purchases_")]
    sums = [("customer_id", "count"), ("alive_probability", "mean"), ("lifetime_value", "sum")]
    grouped = joined.group_by("segment").aggregate([*sums, *((name, "sum") for name in horizons)]).to_pylist()
    grouped.sort(key=lambda row: (-(row["lifetime_value_sum"] or 0.0), row["segment"]))
    total = sum(row["lifetime_value_sum"] or 0.0 for row in grouped)
    ahead = [f"buys in {name.removeprefix('expected_purchases_').removesuffix('d')} days" for name in horizons]
    value = f"lifetime value{f' ({currency})' if currency else ''}"
    numbers = ("customers", "still here", *ahead, value, "share of value")
    rows = [
        [
            row["segment"],
            whole(row["customer_id_count"]),
            f"{row['alive_probability_mean']:.0%}",
            *(whole(row[f"{name}_sum"]) for name in horizons),
            "–" if row["lifetime_value_sum"] is None else whole(row["lifetime_value_sum"]),
            share(row["lifetime_value_sum"] or 0.0, total),
        ]
        for row in grouped
    ]
    return Grid(("segment", *numbers), rows, numbers)


def _parameters(fit: Mapping[str, Any], title: str) -> Block:
    errors = fit["standard_errors"]
    rows = [
        [name, MEANING[name], f"{value:.4g}", "–" if errors[name] is None else f"{errors[name]:.2g}"]
        for name, value in fit["values"].items()
    ]
    likelihood = f"log-likelihood {fit['log_likelihood']:,.1f}"
    text = f"Fitted by maximum likelihood on {whole(fit['customers'])} customers; {likelihood}."
    return Block(
        text, title, Grid(("parameter", "what it says", "value", "standard error"), rows, ("value", "standard error"))
    )
