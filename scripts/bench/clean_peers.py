"""The same checks by others: each peer in an environment of its own, made by uv; what it does and does not is said."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ringmill"


@dataclass(frozen=True)
class Peer:
    """A script in peers/ and what it needs; `does` and `does_not` are beside what cleaning does here."""

    script: str
    needs: tuple[str, ...]
    last_argument: str
    does: str
    does_not: str


PEERS = {
    "DuckDB": Peer(
        "clean_duckdb.py",
        ("duckdb>=1.4",),
        "{folder}/duckdb",
        "twelve rules as SQL, all reasons and flags of a row, exact duplicates by row_number, Parquet by status, and a "
        "profile of the written rows (counts, distincts, quantiles, moments); two threads",
        "runs on one machine alone; no Delta commit; no repair of bytes that are no UTF-8 and no torn lines (they are "
        "skipped); no raw values kept; no frequent values, histograms or mergeable states; nothing is known of earlier "
        "batches",
    ),
    "pandera[pyspark]": Peer(
        "clean_pandera.py",
        ("pandera[pyspark]", "pyspark==4.2.0", "pandas<3", "setuptools"),
        "1536m",
        "says for each of the checks whether some row violates it, and whether there are exact copies",
        "marks, rejects, fixes or counts no row; writes nothing; profiles nothing; a Spark job or more a check",
    ),
}


def peers_of(raw: str, folder: str, *, rounds: int) -> dict[str, Any]:
    """By peer its seconds in each round over the CSV files in `raw`, or why there are none."""
    return {name: _timed(peer, raw, folder, rounds) for name, peer in PEERS.items()}


def _timed(peer: Peer, raw: str, folder: str, rounds: int) -> dict[str, Any]:
    said = {"does": peer.does, "does_not": peer.does_not}
    try:
        python = _environment(peer)
        arguments = [f"{raw}/*.csv", peer.last_argument.format(folder=folder), str(rounds + 1)]
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SPARK_HOME")}
        environment["PYSPARK_PYTHON"] = str(python)
        run = subprocess.run(
            [str(python), str(HERE / "peers" / peer.script), *arguments],
            capture_output=True,
            text=True,
            env=environment,
            timeout=3_600,
        )
        if run.returncode:
            return said | {"failed": run.stderr.strip().splitlines()[-1][:300]}
        found = json.loads(run.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        return said | {"failed": reason.strip().splitlines()[-1][:300]}
    found["seconds"] = found["seconds"][1:]  # the first warms up
    return said | found


def _environment(peer: Peer) -> Path:
    """An environment with what the peer needs, kept for the next run."""
    folder = CACHE / "peers" / Path(peer.script).stem
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        uv = shutil.which("uv") or str(CACHE / "uv" / "bin" / "uv")
        shutil.rmtree(folder, ignore_errors=True)
        made = {"capture_output": True, "text": True, "check": True, "timeout": 900}
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(folder)], **made)  # type: ignore[call-overload]
        subprocess.run([uv, "pip", "install", "-q", "--python", str(python), *peer.needs], **made)  # type: ignore[call-overload]
        (folder / "ready").touch()
    return python
