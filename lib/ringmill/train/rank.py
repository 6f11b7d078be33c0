"""The process of one rank: `python -m ringmill.train.rank SPEC.json RANK`, started by a launcher alone.

The rank writes lines of JSON to standard output: {"facts": …} about its host before anything else, then {"pulse": …}
each second, {"refusal": …} if it cannot reach the others, and {"error": …} if it ends by an error that has a name.
Whatever is printed goes to standard error.

The launcher writes one line of JSON to standard input, the HOROVOD_* settings of this rank ({} for a ring of one) and
the peers that it is to try, and holds that pipe open. The pipe's end means that the launcher is gone, however it died:
the rank then ends at once. One that cannot see it, being stopped, is ended by the kernel.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringmill.errors import RingmillError, TrainingError
from ringmill.train.facts import find_facts
from ringmill.train.peers import KNOCK_SECONDS, Door, Peer, check_peers, check_reachable
from ringmill.train.pulse import JOINING, Pulse, Tell

if TYPE_CHECKING:
    from ringmill.train.devices import Device
    from ringmill.train.ranks import Ring

# A rank that could not go on because another one ended: its log is not where the cause is.
PEER_ENDED, ORPHANED = 75, 76
PR_SET_PDEATHSIG = 1  # of Linux, see prctl(2)


@dataclass(frozen=True)
class Entry:
    """The way into the ring: the settings to come, and the door that stays open until all ranks are in."""

    settings: Future[Mapping[str, str]]
    door: Door


def main() -> None:
    """Run the rank named by the arguments to its end; the exit status says how it went."""
    _end_with_launcher()
    tell, spec = _channel(), Path(sys.argv[1])
    door = Door()
    settings = _watch_launcher(tell)
    tell("facts", asdict(find_facts(spec, port=door.port, door=door.address)))
    pulse = Pulse(tell)
    pulse.start()
    try:
        _run(spec, Entry(settings, door), pulse)
        status = 0
    except RingmillError as error:
        tell("error", error.parts())
        _log(str(error))
        status = error.exit_status
    except Exception as error:
        _log(traceback.format_exc())
        status = PEER_ENDED if _lost_a_peer(error) else 1
    # Horovod's exit handlers wait for the other ranks, who may never come.
    os._exit(status)


def _end_with_launcher() -> None:
    """Have the kernel end this process with the thread that started it: one that is stopped (SIGSTOP) sees no pipe end
    (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _channel() -> Tell:
    """Standard output as a way to the launcher alone: what is printed from now on goes to standard error."""
    lock, channel = threading.Lock(), os.dup(1)
    os.dup2(2, 1)

    def tell(kind: str, content: Mapping[str, Any]) -> None:
        line = json.dumps({kind: content}).encode() + b"\n"
        with lock, suppress(OSError):  # a launcher that is gone is seen by the other pipe's end
            os.write(channel, line)

    return tell


def _log(text: str) -> None:
    with suppress(OSError):  # the log may lie on the disk that is full
        print(text, file=sys.stderr, flush=True)


def _watch_launcher(tell: Tell) -> Future[Mapping[str, str]]:
    """The settings, once they are there and the others are within reach; and the end of this process when the pipe
    ends."""
    settings: Future[Mapping[str, str]] = Future()

    def watch() -> None:
        if line := sys.stdin.buffer.readline():
            told = json.loads(line)
            _check_reach(told["settings"], [Peer(**peer) for peer in told["peers"]], tell)
            settings.set_result(told["settings"])
            sys.stdin.buffer.read()
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="launcher-watch", daemon=True).start()
    return settings


def _check_reach(settings: Mapping[str, str], peers: Sequence[Peer], tell: Tell) -> None:
    """The end of this process where others are out of reach: at once, whatever is being imported meanwhile."""
    if not settings:
        return
    host = settings["HOROVOD_HOSTNAME"]
    address, port = (settings[f"HOROVOD_GLOO_RENDEZVOUS_{part}"] for part in ("ADDR", "PORT"))
    try:
        check_reachable(address, int(port), host=host)
        check_peers(int(settings["HOROVOD_RANK"]), host, peers)
    except TrainingError as error:
        tell("refusal", error.parts())
        _log(str(error))
        time.sleep(KNOCK_SECONDS)  # the others may still be trying this rank: its end must not look like the cause
        os._exit(error.exit_status)


def _lost_a_peer(error: Exception) -> bool:
    text = f"{type(error).__name__}: {error}"
    return any(sign in text for sign in ("HorovodInternalError", "Horovod has been shut down", "gloo", "Gloo"))


def _run(path: Path, entry: Entry, pulse: Pulse) -> None:
    task = json.loads(path.read_text(encoding="utf-8"))
    if "function" in task:
        _call(path.parent, task, entry, pulse)
    else:
        _train(path, entry, pulse)


def _call(folder: Path, task: Mapping[str, Any], entry: Entry, pulse: Pulse) -> None:
    """Run a function of one's own, see `train.call`."""
    from ringmill.train.call import result_path

    module, name = task["function"].split(":")
    rings: list[Ring] = []

    def join() -> Ring:
        _import_tensorflow()
        rings.append(_join(entry, pulse, "auto"))
        return rings[-1]

    returned = getattr(import_module(module), name)(join, **task["arguments"])
    result_path(folder, int(entry.settings.result().get("HOROVOD_RANK", 0))).write_text(json.dumps(returned), "utf-8")
    for ring in rings:
        ring.close()


def _train(path: Path, entry: Entry, pulse: Pulse) -> None:
    started = time.monotonic()
    from ringmill.train.spec import Job

    job = Job.read(path)
    if job.spec.train.timeline:
        os.environ["HOROVOD_TIMELINE"] = str(path.with_name("timeline.json"))  # rank 0 writes it
    section = job.spec.train
    replicas = section.ranks // section.processes
    _import_tensorflow(replicas)
    from ringmill.train.session import run

    ring = _join(entry, pulse, section.device, replicas)
    run(job, ring, pulse, started=started)
    ring.close()


def _import_tensorflow(replicas: int = 1) -> None:
    """While the launcher finds out the settings."""
    from ringmill.train.start import hide_unneeded, import_tensorflow

    hide_unneeded()
    # One thread: ranks share the cores, and the order of a sum must not depend on how many threads there are.
    import_tensorflow(threads=1, replicas=replicas)


def _join(entry: Entry, pulse: Pulse, device: Device, replicas: int = 1) -> Ring:
    """The ring, once the launcher has said where it is, and all ranks are there."""
    from ringmill.train.devices import use
    from ringmill.train.ranks import connect

    with pulse.waiting():
        told = entry.settings.result()
    pulse.at(JOINING)
    use(device, local_rank=int(told.get("HOROVOD_LOCAL_RANK", 0)), replicas=replicas)
    ring = connect(told)
    entry.door.close()
    return ring


if __name__ == "__main__":
    main()
