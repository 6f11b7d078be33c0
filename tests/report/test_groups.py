import pyarrow as pa

from ringmill.report.groups import segments


def snapshot(*rows):
    names = [
        "customer_id",
        "segment",
        "cluster",
        "spend_total",
        "days_since_last_order",
        "order_count",
        "r_score",
        "f_score",
    ]
    return pa.table({name: [row[at] for row in rows] for at, name in enumerate(names)})


BEFORE = snapshot(
    ("ann", "new", "new", 10.0, 1, 1, 5, 1),
    ("bob", "new", "new", 5.0, 2, 1, 5, 1),
    ("cid", "lost", None, 1.0, 99, 1, 1, 1),
)
NOW = snapshot(
    ("ann", "loyal", "high-value", 60.0, 3, 3, 4, 4),
    ("bob", "lost", "lost", 5.0, 60, 1, 1, 1),
    ("cid", "lost", None, 1.0, 160, 1, 1, 1),
    ("dan", "new", "new", 34.0, 1, 1, 5, 1),
)


def grids_of(section):
    return [block.grid for block in section.blocks if block.grid]


def test_a_segment_says_its_customers_revenue_and_who_came_left_and_is_seen_first():
    section = segments(NOW, BEFORE, cutoff="2024-03-01", previous_cutoff="2024-02-01", clusters="3 clusters.")
    rules, clusters, moves = grids_of(section)
    assert rules.columns[-3:] == ("came", "left", "seen first")
    assert rules.rows == [
        ["loyal", "1", "25.0%", "60", "60.0%", "3", "3.0", "1", "0", "0"],
        ["new", "1", "25.0%", "34", "34.0%", "1", "1.0", "0", "2", "1"],
        ["lost", "2", "50.0%", "6", "6.0%", "110", "1.0", "1", "0", "0"],
    ]
    assert clusters.columns[-3:] == ("came", "left", "seen first")
    assert clusters.rows == [
        ["high-value", "1", "25.0%", "60", "60.0%", "3", "3.0", "1", "0", "0"],
        ["new", "1", "25.0%", "34", "34.0%", "1", "1.0", "0", "2", "1"],
        ["lost", "1", "25.0%", "5", "5.0%", "60", "1.0", "1", "0", "0"],
        ["(no order stands)", "1", "25.0%", "1", "1.0%", "160", "1.0", "0", "0", "0"],
    ]
    assert moves.rows == [["new", "lost", "1", "5"], ["new", "loyal", "1", "60"]]


def test_a_first_snapshot_has_no_movement():
    section = segments(NOW, None, cutoff="2024-03-01", previous_cutoff=None, clusters="3 clusters.")
    assert [grid.columns[-1] for grid in grids_of(section)] == ["orders", "orders"]
