"""What makes a stage's result: its input versions, its resolved configuration and its code, as one hash (law 3)."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ringmill.hashing import digest

PACKAGE = "ringmill"
ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.txt"
DATA = (".html", ".css", ".properties")


def stage_key(inputs: Mapping[str, Any], configuration: Mapping[str, Any], code: str) -> str:
    """The hash under which a stage's result is published."""
    return digest({"inputs": inputs, "configuration": configuration, "code": code})


@cache
def code_hash(*modules: str) -> str:
    """SHA-256 over `modules`, every ringmill module that they import, the files they read beside them, and the lock."""
    hasher = hashlib.sha256(LOCK.read_bytes())
    sources = closure(modules)
    beside = {file for folder in {path.parent for path in sources} for file in folder.iterdir() if file.suffix in DATA}
    for path in sorted(sources | beside):
        hasher.update(path.relative_to(ROOT).as_posix().encode())
        hasher.update(path.read_bytes())
    return hasher.hexdigest()


def closure(modules: Iterable[str]) -> set[Path]:
    """The files of `modules` and of all ringmill modules that they import, at any depth of the code."""
    waiting, found = [_file(name) for name in modules], set[Path]()
    while waiting:
        path = waiting.pop()
        if path is None or path in found:
            continue
        found.add(path)
        waiting.extend(_file(name) for name in imported(path))
    return found


def imported(path: Path) -> set[str]:
    """Dotted names of the ringmill modules that a source file imports, those inside functions included."""
    names = set[str]()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == PACKAGE}


def _file(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split(".")[1:])
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None  # a name inside a module
