"""The process of one rank: `python -m ringmill.train.rank SPEC.json`, started by a launcher, never by hand.

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
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringmill.errors import RingmillError

if TYPE_CHECKING:
    from ringmill.train.ranks import Ring

# A rank that could not go on because another one ended: its log is not where the cause is.
PEER_ENDED, ORPHANED = 75, 76


def main() -> None:
    """Run the rank named by the arguments to its end; the exit status says how it went."""
    settings = _watch_launcher()
    try:
        _run(Path(sys.argv[1]), settings)
        status = 0
    except RingmillError as error:
        print(error, file=sys.stderr)
        status = error.exit_status
    except Exception as error:
        traceback.print_exc()
        status = PEER_ENDED if _lost_a_peer(error) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Horovod's exit handlers wait for the other ranks, who may never come.
    os._exit(status)


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


def _run(path: Path, settings: Future[Mapping[str, str]]) -> None:
    task = json.loads(path.read_text(encoding="utf-8"))
    if "function" in task:
        _call(path.parent, task, settings)
    else:
        _train(path, settings)


def _call(folder: Path, task: Mapping[str, Any], settings: Future[Mapping[str, str]]) -> None:
    """Run a function of one's own, see `train.call`."""
    from ringmill.train.call import result_path

    module, name = task["function"].split(":")
    rings: list[Ring] = []

    def join() -> Ring:
        rings.append(_join(settings))
        return rings[-1]

    returned = getattr(import_module(module), name)(join, **task["arguments"])
    result_path(folder, int(settings.result().get("HOROVOD_RANK", 0))).write_text(json.dumps(returned), "utf-8")
    for ring in rings:
        ring.close()


def _train(path: Path, settings: Future[Mapping[str, str]]) -> None:
    started = time.monotonic()
    from ringmill.train.spec import Job

    job = Job.read(path)
    if job.spec.train.timeline:
        os.environ["HOROVOD_TIMELINE"] = str(path.with_name("timeline.json"))  # rank 0 writes it
    ring = _join(settings)
    from ringmill.train.session import run

    run(job, ring, started=started)
    ring.close()


def _join(settings: Future[Mapping[str, str]]) -> Ring:
    """TensorFlow is imported while the launcher finds out the settings."""
    from ringmill.train.start import hide_unneeded, import_tensorflow

    hide_unneeded()
    # One thread: ranks share the cores, and the order of a sum must not depend on how many threads there are.
    import_tensorflow(threads=1)
    from ringmill.train.ranks import connect

    return connect(settings.result())


if __name__ == "__main__":
    main()
