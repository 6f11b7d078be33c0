"""An environment of its own for Horovod's KerasEstimator: TensorFlow 2.15, PySpark 3.5, Petastorm, an older pyarrow."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringmill"
LOCK, HOROVOD = HERE / "peers" / "keras_estimator.txt", HERE.parent / "lock" / "horovod.txt"
BUILD = {
    "HOROVOD_WITH_TENSORFLOW": "1",
    "HOROVOD_WITHOUT_PYTORCH": "1",
    "HOROVOD_WITHOUT_MXNET": "1",
    "HOROVOD_WITHOUT_MPI": "1",
    "HOROVOD_WITH_GLOO": "1",
    "MAKEFLAGS": "-j2",
}


def interpreter() -> Path:
    """Its Python; made on the first call, Horovod's build included (about five minutes)."""
    key = hashlib.sha256(LOCK.read_bytes() + HOROVOD.read_bytes()).hexdigest()[:12]
    home = CACHE / "peers" / f"keras_estimator-{key}"
    python = home / "bin" / "python"
    if (home / "ready").exists():
        return python
    uv = str(CACHE / "uv" / "bin" / "uv")
    environment = {**os.environ, **BUILD, "VIRTUAL_ENV": str(home), "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}
    # Never from a cache of wheels: one built against another TensorFlow imports and then crashes.
    build = ["--no-cache", "--no-deps", "--no-build-isolation", "--no-binary", "horovod"]
    for command in (
        [uv, "venv", "-q", "--clear", "--python", sys.executable, str(home)],
        [uv, "pip", "install", "-q", "--require-hashes", "-r", str(LOCK)],
        [uv, "pip", "install", "-q", *build, "--require-hashes", "-r", str(HOROVOD)],
    ):
        subprocess.run(command, env=environment, check=True)
    (home / "ready").touch()
    return python


class PeerFailed(Exception):
    """The estimator did not come to its end; the last words of what it printed."""


def fits(rows: Path, *, epochs: int, batch: int, first_steps: int) -> list[dict[str, Any]]:
    """What each fit in one session took, the cold one and `first_steps` more, of which the last two have `epochs`
    epochs and the others one; see peers/keras_estimator.py. Raises PeerFailed."""
    with tempfile.TemporaryDirectory() as folder:
        script = HERE / "peers" / "keras_estimator.py"
        command = [str(interpreter()), str(script), str(rows), str(epochs), str(batch), folder, str(first_steps)]
        asked = subprocess.run(command, capture_output=True, text=True, env=_clean_environment())
    if asked.returncode:
        lines = [line.strip() for line in asked.stderr.splitlines() if "Error" in line]
        raise PeerFailed("; ".join(dict.fromkeys(lines))[:1_000])
    return [json.loads(line) for line in asked.stdout.splitlines() if line.startswith("{")]


def _clean_environment() -> dict[str, str]:
    """Without what points Python and Spark at this environment."""
    aside = ("PYTHONPATH", "SPARK_HOME", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")
    return {name: value for name, value in os.environ.items() if name not in aside}
