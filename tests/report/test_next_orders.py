"""Judged next orders → the page's section."""

from __future__ import annotations

from ringmill.report.next_orders import next_orders

DIFFERENCE = {"value": 0.1, "low": -0.05, "high": 0.25}


def test_each_baseline_is_a_row_with_its_difference_and_what_is_not_defined_is_a_dash():
    judged = {
        "category": [
            {"by": "model", "rows": 9, "accuracy": 0.5, "f1_macro": 0.25},
            {"by": "own last category", "rows": 9, "accuracy": 0.4, "f1_macro": None, "difference": DIFFERENCE},
        ],
        "days": [
            {"by": "model", "rows": 0, "mae": None, "rmse": None},
            {"by": "median of all", "rows": 9, "mae": 7.0, "rmse": 8.5, "difference": DIFFERENCE},
        ],
        "comes": [{"by": "model", "rows": 1200, "share": 0.25, "auc": 0.75}],
    }
    section = next_orders(judged, cutoff="2011-11-09", days=30, categories=21)
    words, category, days, comes = section.blocks
    assert "1,200 customers 25.0% ordered" in words.text and "2011-11-09" in words.text
    assert "one of 21" in category.text
    assert category.grid is not None and list(category.grid.rows) == [
        ["model", "50.0%", "0.250", ""],
        ["own last category", "40.0%", "–", "+10.0% (-5.0% to +25.0%)"],
    ]
    assert days.grid is not None and list(days.grid.rows) == [
        ["model", "–", "–", ""],
        ["median of all", "7.00", "8.50", "+0.10 (-0.05 to +0.25)"],
    ]
    assert comes.grid is not None and list(comes.grid.rows) == [["model", "0.750"]]
