"""What every benchmark writes: claims with samples and peers, the machine, the versions and the commit, as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from ringmill.doctor import versions

RESULTS = Path(__file__).parent / "results"


def arguments(name: str, description: str) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, default=RESULTS / f"{name}.json", help="where the JSON goes")
    parser.add_argument("--quick", action="store_true", help="the same comparison on less, in a minute or two")
    return parser


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def claim(
    name: str,
    samples: Sequence[float],
    *,
    unit: str,
    goal: float,
    better: str,
    peers: dict[str, Any],
    by: Callable[[Sequence[float]], float] = median,
    **more: Any,
) -> dict[str, Any]:
    """One claim; `by` makes its value of the samples."""
    value = by(samples)
    met = value <= goal if better == "lower" else value >= goal
    figures = {"name": name, "value": value, "unit": unit, "goal": goal, "better": better, "met": met}
    return figures | {"samples": list(samples), "peers": peers} | more


def write(path: Path, claims: Sequence[dict[str, Any]]) -> None:
    """Write the JSON and print each claim's line."""
    document(path, {"claims": list(claims)})
    for each in claims:
        verdict = "met" if each["met"] else "MISSED"
        print(f"{each['name']}: {each['value']:.4g} {each['unit']} (goal {each['goal']:.4g}, {verdict})")


def document(path: Path, found: dict[str, Any]) -> None:
    """Write what was found as JSON, with the machine, the versions and the commit."""
    tree = found | {"machine": machine(), "versions": versions(), "commit": commit()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
    }


def commit() -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    return said.stdout.strip()
