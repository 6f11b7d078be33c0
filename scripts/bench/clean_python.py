"""What cleaning pays for the two steps that run Python: links from cancellations to orders, and personal hashes.

The raw input is a generated shop (conf/default.yaml) in CSV. Each round times, one after the other: the cleaning of
that configuration without either; the same with customer_id under a keyed hash; and the links, read from the written
table and written as their own. Samples are ratios to the round's own plain cleaning.
"""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from common import arguments, claim, seconds, write

from ringmill.clean import clean_rows, link_cancellations
from ringmill.config import Clean, load
from ringmill.contracts import CLEAN_CANCELLATIONS, CLEAN_ROWS
from ringmill.generate.shop import write_shop
from ringmill.lake.files import find_source
from ringmill.lake.raw import read_raw
from ringmill.pipeline.stage import Run

CONF = Path(__file__).resolve().parents[2] / "conf" / "default.yaml"
ROUNDS = 5


def cleaned(run: Run, clean: Clean) -> None:
    config = run.config
    lines = read_raw(run.spark, find_source(config.raw))
    rows = clean_rows(lines, raw=config.raw, clean=clean, zone=config.zone, batch="b")
    run.lake.write(rows, CLEAN_ROWS, run_id=run.run_id)


def linked(run: Run) -> None:
    rows = run.spark.read.format("delta").load(run.lake.path(CLEAN_ROWS.path))
    run.lake.write(link_cancellations(rows), CLEAN_CANCELLATIONS, run_id=run.run_id)


def measured(run: Run, personal: Clean) -> dict[str, float]:
    """One round, in seconds; the table that is linked is the plain one."""
    found = {"hashed": seconds(lambda: cleaned(run, personal))}
    found["plain"] = seconds(lambda: cleaned(run, run.config.clean))
    found["links"] = seconds(lambda: linked(run))
    return found


def main() -> None:
    parser = arguments("clean_python", __doc__ or "")
    parser.add_argument("--lines", type=int, help="raw lines; default 2,000,000, with --quick 200,000")
    options = parser.parse_args()
    lines = options.lines or (200_000 if options.quick else 2_000_000)
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "key"
        key.write_text(secrets.token_hex(32), encoding="utf-8")
        config = load(CONF, [f"generate.lines={lines}", f"generate.customers={lines // 40}"], warehouse=folder)
        hashing = {"personal": [{"column": "customer_id", "action": "hash"}], "personal_key": {"file": str(key)}}
        personal = Clean.model_validate(config.clean.model_dump() | hashing)
        run = Run(config)
        try:
            assert config.generate is not None
            write_shop(run.spark, config.generate, seed=config.seed, folder=f"{folder}/raw")
            measured(run, personal)  # the JVM compiles its plans, and the workers start
            rounds = [measured(run, personal) for _ in range(ROUNDS)]
        finally:
            run.close()
    parts = {name: median(one[name] for one in rounds) for name in rounds[0]}
    more = {"lines": lines, "seconds": parts, "rounds": rounds}
    peers = {"plain cleaning, seconds": parts["plain"]}
    shared: dict[str, Any] = {"unit": "× plain cleaning", "better": "lower", "peers": peers, **more}
    write(
        options.out,
        [
            claim("hashed_over_plain_clean", [one["hashed"] / one["plain"] for one in rounds], goal=1.3, **shared),
            claim("links_over_plain_clean", [one["links"] / one["plain"] for one in rounds], goal=0.5, **shared),
        ],
    )


if __name__ == "__main__":
    main()
