"""What a rank finds on its host before it imports TensorFlow, and whether the ranks' findings allow a start."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ringmill.errors import TrainingError
from ringmill.train.peers import INTERFACE, own_address

PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "horovod", "numpy", "pyarrow")
HOME = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Facts:
    """One rank's host and process; `memory` bytes that are free there, `spec` the hash of the run's spec as read there.

    `address` is where the ring meets the host's ranks, '' for nowhere (see `own_address`), and `port` one of this
    process, at which the other ranks may try whether they reach it; `door` the one address where it can be tried, ''
    for any.

    `folder_problem` is why the run folder cannot be used there, `table_problem` why the table's first file cannot be
    read, '' where they can; `launcher` the address from which the rank's process was started, as its host sees it.
    """

    host: str
    address: str
    pid: int
    versions: Mapping[str, str]
    memory: int
    spec: str
    folder_problem: str
    table_problem: str
    launcher: str
    port: int = 0
    door: str = ""


def find_facts(spec: Path, *, port: int = 0, door: str = "") -> Facts:
    """Of this process, which others can try at `port`, of the address `door` alone where there is one."""
    blob, folder_problem, table_problem = b"", "", ""
    try:
        blob = spec.read_bytes()
        probe = spec.with_name(f".probe-{socket.gethostname()}-{os.getpid()}")
        probe.touch()
        probe.unlink()
    except OSError as error:
        folder_problem = f"{error.strerror}: {error.filename}"
    try:
        _open_table(blob)
    except OSError as error:
        table_problem = f"{error.strerror}: {error.filename}"
    return Facts(
        host=socket.gethostname(),
        address=own_address(),
        pid=os.getpid(),
        versions=find_versions(),
        memory=free_memory(),
        spec=hashlib.sha256(blob).hexdigest(),
        folder_problem=folder_problem,
        table_problem=table_problem,
        launcher=os.environ.get("SSH_CONNECTION", "127.0.0.1").split()[0],
        port=port,
        door=door,
    )


def _open_table(spec: bytes) -> None:
    """Open the first training file of a job, where it has a local path. Raises OSError."""
    files = json.loads(spec or b"{}").get("manifests", {}).get("train", {}).get("files", ())
    if files and "://" not in files[0]["path"]:
        Path(files[0]["path"]).open("rb").close()


def find_versions() -> dict[str, str]:
    """Of Python, of what a rank imports, and of Ringmill itself: the start of a hash over its sources."""
    found = {"python": platform.python_version(), "ringmill": code_id()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def code_id() -> str:
    """The start of a SHA-256 over the sources of this package from which the process runs."""
    hasher = hashlib.sha256()
    for path in sorted(HOME.rglob("*.py")):
        hasher.update(path.relative_to(HOME).as_posix().encode() + b"\0" + path.read_bytes())
    return hasher.hexdigest()[:12]


def free_memory(group: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that a new process may have: the machine's, or less where its control group (v2) allows less (Linux).

    Pages of files that nobody has used lately count as used there, and give way.
    """
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    try:
        names = ("memory.max", "memory.current", "memory.stat")
        limit, used, pages = ((group / name).read_text(encoding="ascii").strip() for name in names)
    except OSError:
        return free
    if limit == "max":
        return free
    cached = next((int(line.split()[1]) for line in pages.splitlines() if line.startswith("inactive_file ")), 0)
    return min(free, int(limit) - int(used) + cached)


def check_facts(
    facts: Sequence[Facts], *, folder: str, spec: str, code: str, bytes_per_rank: int, bytes_per_host: int
) -> None:
    """Check that all ranks may start; `facts[i]` is rank i's, `spec` the hash of the spec that lies in the run folder,
    `code` the launcher's own `code_id`, which the ledger keeps for what the ranks make.

    Raises:
        TrainingError: in one sentence, the first thing that is in the way.
    """
    _check_paths(facts, folder, spec)
    _check_versions(facts, code)
    _check_addresses(facts)
    for host, ranks in Counter(fact.host for fact in facts).items():
        free = min(fact.memory for fact in facts if fact.host == host)
        if (needed := bytes_per_host + ranks * bytes_per_rank) > free:
            raise TrainingError.not_ready(
                f"{ranks} ranks on host {host} need {needed:,} bytes of memory, and {free:,} are free",
                expected="room for the decoded rows of every rank",
                todo="free memory there, use fewer ranks per host, or train on fewer rows",
            )


def _check_paths(facts: Sequence[Facts], folder: str, spec: str) -> None:
    for rank, fact in enumerate(facts):
        problem = fact.folder_problem or ("another spec lies in it" if fact.spec != spec else "")
        if problem:
            raise TrainingError.no_folder(rank, fact.host, folder, problem)
        if fact.table_problem:
            raise TrainingError.not_ready(
                f"rank {rank} on host {fact.host} cannot read the table ({fact.table_problem})",
                expected="files that every rank sees under the same path",
                todo="put the table on a file system that all hosts share; if the version was vacuumed, build it again",
            )


def _check_versions(facts: Sequence[Facts], code: str) -> None:
    first = facts[0]
    if (found := first.versions["ringmill"]) != code:
        raise TrainingError.not_ready(
            f"rank 0 on host {first.host} runs Ringmill's sources {found}, and the driver {code}",
            expected="one Ringmill on the driver and on all hosts",
            todo="on a cluster run scripts/package again and submit what it made; else install the same on all hosts",
        )
    for fact in facts[1:]:
        for name in sorted({*first.versions, *fact.versions}):
            here, there = (one.versions.get(name, "none") for one in (first, fact))
            if here != there:
                raise TrainingError.not_ready(
                    f"{name} is {here} on host {first.host} and {there} on host {fact.host}",
                    expected="the same versions on all hosts",
                    todo="install the same environment on all hosts",
                )


def _check_addresses(facts: Sequence[Facts]) -> None:
    if len({fact.host for fact in facts}) == 1:
        return  # they meet on the loopback
    for fact in facts:
        if not fact.address or fact.address.startswith("127."):
            raise TrainingError.not_ready(
                f"host {fact.host} knows itself as {fact.address or 'nothing'}, where no other host reaches its ranks",
                expected="a host name that resolves, on its own host too, to an address that the other hosts reach",
                todo=f"correct /etc/hosts there, or name the interface that reaches the others in {INTERFACE}",
            )
