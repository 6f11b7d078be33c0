"""Bandwidth of the ring's sum on two ranks, beside what the loopback itself carries; what float16 and fusion change.

Bandwidth counts the tensor's bytes once: a ring of two must send and receive each byte of it once.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
# The ranks import their functions by name.
os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])

from common import arguments, claim, write  # noqa: E402

from ringmill.train.call import call  # noqa: E402
from ringmill.train.launch.local import LocalLauncher  # noqa: E402

MEGABYTE = 10**6
SIZES, QUICK = (1, 4, 16, 64, 256), (1, 16)
TENSORS = 64  # of the fused sum


def on_ranks(function: str, **more: Any) -> dict[int, float]:
    """Seconds by size, of the slower rank."""
    with tempfile.TemporaryDirectory() as folder:
        if function == "loopback_seconds":
            more["folder"] = folder
        found = call(f"ringed:{function}", LocalLauncher(), ranks=2, folder=folder, arguments=more)
    return {int(size): max(one[size] for one in found) for size in found[0]}


def one_round(sizes: list[int]) -> dict[str, dict[int, float]]:
    same: dict[str, Any] = {"sizes": sizes, "times": 5}
    return {
        "loopback": on_ranks("loopback_seconds", **same),
        "one tensor": on_ranks("allreduce_seconds", tensors=1, half=False, **same),
        "one tensor in float16": on_ranks("allreduce_seconds", tensors=1, half=True, **same),
        f"{TENSORS} tensors, fused": on_ranks("allreduce_seconds", tensors=TENSORS, half=False, **same),
    }


def main() -> None:
    options = arguments("allreduce", __doc__ or "").parse_args()
    sizes = [size * MEGABYTE for size in (QUICK if options.quick else SIZES)]
    rounds = [one_round(sizes) for _ in range(2 if options.quick else 5)]
    claims = []
    for size in sizes:
        seconds = {name: median(one[name][size] for one in rounds) for name in rounds[0]}
        claims.append(
            claim(
                f"allreduce_bandwidth_over_loopback_{size // MEGABYTE}mb",
                [one["loopback"][size] / one["one tensor"][size] for one in rounds],
                unit="of the loopback's bandwidth",
                goal=0.5,
                better="higher",
                peers={f"{name}, MB/s": size / MEGABYTE / took for name, took in seconds.items()},
            )
        )
    write(options.out, claims)


if __name__ == "__main__":
    main()
