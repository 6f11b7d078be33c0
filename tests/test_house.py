"""The house's rules about imports, read from the sources."""

import ast
import re

import pytest

from ringmill.lake.key import ROOT, closure, imported

SOURCES = sorted(ROOT.rglob("*.py"))
CORE = {"", "errors", "contracts", "windows", "config", "columns", "hashing", "mixing", "ranking", "resampling", "uris"}
STAGES = ("clean", "rfm", "lifetime", "features", "handoff", "train", "score", "report", "generate", "augment")
# What a stage may import besides the core and itself.
ALLOWED = {
    "train": {"handoff"},
    "score": {"train", "features"},
    "rfm": {"lifetime"},
    "features": {"lifetime"},
    "augment": {"features"},
    "generate": {"lake"},  # its files on disk, and the key that says whether they are there
}


def room(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] if len(parts) > 1 or parts[0] != "__init__" else ""


def rooms_of(names):
    return {name.split(".")[1] if "." in name else "" for name in names}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_the_core_and_never_its_neighbour(stage):
    for path in (ROOT / stage).rglob("*.py"):
        beyond = rooms_of(imported(path)) - CORE - {stage, "__version__"} - ALLOWED.get(stage, set())
        assert not beyond, f"{path.relative_to(ROOT)} imports {sorted(beyond)}"


def test_the_core_imports_no_room():
    for name in ("windows", "columns", "hashing", "mixing", "ranking", "resampling"):
        assert rooms_of(imported(ROOT / f"{name}.py")) <= CORE
    for room in ("config", "contracts", "errors"):
        for path in (ROOT / room).rglob("*.py"):
            assert rooms_of(imported(path)) <= CORE


def graph():
    """Imports at a module's top level; those inside functions run later and close no cycle."""
    edges = {}
    for path in SOURCES:
        tree = ast.parse(path.read_bytes())
        top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {f"{node.module}" for node in top if isinstance(node, ast.ImportFrom) and node.module}
        names |= {f"{n.module}.{a.name}" for n in top if isinstance(n, ast.ImportFrom) and n.module for a in n.names}
        edges[path] = {found for found in closure_step(names) if found != path}
    return edges


def closure_step(names):
    wanted = {name for name in names if name.split(".")[0] == "ringmill"}
    files = {".".join(("ringmill", *p.relative_to(ROOT).with_suffix("").parts)): p for p in SOURCES}
    return {files[name] for name in wanted if name in files}


def test_no_import_cycle():
    edges, done, path = graph(), set(), []

    def visit(node):
        assert node not in path, " → ".join(p.stem for p in [*path[path.index(node) :], node])
        if node in done:
            return
        path.append(node)
        for following in edges[node]:
            visit(following)
        path.pop()
        done.add(node)

    for source in SOURCES:
        visit(source)


def imports_of(path, package):
    return re.search(rf"^\s*(from|import) {package}\b", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_horovod_is_imported_in_one_module():
    assert [p.relative_to(ROOT).as_posix() for p in SOURCES if imports_of(p, "horovod")] == ["train/ranks.py"]


PLAIN = (
    "ringmill.train.rank",
    "ringmill.score.scorer",
    "ringmill.handoff.read",
    "ringmill.features.images.encode",
    "ringmill.features.images.state",
    "ringmill.features.text.clean",
    "ringmill.features.text.state",
)


@pytest.mark.parametrize("entry", PLAIN)
def test_ranks_and_scorers_never_import_pyspark(entry):
    assert not [p.relative_to(ROOT).as_posix() for p in closure([entry]) if imports_of(p, "pyspark")]


def test_only_the_lake_and_the_barrier_start_or_hold_a_session():
    holders = {room(p) for p in SOURCES if "SparkSession.builder" in p.read_text(encoding="utf-8")}
    assert holders == {"lake"}


def test_nothing_of_tensorflow_is_imported_by_sparks_workers():
    for module in (
        "ringmill.score.batches",
        "ringmill.features.apply",
        "ringmill.features.images.fit",
        "ringmill.generate.shop",
        "ringmill.lake.images",
        "ringmill.features.text.assemble",
        "ringmill.augment.rows",
    ):
        found = [p.relative_to(ROOT).as_posix() for p in closure([module]) if imports_of(p, "(tensorflow|keras)")]
        assert not found, f"{module} reaches {found}"


def test_the_module_sizes_stay_readable():
    long = {p.relative_to(ROOT).as_posix(): n for p in SOURCES if (n := len(p.read_text().splitlines())) > 400}
    assert not long
