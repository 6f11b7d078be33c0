"""One rank against two on this machine, and what a cost model fitted to it says of 8 to 512 ranks.

Compute-bound: a CNN whose step takes 50 ms or more on one core; every rank is pinned to a core of its own and computes
with one thread, the single rank too. Weak: as many rows per rank; strong: as many rows per step. Two cores of one
machine share caches and memory, which no ring can mend: two ranks that are not connected, run at once, show how much of
the loss that is.

Latency-bound: Ringmill's own loop on a 64–32 MLP, 256 rows per rank, 128 steps in one graph call, not pinned.

The cost model (cost_model.py) is fitted to sums of 1 KB to 64 MB on two ranks, and held against the measured steps; its
forecast for many hosts takes this machine's latency and each network's bandwidth, and stands beside the efficiencies
that Horovod published for 512 GPUs on 25 Gbit/s (README of horovod/horovod: 90 % Inception V3 and ResNet-101, 68 %
VGG-16), with step times of a P100 at 64 images as TensorFlow's benchmarks give them. Each figure is a range: from all
latency growing with the ranks, and no sum hidden by computing, to none growing, and all hidden that can be.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
# The ranks import their functions by name.
os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])

from common import arguments, claim, write  # noqa: E402
from cost_model import RingCost  # noqa: E402

from ringmill.train.call import call  # noqa: E402
from ringmill.train.launch.local import LocalLauncher  # noqa: E402

ROWS = 128  # of the CNN's step on one rank
SIZES = [2**power for power in range(10, 27, 2)]
GIGABIT = 1e9 / 8
# Weights of the model, and seconds of a step of 64 images on one P100 (tensorflow.org/performance/benchmarks, 2017).
PUBLISHED = {
    "Inception V3": {"bytes": 23.9e6 * 4, "seconds": 64 / 142, "published": 0.90},
    "ResNet-101": {"bytes": 44.7e6 * 4, "seconds": 64 / 132, "published": 0.90},
    "VGG-16": {"bytes": 138.4e6 * 4, "seconds": 64 / 154, "published": 0.68},
}


def on_ranks(function: str, ranks: int, **more: Any) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        return call(f"ringed:{function}", LocalLauncher(), ranks=ranks, folder=folder, arguments=more)


def cnn_round(steps: int) -> dict[str, float]:
    """Seconds of a step: alone, two unconnected at once, two connected on as many rows each, and on half as many."""
    (alone,) = on_ranks("cnn_seconds", 1, rows=[ROWS], steps=steps, core=0)
    with ThreadPoolExecutor(2) as pool:
        apart = list(
            pool.map(lambda core: on_ranks("cnn_seconds", 1, rows=[ROWS], steps=steps, core=core)[0], range(2))
        )
    both = on_ranks("cnn_seconds", 2, rows=[ROWS, ROWS // 2], steps=steps, core=0)
    return {
        "alone": alone[str(ROWS)],
        "apart": max(one[str(ROWS)] for one in apart),
        "weak": max(one[str(ROWS)] for one in both),
        "strong": max(one[str(ROWS // 2)] for one in both),
        "gradient_bytes": both[0]["gradient_bytes"],
    }


def compute_bound(rounds: int, steps: int) -> list[dict[str, Any]]:
    found = [cnn_round(steps) for _ in range(rounds)]
    middle = {name: median(one[name] for one in found) for name in found[0]}
    peers = {
        "one rank, seconds a step": middle["alone"],
        "two unconnected ranks at once, seconds a step": middle["apart"],
        "efficiency of the two unconnected ones": middle["alone"] / middle["apart"],
    }
    shared: dict[str, Any] = {"unit": "of linear", "better": "higher", "peers": peers, "seconds": middle}
    return [
        claim("weak_efficiency_2", [one["alone"] / one["weak"] for one in found], goal=0.95, **shared),
        claim("strong_efficiency_2", [one["alone"] / (2 * one["strong"]) for one in found], goal=0.90, **shared),
        claim(
            "weak_efficiency_2_over_unconnected",
            [one["apart"] / one["weak"] for one in found],
            goal=0.95,
            **shared,
        ),
    ]


def latency_bound(rounds: int, steps: int) -> tuple[list[dict[str, Any]], RingCost]:
    same: dict[str, Any] = {"sizes": SIZES, "tensors": 1, "half": False, "times": 20}
    measured = [on_ranks("allreduce_seconds", 2, **same)[0] for _ in range(min(rounds, 3))]
    sums = {size: median(one[str(size)] for one in measured) for size in SIZES}
    cost = RingCost.fitted(sums, ranks=2)
    more: Mapping[str, Any] = {"rows_per_rank": 256, "steps": steps, "passes": 5}
    rounds_found = []
    for _ in range(rounds):
        (alone,) = on_ranks("mlp_seconds", 1, **more)
        both = on_ranks("mlp_seconds", 2, **more)
        rounds_found.append((alone["seconds"], max(one["seconds"] for one in both), both[0]["gradient_bytes"]))
    size = int(rounds_found[0][2])
    forecast = [one + cost.seconds(size, 2) for one, _, _ in rounds_found]
    peers = {
        "steps/s on one rank": median(1 / one for one, _, _ in rounds_found),
        "steps/s on two ranks": median(1 / two for _, two, _ in rounds_found),
        "steps/s that the cost model says of two": median(1 / said for said in forecast),
        "latency, seconds a message": cost.latency,
        "bandwidth, bytes a second": cost.bandwidth,
        "seconds of a sum by bytes": sums,
    }
    return [
        claim(
            "latency_bound_weak_efficiency_2",
            [one / two for one, two, _ in rounds_found],
            unit="of linear",
            goal=0.60,
            better="higher",
            peers=peers,
        ),
        claim(
            "latency_bound_off_cost_model",
            [abs(two / said - 1) for (_, two, _), said in zip(rounds_found, forecast, strict=True)],
            unit="of the forecast's seconds",
            goal=0.15,
            better="lower",
            peers=peers,
        ),
    ], cost


def forecast(cost: RingCost) -> dict[str, Any]:
    """By network and number of ranks, the least and the most efficiency of each published model."""
    found: dict[str, Any] = {}
    for gigabit in (10, 25, 200):
        network = RingCost(cost.latency, gigabit * GIGABIT)
        bounds = [(network, 0.0), (network.without_growth(2), 1.0)]
        found[f"{gigabit} Gbit/s"] = {
            name: {
                str(ranks): [
                    round(bound.efficiency(model["seconds"], int(model["bytes"]), ranks, overlap=hidden), 3)
                    for bound, hidden in bounds
                ]
                for ranks in (8, 64, 512)
            }
            for name, model in PUBLISHED.items()
        }
    found["published at 512 ranks, 25 Gbit/s"] = {name: model["published"] for name, model in PUBLISHED.items()}
    return found


def main() -> None:
    options = arguments("scaling", __doc__ or "").parse_args()
    rounds = 1 if options.quick else 5
    claims = compute_bound(rounds, steps=15 if options.quick else 40)
    more, cost = latency_bound(rounds, steps=128)
    claims += more
    claims[-1]["forecast"] = forecast(cost)
    write(options.out, claims)


if __name__ == "__main__":
    main()
