"""The cost model against sums over links whose bandwidth and delay are stated: two ranks in network namespaces.

A link (links.py) delays packets and limits their rate in a process of this machine; what plain TCP finds of it stands
beside what was stated. The model (cost_model.py) takes its latency from a link without delay, the number of one-way
delays in a sum from one with 5 ms, and each link's bandwidth as TCP finds it; it is then held against sums of 1 KB to
16 MB over links that it has not seen. Namespaces and links are gone at the end. Needs root, and Linux.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
# The ranks import their functions by name; the namespaces are those of the tests.
os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
sys.path.append(str(HERE.parents[1] / "tests"))

from common import arguments, claim, write  # noqa: E402
from cost_model import RingCost  # noqa: E402
from links import Link, linked  # noqa: E402

from ringmill.train.call import call  # noqa: E402
from ringmill.train.launch.hosts import HostsLauncher  # noqa: E402
from train.namespaces import Network, network, why_not  # noqa: E402

GIGABIT = 1e9 / 8
# What the model is fitted to, and what it must foretell.
PLAIN, DELAYED = "1 Gbit/s, 0 ms", "1 Gbit/s, 5 ms"
LINKS = {
    PLAIN: Link(GIGABIT, 0.0),
    DELAYED: Link(GIGABIT, 5e-3),
    "1 Gbit/s, 1 ms": Link(GIGABIT, 1e-3),
    "100 Mbit/s, 1 ms": Link(GIGABIT / 10, 1e-3),
    "100 Mbit/s, 10 ms": Link(GIGABIT / 10, 1e-2),
}
SIZES, QUICK = [2**power for power in range(10, 25, 2)], [2**10, 2**16, 2**20, 2**22]
Found = Mapping[str, Any]


def measured(made: Network, link: Link, sizes: Sequence[int]) -> dict[str, Any]:
    """Delay and bandwidth of the link, and seconds of a sum by size, of the slower rank."""
    with tempfile.TemporaryDirectory() as folder, linked([made.space(name) for name in made.names], link):
        more = {"sizes": list(sizes), "folder": folder, "times": 5}
        both = call("ringed:shaped_seconds", HostsLauncher(made.names), ranks=2, folder=folder, arguments=more)
    return {
        "delay": max(one["delay"] for one in both),
        "bandwidth": min(one["bandwidth"] for one in both),
        "seconds": {size: max(one["seconds"][str(size)] for one in both) for size in sizes},
    }


def delays_in_a_sum(plain: Found, delayed: Found) -> float:
    """How many times a sum of few bytes waits for a packet to cross the link."""
    smallest = min(plain["seconds"])
    more = delayed["seconds"][smallest] - plain["seconds"][smallest]
    return float(more / (delayed["delay"] - plain["delay"]))


def foretold(plain: Found, delays: float, link: Found) -> dict[int, float]:
    """By size, what the model says of two ranks over a link."""
    base = RingCost.fitted(plain["seconds"], ranks=2)
    # Two messages make a sum of two ranks.
    latency = base.latency + delays / 2 * (link["delay"] - plain["delay"])
    cost = RingCost(latency, link["bandwidth"])
    return {size: cost.seconds(size, 2) for size in link["seconds"]}


def one_round(made: Network, sizes: Sequence[int]) -> dict[str, Any]:
    links = {name: measured(made, link, sizes) for name, link in LINKS.items()}
    delays = delays_in_a_sum(links[PLAIN], links[DELAYED])
    said = {name: foretold(links[PLAIN], delays, link) for name, link in links.items()}
    unseen = [name for name in LINKS if name not in (PLAIN, DELAYED)]
    off = [abs(links[name]["seconds"][size] / said[name][size] - 1) for name in unseen for size in sizes]
    return {"links": links, "delays": delays, "foretold": said, "off": median(off), "worst": max(off)}


def main() -> None:
    options = arguments("shaped", __doc__ or "").parse_args()
    if reason := why_not():
        sys.exit(f"shaped.py {reason}")
    sizes, rounds = (QUICK, 1) if options.quick else (SIZES, 5)
    with tempfile.TemporaryDirectory() as folder, network(("a", "b"), Path(folder)) as made:
        os.environ["PATH"] = f"{made.bin}{os.pathsep}{os.environ['PATH']}"
        made.resolve({name: f"10.214.0.{place + 1}" for place, name in enumerate(made.names)})
        found = [one_round(made, sizes) for _ in range(rounds)]
    peers = {
        name: {
            "stated": {"bytes a second": link.bandwidth, "one-way seconds": link.delay},
            "as TCP finds it": {
                "bytes a second": median(one["links"][name]["bandwidth"] for one in found),
                "one-way seconds": median(one["links"][name]["delay"] for one in found),
            },
            "seconds of a sum by bytes": {
                str(size): {
                    "measured": median(one["links"][name]["seconds"][size] for one in found),
                    "foretold": median(one["foretold"][name][size] for one in found),
                }
                for size in sizes
            },
        }
        for name, link in LINKS.items()
    }
    shared: dict[str, Any] = {"better": "lower", "peers": peers}
    claims = [
        claim(
            "cost_model_off_shaped_links",
            [one["off"] for one in found],
            unit="of the forecast's seconds",
            goal=0.15,
            worst=[one["worst"] for one in found],
            **shared,
        ),
        # A ring of two itself needs two messages.
        claim("one_way_delays_in_a_sum", [one["delays"] for one in found], unit="delays", goal=2.0, **shared),
    ]
    write(options.out, claims)


if __name__ == "__main__":
    main()
