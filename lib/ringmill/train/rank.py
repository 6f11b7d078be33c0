"""The process of one rank: `python -m ringmill.train.rank SPEC.json RANK`, started by a launcher alone.

The rank writes lines of JSON to standard output: {"facts": …} about its host before anything else, then {"pulse": …}
each second, and {"error": …} if it ends by an error that has a name. Whatever is printed goes to standard error.

The launcher writes one line of JSON to standard input, the HOROVOD_* settings of this rank ({} for a ring of one), and
holds that pipe open. The pipe's end means that the launcher is gone, however it died: the rank then ends at once.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringmill.errors import RingmillError
from ringmill.train.facts import check_reachable, find_facts
from ringmill.train.pulse import JOINING, Pulse, Tell

if TYPE_CHECKING:
    from ringmill.train.ranks import Ring

# A rank that could not go on because another one ended: its log is not where the cause is.
PEER_ENDED, ORPHANED = 75, 76


def main() -> None:
    """Run the rank named by the arguments to its end; the exit status says how it went."""
    tell, spec = _channel(), Path(sys.argv[1])
    settings = _watch_launcher()
    tell("facts", asdict(find_facts(spec)))
    pulse = Pulse(tell)
    pulse.start()
    try:
        _run(spec, settings, pulse)
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


def _watch_launcher() -> Future[Mapping[str, str]]:
    """The settings, once they are there; and the end of this process when the pipe ends."""
    settings: Future[Mapping[str, str]] = Future()

    def watch() -> None:
        if line := sys.stdin.buffer.readline():
            settings.set_result(json.loads(line))
            sys.stdin.buffer.read()
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="launcher-watch", daemon=True).start()
    return settings


def _lost_a_peer(error: Exception) -> bool:
    text = f"{type(error).__name__}: {error}"
    return any(sign in text for sign in ("HorovodInternalError", "Horovod has been shut down", "gloo", "Gloo"))


def _run(path: Path, settings: Future[Mapping[str, str]], pulse: Pulse) -> None:
    task = json.loads(path.read_text(encoding="utf-8"))
    if "function" in task:
        _call(path.parent, task, settings, pulse)
    else:
        _train(path, settings, pulse)


def _call(folder: Path, task: Mapping[str, Any], settings: Future[Mapping[str, str]], pulse: Pulse) -> None:
    """Run a function of one's own, see `train.call`."""
    from ringmill.train.call import result_path

    module, name = task["function"].split(":")
    rings: list[Ring] = []

    def join() -> Ring:
        _import_tensorflow()
        rings.append(_join(settings, pulse))
        return rings[-1]

    returned = getattr(import_module(module), name)(join, **task["arguments"])
    result_path(folder, int(settings.result().get("HOROVOD_RANK", 0))).write_text(json.dumps(returned), "utf-8")
    for ring in rings:
        ring.close()


def _train(path: Path, settings: Future[Mapping[str, str]], pulse: Pulse) -> None:
    started = time.monotonic()
    from ringmill.train.spec import Job

    job = Job.read(path)
    if job.spec.train.timeline:
        os.environ["HOROVOD_TIMELINE"] = str(path.with_name("timeline.json"))  # rank 0 writes it
    _import_tensorflow()
    from ringmill.train.session import run

    ring = _join(settings, pulse)
    run(job, ring, pulse, started=started)
    ring.close()


def _import_tensorflow() -> None:
    """While the launcher finds out the settings."""
    from ringmill.train.start import hide_unneeded, import_tensorflow

    hide_unneeded()
    # One thread: ranks share the cores, and the order of a sum must not depend on how many threads there are.
    import_tensorflow(threads=1)


def _join(settings: Future[Mapping[str, str]], pulse: Pulse) -> Ring:
    """The ring, once the launcher has said where it is, and all ranks are there."""
    from ringmill.train.ranks import connect

    with pulse.waiting():
        told = settings.result()
    pulse.at(JOINING)
    if told:
        address, port = (told[f"HOROVOD_GLOO_RENDEZVOUS_{part}"] for part in ("ADDR", "PORT"))
        check_reachable(address, int(port), host=told["HOROVOD_HOSTNAME"])
    return connect(told)


if __name__ == "__main__":
    main()
