from datetime import date

import pyarrow as pa

from ringmill.report.cohorts import cohorts
from ringmill.report.lifetime import lifetime

ROWS = pa.Table.from_pylist(
    [
        {
            "cohort": date(2023, 12, 1),
            "cohort_customers": 4,
            "months_since": since,
            "customers": n,
            "orders": n,
            "revenue": r,
        }
        for since, n, r in [(0, 4, 40.0), (2, 1, 7.0), (4, 2, 9.0)]
    ]
    + [
        {
            "cohort": date(2024, 3, 1),
            "cohort_customers": 2,
            "months_since": 0,
            "customers": 2,
            "orders": 2,
            "revenue": 5.0,
        }
    ]
)


def test_a_cohort_shows_its_revenue_by_age_and_a_dash_for_months_to_come():
    section = cohorts(ROWS, cutoff=date(2024, 5, 1), currency="GBP")
    grid = section.blocks[1].grid
    assert grid.columns[2] == "revenue (GBP), first month"
    assert grid.rows == [["Dec 2023", "4", "40", "7", "9", "56"], ["Mar 2024", "2", "5", "0", "–", "5"]]
    retention = section.blocks[0].grid
    assert retention.columns == ("cohort", "customers", *(f"month {month}" for month in (1, 2, 3, 6, 12)))
    assert retention.rows == [["Dec 2023", "4", "0%", "25%", "0%", "–", "–"], ["Mar 2024", "2", "0%", *"––––"]]
    assert all("Heatmap" in block.figure or "heatmap" in block.figure for block in section.blocks)
    assert "part month" not in section.blocks[0].text
    assert "May 2024 is a part month" in cohorts(ROWS, cutoff=date(2024, 5, 9), currency="").blocks[0].text


FIT = {"values": {"r": 0.2426}, "standard_errors": {"r": None}, "log_likelihood": -9582.4, "customers": 2357.0}
CUSTOMERS = pa.table({"customer_id": ["ann", "bob"], "segment": ["loyal", "new"]})


def foreseen(value):
    return pa.table(
        {
            "customer_id": ["ann", "bob"],
            "alive_probability": [0.5, 1.0],
            "expected_purchases_30d": [1.2, 0.8],
            "lifetime_value": pa.array([value, value], pa.float64()),
        }
    )


def test_lifetime_value_is_shown_by_segment_with_the_parameters():
    section = lifetime({"purchases": FIT, "values": None, "reason": "too few"}, CUSTOMERS, foreseen(30.0), "GBP")
    assert "2 customers 2 are expected" in section.blocks[0].text
    assert "too few" in section.blocks[0].text
    assert section.blocks[1].grid.rows[0] == ["loyal", "1", "50%", "1", "30", "50.0%"]
    assert section.blocks[2].grid.rows == [["r", "shape of the customers' rates of buying", "0.2426", "–"]]


def test_without_values_or_a_fit_the_section_says_why():
    section = lifetime({"purchases": FIT, "values": None, "reason": "too few"}, CUSTOMERS, foreseen(None), "")
    assert section.blocks[1].grid.rows[0][-2:] == ["–", "–"]
    nothing = lifetime({"purchases": None, "values": None, "reason": "3 came again"}, CUSTOMERS, foreseen(None), "")
    assert [block.text for block in nothing.blocks] == ["Nothing was fitted: 3 came again."]
