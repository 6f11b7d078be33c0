"""How good recommended lists were → the page's section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ringmill.report.page import Block, Grid, Section
from ringmill.report.sections import whole

COLUMNS = ("customers", "recall", "NDCG", "coverage")
LISTS = {
    "all": ("Of all products", "Every product may be in a list, those that the customer has bought before too."),
    "new": (
        "Of products new to the customer",
        "What the customer has bought before is in no list, and counts nowhere.",
    ),
}


def recommendations(judged: Sequence[Mapping[str, Any]], *, top: int, cutoff: str, days: int) -> Section:
    """One table per kind of list, one row per recommender."""
    words = (
        f"Lists of {top} products were made of what was known on {cutoff}, and compared with what the same customers "
        f"bought in the {days} days from then on. Recall is the share of those products that the list holds; NDCG "
        "counts the first places for more; both are means over customers. Coverage is the share of all products that "
        "are in anybody's list."
    )
    blocks = [Block(words)]
    for kind, (title, text) in LISTS.items():
        rows = [_row(each) for each in judged if each["list"] == kind]
        blocks.append(Block(text, title, grid=Grid(("recommended by", *COLUMNS), rows, numbers=COLUMNS)))
    return Section("How good the lists are", blocks, "recommendations")


def _row(found: Mapping[str, Any]) -> list[str]:
    figures = ["–" if found[name] is None else f"{found[name]:.1%}" for name in ("recall", "ndcg", "coverage")]
    return [str(found["by"]), whole(found["customers"]), *figures]
