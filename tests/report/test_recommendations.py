"""How good lists are, as the page says it."""

from __future__ import annotations

from ringmill.report.recommendations import recommendations


def judged(by: str, kind: str, recall: float | None) -> dict[str, object]:
    return {"by": by, "list": kind, "customers": 1_385, "recall": recall, "ndcg": 0.25, "coverage": 0.5}


def test_each_kind_of_list_has_a_table_with_a_row_for_each_recommender() -> None:
    found = [judged("two-tower", "all", 0.125), judged("popularity", "all", 0.03), judged("two-tower", "new", None)]
    section = recommendations(found, top=10, cutoff="2011-11-09", days=30)
    words, every, new = section.blocks
    assert "Lists of 10 products" in words.text and "2011-11-09" in words.text and "30 days" in words.text
    assert every.grid is not None and new.grid is not None
    assert every.grid.rows == [
        ["two-tower", "1,385", "12.5%", "25.0%", "50.0%"],
        ["popularity", "1,385", "3.0%", "25.0%", "50.0%"],
    ]
    assert new.grid.rows == [["two-tower", "1,385", "–", "25.0%", "50.0%"]]
