"""RFM's peers: the plain aggregate in polars and DuckDB, in an environment of their own, and lifetimes by pandas."""

from __future__ import annotations

import json
import subprocess
import venv
import warnings
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from common import seconds

IN_MEMORY = 10_000_000
PEERS = ("polars", "duckdb", "pyarrow")
# In a process of its own: reads the lines, prints the best of three in seconds, and the customers found.
SCRIPT = """
import json, sys, time
kind, files = sys.argv[1:]
def polars_():
    import polars as pl
    sale = ~pl.col("is_cancellation") & (pl.col("quantity") > 0) & (pl.col("unit_price") > 0)
    sold = pl.scan_parquet(files).filter(pl.col("customer_id").is_not_null())
    return sold.group_by("customer_id").agg(
        pl.col("ordered_at").filter(sale).min().alias("first"), pl.col("ordered_at").filter(sale).max().alias("last"),
        pl.col("order_id").filter(sale).n_unique().alias("orders"),
        pl.col("line_total").filter(sale).sum().alias("spend"),
        pl.col("line_total").filter(pl.col("is_cancellation")).sum().alias("cancelled"),
        pl.col("country").filter(sale).sort_by(pl.col("ordered_at").filter(sale)).last().alias("country"),
    ).collect().height
def duckdb_():
    import duckdb
    duckdb.sql("SET enable_progress_bar = false")
    sale = "NOT is_cancellation AND quantity > 0 AND unit_price > 0"
    return duckdb.sql(f'''SELECT customer_id, min(ordered_at) FILTER ({sale}), max(ordered_at) FILTER ({sale}),
        count(DISTINCT order_id) FILTER ({sale}), sum(line_total) FILTER ({sale}),
        sum(line_total) FILTER (is_cancellation), max_by(country, ordered_at) FILTER ({sale})
        FROM read_parquet('{files}') WHERE customer_id IS NOT NULL GROUP BY customer_id''').arrow().read_all().num_rows
work, seconds = {"polars": polars_, "duckdb": duckdb_}[kind], []
for _ in range(3):
    started = time.perf_counter(); customers = work(); seconds.append(time.perf_counter() - started)
print(json.dumps({"seconds": min(seconds), "customers": customers, "version": __import__(kind).__version__}))
"""


def beside(python: Path | None, why: str, path: str, lines: int) -> dict[str, Any]:
    """By peer its seconds on the lines at `path`, or why there are none."""
    found: dict[str, Any] = {}
    for name in PEERS[:2]:
        found[name] = why if python is None else f"not run above {IN_MEMORY:,} lines"
        if python is not None and lines <= IN_MEMORY:
            said = subprocess.run([python, "-c", SCRIPT, name, f"{path}/*.parquet"], capture_output=True, text=True)
            last = (said.stdout if said.returncode == 0 else said.stderr).strip().splitlines()[-1]
            found[name] = json.loads(last) if said.returncode == 0 else last
    found["lifetimes, pandas"] = _lifetimes(path) if lines <= IN_MEMORY else f"not run above {IN_MEMORY:,} lines"
    return found


def _lifetimes(path: str) -> Any:
    """Seconds of lifetimes' summary of the same sales, reading included; it gives the literature's four columns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from lifetimes.utils import summary_data_from_transaction_data
        except ImportError as error:
            return f"not installed: {error}"

        def work() -> None:
            names = ["customer_id", "ordered_at", "line_total"]
            sold = pq.read_table(path, columns=names, filters=[("is_cancellation", "=", False)]).to_pandas()
            sold["ordered_at"] = sold["ordered_at"].dt.tz_localize(None)
            summary_data_from_transaction_data(*[sold, *names], observation_period_end="2024-12-31", freq="D")

        return {"seconds": seconds(work)}


def environment(folder: str) -> tuple[Path | None, str]:
    """The interpreter of an environment of the peers' own, or why there is none."""
    home = Path(folder) / "peers"
    try:
        venv.create(home, with_pip=True)
        python = home / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True, capture_output=True, text=True)
    except (subprocess.CalledProcessError, OSError) as error:
        return None, f"no environment: {str(getattr(error, 'stderr', '') or error).strip().splitlines()[-1]}"
    return python, ""
