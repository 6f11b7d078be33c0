"""What cleaning costs beside a bare copy: the same raw files read and written as one Delta table, in the same run.

The raw input is a generated shop in CSV (conf/default.yaml), the rules are the twelve of conf/online_retail.yaml. Each
round times one after the other: the copy; the rules alone (every line read, judged and written to the same partitioned
table, but compared with no other line); the rules with exact duplicates; the profile of what was written, with the
counts by which law 1 is checked; its examples; and the rules alone with four times as many of them. Samples are ratios
within a round. CPU seconds of the JVM stand beside them: they depend less on what else the machine does.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from clean_peers import peers_of
from common import arguments, claim, write
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ringmill.clean import clean_rows, summarise_quality
from ringmill.clean.marks import summarise_examples
from ringmill.clean.rows import judge_lines
from ringmill.config import Clean, Config, load
from ringmill.config.raw import Raw
from ringmill.contracts import CLEAN_ROWS
from ringmill.generate.shop import orders_path, write_shop
from ringmill.lake.files import find_source
from ringmill.lake.raw import read_raw
from ringmill.pipeline.stage import Run

CONF = Path(__file__).resolve().parents[2] / "conf"
SIZES, QUICK = (500_000, 5_000_000), (100_000,)
GOAL, GOAL_RULES, GOAL_MORE_RULES, GOAL_LINEAR = 2.5, 1.6, 1.5, 1.1

Seconds = dict[str, float]


def configured(lines: int, warehouse: str) -> Config:
    """The shop of conf/default.yaml under the rules of conf/online_retail.yaml; its other columns are not mapped."""
    sizes = [f"generate.lines={lines}", f"generate.customers={max(1, lines // 40)}"]
    shop, retail = load(CONF / "default.yaml", sizes, warehouse=warehouse), load(CONF / "online_retail.yaml")
    columns = {name: theirs for name, theirs in shop.raw.columns.items() if name in retail.raw.columns}
    formats = retail.raw.timestamp_formats
    raw = Raw.model_validate(shop.raw.model_dump() | {"columns": columns, "timestamp_formats": formats})
    return shop.model_copy(update={"raw_section": raw, "clean": retail.clean})


def four_times(clean: Clean) -> Clean:
    """The same rules under four names each, each with another bound or text, so that Spark cannot share their work."""
    rules = [rule.model_dump() for rule in clean.rules if rule.action != "fix"]
    fixes = [rule.model_dump() for rule in clean.rules if rule.action == "fix"]
    more = [_varied(rule, turn) for turn in range(4) for rule in rules]
    more += [fix | {"name": f"{fix['name']}_{turn}"} for turn in range(4) for fix in fixes]
    return Clean.model_validate(clean.model_dump() | {"rules": more})


def _varied(rule: dict[str, Any], turn: int) -> dict[str, Any]:
    changed = rule | {"name": f"{rule['name']}_{turn}"}
    if rule["violated_when"]:
        changed["violated_when"] = f"({rule['violated_when']}) AND quantity <> {1_000_000 + turn}"
    if rule["pattern"]:
        changed["pattern"] = f"{rule['pattern']}|x{{{turn + 1}}}"
    if rule["forbidden"]:
        changed["forbidden"] = (*rule["forbidden"], f"nowhere {turn}")
    if rule["minimum"] is not None:
        changed["minimum"] = rule["minimum"] - turn
    return changed


def copy(run: Run) -> None:
    """The peer: nothing but a read and a write."""
    lines = run.spark.read.option("header", True).csv(orders_path(f"{run.lake.root}/raw"))
    lines.write.format("delta").mode("overwrite").save(f"{run.lake.root}/copy")


def judged(run: Run, clean: Clean) -> None:
    """The rules alone: the status is what the row's own values give."""
    config = run.config
    lines = read_raw(run.spark, find_source(config.raw))
    rows = judge_lines(lines, raw=config.raw, clean=clean, zone=config.zone, batch="b")
    own = F.when(F.size("reasons") > 0, "rejected").otherwise("clean")
    nothing = F.lit(None).cast(rows.schema["identity"].dataType)
    added = {"status": F.coalesce("status", own), "status_batch": F.col("source_batch"), "identity": nothing}
    run.lake.write(rows.withColumns(added), CLEAN_ROWS, run_id=run.run_id)


def cleaned(run: Run) -> None:
    config = run.config
    lines = read_raw(run.spark, find_source(config.raw))
    rows = clean_rows(lines, raw=config.raw, clean=config.clean, zone=config.zone, batch="b")
    run.lake.write(rows, CLEAN_ROWS, run_id=run.run_id)


def written(run: Run) -> DataFrame:
    return run.spark.read.format("delta").load(run.lake.path(CLEAN_ROWS.path))


def profiled(run: Run) -> None:
    summarise_quality(written(run)).collect()


def shown(run: Run) -> None:
    summarise_examples(written(run), raw=run.config.raw, columns=list(run.config.raw.columns)).collect()


