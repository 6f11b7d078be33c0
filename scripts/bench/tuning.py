"""What the settings of a laptop's session cost: shuffle partitions, the driver's memory, and tasks at once.

Each round cleans the same generated lines (conf/default.yaml, key and all) into a warehouse of its own, by commands as
a person gives them, and computes RFM from them; seconds and the peak memory of all processes are those of the ledger.
A run that fails is kept with its exit status. These are examples to read settings by, and no claims.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from common import arguments, document

from ringmill.lake.ledger import Ledger
from ringmill.lake.tables import Lake

CONF = Path(__file__).parents[2] / "conf" / "default.yaml"
STAGES = ("clean", "rfm")
USUAL = {"spark.master": "local[2]", "spark.shuffle_partitions": "4", "spark.driver_memory": "1536m"}
VARIED = {
    "spark.shuffle_partitions": ("2", "16", "200"),
    "spark.driver_memory": ("512m", "768m", "3g"),
    "spark.master": ("local[1]", "local[4]"),
}


def variants() -> list[dict[str, str]]:
    """The usual settings, and those that differ from them in one."""
    return [USUAL, *(USUAL | {name: value} for name, values in VARIED.items() for value in values)]


def command(stage: str, warehouse: Path, settings: dict[str, str]) -> int:
    given = [argument for name, value in settings.items() for argument in ("--set", f"{name}={value}")]
    line = [sys.executable, "-m", "ringmill", stage, str(CONF), "--warehouse", str(warehouse), *given]
    return subprocess.run(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def measured(settings: dict[str, str], raw: Path, folder: Path) -> dict[str, Any]:
    """By stage the exit status, seconds and peak bytes of one run of both."""
    found: dict[str, Any] = {}
    for stage in STAGES:
        status = command(stage, folder, settings | {"raw.path": str(raw)})
        found[stage] = {"exit_status": status}
        if status:
            break
        entry = Ledger(Lake(str(folder))).resolve(stage)
        found[stage] |= {"seconds": entry.seconds, "peak_bytes": entry.peak_bytes, "files": files_of(folder, stage)}
    shutil.rmtree(folder)
    return found


def files_of(folder: Path, stage: str) -> int:
    table = {"clean": "clean/rows", "rfm": "rfm/customers"}[stage]
    return sum(1 for file in (folder / table).rglob("*.parquet") if "_delta_log" not in file.parts)


def summarised(settings: dict[str, str], rounds: list[dict[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {"settings": settings, "rounds": rounds}
    for stage in STAGES:
        done = [each[stage] for each in rounds if each.get(stage, {}).get("exit_status") == 0]
        whole[stage] = {
            "runs": len(done),
            "seconds": median(one["seconds"] for one in done) if done else None,
            "peak_mib": round(median(one["peak_bytes"] for one in done) / 2**20) if done else None,
            "files": done[0]["files"] if done else None,
        }
    return whole


def main() -> None:
    parser = arguments("tuning", __doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    lines, rounds = (100_000, 1) if options.quick else (options.lines, options.rounds)
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary) / "made"
        shop = {"generate.lines": str(lines), "generate.customers": str(max(100, lines // 40))}
        if status := command("generate", made, shop):
            raise SystemExit(status)
        found: list[list[dict[str, Any]]] = [[] for _ in variants()]
        for turn in range(rounds):
            for place, settings in enumerate(variants()):
                found[place].append(measured(settings, made / "raw" / "orders", Path(temporary) / "lake"))
                print(f"round {turn + 1}: {settings} {found[place][-1]}", flush=True)
    runs = [summarised(settings, each) for settings, each in zip(variants(), found, strict=True)]
    document(options.out, {"lines": lines, "runs": runs})


if __name__ == "__main__":
    main()
