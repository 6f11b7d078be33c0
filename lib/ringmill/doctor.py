"""`ringmill doctor`: what this machine has, and whether it is enough. Nothing is started but `java -version`."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from ringmill import __version__
from ringmill.lake.session import delta_jars

PACKAGES = ("pyspark", "delta-spark", "deltalake", "pyarrow", "numpy", "keras", "horovod")
# One of them: that for GPUs is in the environment of scripts/bootstrap --gpu.
TENSORFLOW = ("tensorflow-cpu", "tensorflow")
JAVA_AT_LEAST = 17
MEMORY_GIB = 6


@dataclass(frozen=True)
class Finding:
    """One line of the examination; `todo` is empty where all is well."""

    subject: str
    found: str
    todo: str = ""


def main() -> int:
    """Print the findings; returns 0, or 2 where something that Ringmill needs is missing."""
    table = Table(box=None, pad_edge=False)
    for title in ("", "found", "to do"):
        table.add_column(title, overflow="fold")
    findings = [finding for look in LOOKS for finding in look()]
    for finding in findings:
        mark = "[red]missing[/]" if finding.todo else "[green]ok[/]"
        table.add_row(finding.subject, finding.found, f"{mark} {finding.todo}".strip())
    Console(highlight=False).print(table)
    return 2 if any(finding.todo for finding in findings) else 0


def versions() -> dict[str, str]:
    """Installed version of each package that a result depends on; 'not installed' where it is absent."""
    found = {"ringmill": __version__, "python": platform.python_version()}
    # Where neither is, the one that every machine can use is missed.
    tensorflow = next((name for name in TENSORFLOW if _version(name)), TENSORFLOW[0])
    return found | {name: _version(name) or "not installed" for name in (*PACKAGES, tensorflow)}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _versions() -> list[Finding]:
    todo = "run scripts/bootstrap"
    return [Finding(name, found, todo if found == "not installed" else "") for name, found in versions().items()]


def _java() -> list[Finding]:
    install = f"install Java {JAVA_AT_LEAST}: apt-get install openjdk-17-jre-headless"
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None:
        return [Finding("java", "no 'java' on PATH", install)]
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError) as error:
        return [Finding("java", f"{java} does not run: {error}", install)]
    number = re.search(r'version "(\d+)', said)
    enough = number is not None and int(number[1]) >= JAVA_AT_LEAST
    return [Finding("java", said.splitlines()[0], "" if enough else install)]


def _machine() -> list[Finding]:
    memory = psutil.virtual_memory().total / 2**30
    return [
        Finding("cores", str(os.cpu_count())),
        Finding("memory", f"{memory:.1f} GiB", "" if memory >= MEMORY_GIB else f"at least {MEMORY_GIB} GiB"),
        Finding("GPUs", _gpus()),
    ]


def _gpus() -> str:
    if (tool := shutil.which("nvidia-smi")) is None:
        return "none (no nvidia-smi)"
    said = subprocess.run(
        [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"], capture_output=True, text=True
    )
    return "; ".join(said.stdout.split("\n")).strip("; ") or "none"


def _horovod() -> list[Finding]:
    from ringmill.train.ranks import built_with

    built = built_with()
    gloo, nccl = built.get("gloo", False), built.get("nccl", False)
    return [
        Finding("Horovod: Gloo", "yes" if gloo else "no", "" if gloo else "run scripts/bootstrap"),
        Finding("Horovod: NCCL", "yes" if nccl else "no (for GPUs: scripts/bootstrap --gpu)"),
    ]


def _delta() -> list[Finding]:
    jars = delta_jars()
    if jars:
        return [Finding("Delta's JARs", ", ".join(jar.name for jar in jars))]
    return [
        Finding("Delta's JARs", "not among Spark's JARs", "run scripts/bootstrap, or let Spark fetch them at its start")
    ]


LOOKS: tuple[Callable[[], list[Finding]], ...] = (_versions, _java, _machine, _horovod, _delta)
