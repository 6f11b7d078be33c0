"""Tables of the stage rfm: customers, cohorts, lifetime value."""

from __future__ import annotations

from ringmill.contracts.table import Column, Table

RFM_CUSTOMERS = Table(
    path="rfm/customers",
    grain="one row per cutoff and customer with at least one sales line that the cutoff sees; cutoffs of earlier runs "
    "stay",
    partition_by=("cutoff",),
    columns=(
        Column("customer_id", "string", "who bought"),
        Column("cutoff", "date", "exclusive: events at or after its local midnight are not seen"),
        Column("first_ordered_at", "timestamp", "first sales line", unit="UTC instant"),
        Column("last_ordered_at", "timestamp", "last sales line", unit="UTC instant"),
        Column(
            "days_since_last_order",
            "int",
            "local calendar days from the last order's day to the cutoff",
            unit="days",
            least=0,
        ),
        Column(
            "tenure_days", "int", "local calendar days from the first order's day to the cutoff", unit="days", least=0
        ),
        Column("order_count", "bigint", "distinct orders with a sales line", unit="orders", least=1),
        Column("repeat_order_count", "bigint", "order_count − 1", unit="orders", least=0),
        Column("spend_total", "double", "sum of line_total over sales lines", unit="currency"),
        Column("spend_mean", "double", "spend_total ÷ order_count", unit="currency per order"),
        Column("cancelled_total", "double", "sum of |line_total| over cancellation lines", unit="currency", least=0),
        Column(
            "order_count_net",
            "bigint",
            "orders of which not all pieces had been taken back; null where clean links no cancellations",
            nullable=True,
            unit="orders",
            least=0,
        ),
        Column(
            "days_since_last_order_net",
            "int",
            "local calendar days from the last such order's day to the cutoff; null where there is none, or no links",
            nullable=True,
            unit="days",
            least=0,
        ),
        Column(
            "spend_net",
            "double",
            "spend less the pieces taken back; without links spend_total − cancelled_total, at least 0",
            unit="currency",
        ),
        Column(
            "gap_days_mean",
            "double",
            "mean calendar days between successive days with an order that stands; null below two such days",
            nullable=True,
            unit="days",
            least=0,
        ),
        Column(
            "gap_days_std",
            "double",
            "standard deviation of these gaps (÷ their number)",
            nullable=True,
            unit="days",
            least=0,
        ),
        Column("gap_days_last", "int", "the last of these gaps", nullable=True, unit="days", least=0),
        Column(
            "period",
            "string",
            "day, week or month: the unit of the literature's columns, which follow",
            one_of=("day", "week", "month"),
        ),
        Column(
            "repeat_period_count",
            "int",
            "periods with an order that stands, after the first (lifetimes' frequency); null where no order stands",
            nullable=True,
            unit="periods",
            least=0,
        ),
        Column(
            "recency_age_periods",
            "int",
            "from the first period with an order that stands to the last (lifetimes' recency)",
            nullable=True,
            unit="periods",
            least=0,
        ),
        Column(
            "age_periods",
            "int",
            "from the first period to that of the day before the cutoff (lifetimes' T)",
            nullable=True,
            unit="periods",
            least=0,
        ),
        Column(
            "repeat_value_mean",
            "double",
            "mean value of the periods after the first (lifetimes' monetary_value); null where there is none",
            nullable=True,
            unit="currency per period",
        ),
        Column("country", "string", "country of the customer's last sales line", nullable=True),
        Column(
            "r_score",
            "int",
            "1–5; 5 is the most recent fifth; ties share a score; 1 where no order stands",
            least=1,
            most=5,
        ),
        Column("f_score", "int", "1–5; 5 is the fifth with most orders; ties share a score", least=1, most=5),
        Column("m_score", "int", "1–5; 5 is the fifth with the highest spend_net; ties share a score", least=1, most=5),
        Column("segment", "string", "name of the one segment rule that matches the three scores"),
        Column(
            "cluster",
            "string",
            "name of the nearest k-means centre; null where no order stands, or too few customers to fit",
            nullable=True,
        ),
    ),
)
RFM_COHORTS = Table(
    path="rfm/cohorts",
    grain="one row per cutoff, month of the first purchase and month after it with a purchase",
    partition_by=("cutoff",),
    columns=(
        Column("cutoff", "date", "exclusive"),
        Column("cohort", "date", "first day of the local month of the first order that stands"),
        Column("cohort_customers", "bigint", "customers who first bought in that month", unit="customers", least=1),
        Column("months_since", "int", "calendar months from the cohort's; 0 is the first", unit="months", least=0),
        Column("customers", "bigint", "of them those with an order in that month", unit="customers", least=0),
        Column("orders", "bigint", "their orders that stand", unit="orders", least=0),
        Column("revenue", "double", "value of these orders", unit="currency"),
    ),
)


def rfm_lifetime(horizons_days: tuple[int, ...]) -> Table:
    """rfm/lifetime for these horizons."""
    return Table(
        path="rfm/lifetime",
        grain="one row per cutoff and customer of rfm/customers of whom an order stands, where models were fitted",
        partition_by=("cutoff",),
        columns=(
            Column("customer_id", "string", "who bought"),
            Column("cutoff", "date", "exclusive; the models were fitted on what it sees"),
            Column(
                "alive_probability",
                "double",
                "BG/NBD: not dropped out by the cutoff; 1 without a repeat purchase",
                least=0,
                most=1,
            ),
            *(
                Column(
                    f"expected_purchases_{days}d",
                    "double",
                    f"BG/NBD: periods with an order in the {days} days after the cutoff; null on rows made before they "
                    "were asked for",
                    nullable=True,
                    unit="purchases",
                )
                for days in horizons_days
            ),
            Column(
                "expected_value",
                "double",
                "Gamma-Gamma: value of a purchase; null where too few values were known to fit it",
                nullable=True,
                unit="currency per purchase",
            ),
            Column(
                "lifetime_value",
                "double",
                "expected purchases × expected_value, by month ahead, discounted to the cutoff",
                nullable=True,
                unit="currency",
            ),
        ),
    )
