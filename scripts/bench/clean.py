"""What cleaning costs beside a bare copy: the same raw lines read and written as one Delta table, in the same run.

The raw input is a generated shop (conf/default.yaml) in CSV. Each round times, one after the other: the copy; the
cleaning of that configuration, with its duplicates by key and by content; the full profile of what was written, with
the counts by which law 1 is checked; and the same with statistics per product to fit first. Samples are ratios to the
round's own copy.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from common import arguments, claim, write

from ringmill.clean import (
    clean_rows,
    fitted_of,
    read_values,
    summarise_quality,
    summarise_statistics,
)
from ringmill.config import Clean, Config, load
from ringmill.contracts import CLEAN_ROWS
from ringmill.generate.shop import orders_path, write_shop
from ringmill.lake.files import find_source
from ringmill.lake.raw import read_raw
from ringmill.pipeline.stage import Run

CONF = Path(__file__).resolve().parents[2] / "conf" / "default.yaml"
FITTED = (
    {"name": "no_price", "action": "fix", "column": "unit_price", "required": True, "fill": "median"},
    {"name": "far_off", "action": "flag", "column": "quantity", "outlier": {"by": "iqr"}, "group": ["product_id"]},
)
ROUNDS, GOAL = 5, 2.5


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def copy(run: Run) -> None:
    """The peer: nothing but a read and a write."""
    lines = run.spark.read.option("header", True).csv(orders_path(f"{run.lake.root}/raw"))
    lines.write.format("delta").mode("overwrite").save(f"{run.lake.root}/copy")


def cleaned(run: Run, clean: Clean, fitted: dict[str, Any]) -> None:
    config = run.config
    lines = read_raw(run.spark, find_source(config.raw))
    rows = clean_rows(lines, raw=config.raw, clean=clean, zone=config.zone, batch="b", fitted=fitted)
    run.lake.write(rows, CLEAN_ROWS, run_id=run.run_id)


def counted(run: Run) -> None:
    summarise_quality(run.spark.read.format("delta").load(run.lake.path(CLEAN_ROWS.path))).collect()


def fitted_rules(run: Run, clean: Clean) -> dict[str, Any]:
    rules = [rule for rule in clean.rules if rule.is_fitted]
    values = read_values(read_raw(run.spark, find_source(run.config.raw)), raw=run.config.raw, zone=run.config.zone)
    return fitted_of(summarise_statistics(values, rules, None).collect(), rules, None)


def measured(run: Run) -> dict[str, float]:
    """One round, in seconds."""
    clean = run.config.clean
    more = Clean.model_validate(clean.model_dump() | {"rules": [*clean.model_dump()["rules"], *FITTED]})
    found: dict[str, float] = {"copy": seconds(lambda: copy(run))}
    found["clean"] = seconds(lambda: cleaned(run, clean, {}))
    found["count"] = seconds(lambda: counted(run))
    kept: dict[str, Any] = {}
    found["fit"] = seconds(lambda: kept.update(fitted_rules(run, more)))
    found["clean_with_fitted"] = seconds(lambda: cleaned(run, more, kept))
    return found


def main() -> None:
    parser = arguments("clean", __doc__ or "")
    parser.add_argument("--lines", type=int, help="raw lines; default 2,000,000, with --quick 200,000")
    options = parser.parse_args()
    lines = options.lines or (200_000 if options.quick else 2_000_000)
    with tempfile.TemporaryDirectory() as folder:
        config: Config = load(CONF, [f"generate.lines={lines}", f"generate.customers={lines // 40}"], warehouse=folder)
        run = Run(config)
        try:
            assert config.generate is not None
            write_shop(run.spark, config.generate, seed=config.seed, folder=f"{folder}/raw")
            measured(run)  # the JVM compiles its plans
            rounds = [measured(run) for _ in range(ROUNDS)]
        finally:
            run.close()
    parts = {name: median(one[name] for one in rounds) for name in rounds[0]}
    ratios = [(one["clean"] + one["count"]) / one["copy"] for one in rounds]
    whole = parts["clean"] + parts["count"]
    peers = {"bare copy, seconds": parts["copy"]}
    more = {"lines": lines, "seconds": parts, "lines_per_second": lines / whole, "rounds": rounds}
    write(
        options.out,
        [claim("clean_over_bare_copy", ratios, unit="× a bare copy", goal=GOAL, better="lower", peers=peers, **more)],
    )


if __name__ == "__main__":
    main()
