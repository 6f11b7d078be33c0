"""The page's section about routes: every figure is the one that was measured."""

from ringmill.report.routes import routes

COUNTS = {"texts": 100, "accepted": 80, "rejected": 0, "review": 20}
CUTS = {
    "accepted": {"at": 0.125, "rows": 8, "right": 7, "precision": 0.875},
    "rejected": {"at": None, "rows": 0, "right": 0, "precision": None},
}
TEST = {
    "accepted": {"rows": 10, "positive": 1},
    "rejected": {"rows": 0, "positive": 0},
    "review": {"rows": 3, "positive": 2},
}


def test_each_route_has_its_threshold_counts_and_what_was_right():
    (block,) = routes(COUNTS, CUTS, TEST, "spam", precision=0.85).blocks
    assert block.grid.rows == [
        ["accepted", "at most 0.125", "80", "7 of 8, 87.5%", "9 of 10, 90.0%"],
        ["rejected", "none", "0", "none there", "none there"],
        ["review", "between", "20", "", "3 undecided"],
    ]
    assert "at least 85.0%" in block.text and "No threshold reaches that for rejected" in block.text