def measured(run: Run, more: Clean) -> tuple[Seconds, Seconds]:
    """One round: by part its seconds, and the CPU seconds of the JVM."""
    wall: Seconds = {}
    cpu: Seconds = {}
    steps: dict[str, Callable[[], None]] = {
        "copy": lambda: copy(run),
        "rules": lambda: judged(run, run.config.clean),
        "rules_4": lambda: judged(run, more),
        "clean": lambda: cleaned(run),
        "profile": lambda: profiled(run),
        "examples": lambda: shown(run),
    }
    for name, step in steps.items():
        started, spent = time.perf_counter(), _cpu()
        step()
        wall[name], cpu[name] = time.perf_counter() - started, _cpu() - spent
    return wall, cpu


def _cpu() -> float:
    times = [child.cpu_times() for child in psutil.Process().children() if child.name() == "java"]
    return sum(of.user + of.system for of in times)


def claims_of(lines: int, rounds: Sequence[tuple[Seconds, Seconds]], peers: dict[str, Any]) -> list[dict[str, Any]]:
    walls, cpus = [wall for wall, _ in rounds], [cpu for _, cpu in rounds]
    parts = {name: median(one[name] for one in walls) for name in walls[0]}
    cpu = {name: median(one[name] for one in cpus) for name in cpus[0]}
    whole = parts["clean"] + parts["profile"]
    more: dict[str, Any] = {"lines": lines, "seconds": parts, "cpu_seconds": cpu, "load": os.getloadavg()}
    all_peers = {"bare copy, seconds": parts["copy"], **peers}
    shares = {
        "read, rules and write": parts["rules"] / whole,
        "exact duplicates": (parts["clean"] - parts["rules"]) / whole,
        "profile and counts": parts["profile"] / whole,
        "beside it, examples": parts["examples"] / whole,
    }
    print(f"{lines:,} lines: " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()))
    size = f"{lines / 1e6:g}m"
    shared: dict[str, Any] = {"better": "lower", **more}
    in_cpu = (cpu["clean"] + cpu["profile"]) / cpu["copy"]
    all_of_it = {"shares": shares, "lines_per_second": lines / whole, "ratio_of_cpu_seconds": in_cpu}
    return [
        claim(
            f"clean_over_bare_copy_{size}",
            [(one["clean"] + one["profile"]) / one["copy"] for one in walls],
            unit="× a bare copy",
            goal=GOAL,
            peers=all_peers,
            **all_of_it,
            **shared,
        ),
        claim(
            f"rules_over_bare_copy_{size}",
            [one["rules"] / one["copy"] for one in walls],
            unit="× a bare copy",
            goal=GOAL_RULES,
            peers=all_peers,
            ratio_of_cpu_seconds=cpu["rules"] / cpu["copy"],
            **shared,
        ),
        claim(
            f"four_times_the_rules_{size}",
            [one["rules_4"] / one["rules"] for one in walls],
            unit="× the twelve rules",
            goal=GOAL_MORE_RULES,
            peers={"twelve rules, seconds": parts["rules"]},
            ratio_of_cpu_seconds=cpu["rules_4"] / cpu["rules"],
            **shared,
        ),
    ]


def linear(claims: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Seconds a line at the largest size over those at the smallest."""
    whole = [one for one in claims if one["name"].startswith("clean_over")]
    each = [(one["seconds"]["clean"] + one["seconds"]["profile"]) / one["lines"] for one in (whole[0], whole[-1])]
    peers = {f"seconds a line at {whole[0]['lines']:,} lines": each[0]}
    return claim("clean_linearity", [each[1] / each[0]], unit="×", goal=GOAL_LINEAR, better="lower", peers=peers)


def at(lines: int, rounds: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        config = configured(lines, folder)
        run = Run(config)
        try:
            assert config.generate is not None
            write_shop(run.spark, config.generate, seed=config.seed, folder=f"{folder}/raw")
            more = four_times(config.clean)
            measured(run, more)  # the JVM compiles its plans
            found = [measured(run, more) for _ in range(rounds)]
        finally:
            run.close()
        return claims_of(lines, found, peers_of(orders_path(f"{folder}/raw"), folder, rounds=min(rounds, 3)))


def main() -> None:
    parser = arguments("clean", __doc__ or "")
    parser.add_argument("--sizes", type=int, nargs="+", help="raw lines; 25000000 takes an hour on two cores")
    parser.add_argument("--rounds", type=int, help="default 5, with --quick 1")
    options = parser.parse_args()
    sizes = sorted(options.sizes or (QUICK if options.quick else SIZES))
    found = [one for lines in sizes for one in at(lines, options.rounds or (1 if options.quick else 5))]
    last = [one for one in found if one["name"].startswith("clean_over")][-1]
    found.append(last | {"name": "clean_over_bare_copy"})
    write(options.out, [*found, linear(found)] if len(sizes) > 1 else found)


if __name__ == "__main__":
    main()
