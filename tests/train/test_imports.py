"""Who may import what: ranks no JVM, Spark's workers no TensorFlow, and Horovod one module alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ringmill
from ringmill.lake.key import closure

HOUSE = Path(ringmill.__file__).parent


def packages(path: Path) -> set[str]:
    """Top-level names that a source imports, those inside functions included."""
    nodes = list(ast.walk(ast.parse(path.read_bytes())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {
        name.split(".")[0] for name in plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    }


@pytest.mark.parametrize(
    ("entry", "never"),
    [
        ("ringmill.train.rank", {"pyspark", "delta", "py4j"}),
        ("ringmill.train.tasks.purchase", {"pyspark", "delta", "py4j"}),
        ("ringmill.handoff.manifest", {"pyspark", "delta", "tensorflow", "keras", "horovod"}),
        ("ringmill.handoff.read", {"pyspark", "delta", "tensorflow", "keras", "horovod"}),
    ],
)
def test_the_closure_of_an_entry_never_imports(entry: str, never: set[str]) -> None:
    offenders = {path.name: packages(path) & never for path in closure([entry])}
    assert {name: found for name, found in offenders.items() if found} == {}


def test_the_walk_sees_imports_inside_functions() -> None:
    assert "pyspark" in packages(HOUSE / "train" / "launch" / "barrier.py")


def test_horovod_is_imported_by_one_module() -> None:
    assert [path.name for path in HOUSE.rglob("*.py") if "horovod" in packages(path)] == ["ranks.py"]


def test_launching_and_the_rendezvous_load_no_tensorflow() -> None:
    program = """
import sys
import ringmill.train.run, ringmill.train.launch.barrier, ringmill.train.launch.local
from ringmill.train.ranks import Rendezvous, check_horovod
check_horovod()
with Rendezvous("127.0.0.1"):
    print(sorted({"tensorflow", "keras", "pyspark"} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"
