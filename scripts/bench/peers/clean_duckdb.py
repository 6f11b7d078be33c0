"""Run in an environment that has DuckDB: the twelve rules, exact duplicates and a profile, in SQL on one machine."""

import json
import sys
import time

import duckdb

SPACE = r"[\s\p{Z}]+"
RULES = """
    CASE WHEN customer_id IS NULL THEN 'missing_customer' END,
    CASE WHEN order_id IS NULL THEN 'missing_order' END,
    CASE WHEN order_id LIKE 'A%' THEN 'bad_debt' END,
    CASE WHEN quantity <= 0 AND NOT coalesce(order_id LIKE 'C%', false) THEN 'write_off' END,
    CASE WHEN unit_price < 0 THEN 'negative_price' END,
    CASE WHEN quantity IS NULL THEN 'missing_quantity' END,
    CASE WHEN unit_price IS NULL THEN 'missing_unit_price' END,
    CASE WHEN ordered_at IS NULL THEN 'missing_ordered_at' END"""
FLAGS = f"""
    CASE WHEN trim(regexp_replace(description, '{SPACE}', ' ', 'g')) <> description THEN 'tidy_description' END,
    CASE WHEN unit_price = 0 THEN 'free_of_charge' END,
    CASE WHEN abs(quantity) > 10000 THEN 'gross_quantity' END,
    CASE WHEN NOT regexp_full_match(customer_id, '[0-9]{{5}}') THEN 'odd_customer' END,
    CASE WHEN NOT regexp_full_match(product_id, '[0-9]{{5}}[A-Z]{{0,2}}') THEN 'unlisted_code' END,
    CASE WHEN upper(country) IN ('UNSPECIFIED', 'EUROPEAN COMMUNITY') THEN 'no_country' END,
    CASE WHEN ordered_at < DATE '2010-12-01' OR ordered_at >= DATE '2011-12-10' THEN 'outside_the_year' END"""
PROFILE = (
    "count({0}), approx_count_distinct({0}), min({0}), max({0}), approx_quantile({1}, [0.01, 0.05, 0.25, 0.5, 0.75, "
    "0.95, 0.99]), avg({1}), stddev_pop({1})"
)
COLUMNS = {
    "order_id": "length(order_id)",
    "product_id": "length(product_id)",
    "description": "length(description)",
    "quantity": "quantity",
    "unit_price": "unit_price",
    "customer_id": "length(customer_id)",
    "country": "length(country)",
    "ordered_at": "epoch(ordered_at)",
}


def main(raw: str, out: str, rounds: int) -> None:
    base = duckdb.connect(config={"threads": 2, "memory_limit": "3GB"})
    read = f"read_csv('{raw}', all_varchar = true, header = true, filename = true, ignore_errors = true)"
    names = [name for name, *_ in base.sql(f"SELECT * FROM {read} LIMIT 0").description]
    cells = ", ".join(name for name in names if name != "filename")
    cleaning = f"""COPY (
        WITH typed AS (
            SELECT nullif(trim(order_id), '') AS order_id, upper(nullif(trim(product_id), '')) AS product_id,
                nullif(trim(description), '') AS description, try_cast(quantity AS BIGINT) AS quantity,
                try_cast(unit_price AS DOUBLE) AS unit_price, nullif(trim(customer_id), '') AS customer_id,
                nullif(trim(country), '') AS country,
                try_strptime(ordered_at, ['%Y-%m-%d %H:%M:%S', '%Y-%m-%d %H:%M', '%d/%m/%Y %H:%M']) AS ordered_at,
                row_number() OVER (PARTITION BY {cells} ORDER BY filename) AS copy, filename
            FROM {read}),
        judged AS (
            SELECT *, list_filter([{RULES}], lambda x: x IS NOT NULL) AS reasons,
                list_filter([{FLAGS}], lambda x: x IS NOT NULL) AS flags FROM typed)
        SELECT *, CASE WHEN copy > 1 THEN 'duplicate' WHEN len(reasons) > 0 THEN 'rejected' ELSE 'clean' END AS status
        FROM judged
    ) TO '{out}' (FORMAT parquet, PARTITION_BY (status), OVERWRITE_OR_IGNORE)"""
    profile = ", ".join(PROFILE.format(name, number) for name, number in COLUMNS.items())
    spent = []
    for _ in range(rounds):
        started = time.perf_counter()
        base.sql(cleaning)
        base.sql(f"SELECT {profile} FROM read_parquet('{out}/*/*.parquet', hive_partitioning = true)").fetchall()
        spent.append(time.perf_counter() - started)
    counts = base.sql(f"SELECT status, count(*) FROM read_parquet('{out}/*/*.parquet') GROUP BY 1").fetchall()
    print(json.dumps({"version": duckdb.__version__, "seconds": spent, "counts": dict(counts)}))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
