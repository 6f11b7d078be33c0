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
from pathlib import Path

from ringmill.errors import RingmillError

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
    started = time.monotonic()
    from ringmill.train.spec import Job
    from ringmill.train.start import hide_unneeded, import_tensorflow

    job = Job.read(path)
    hide_unneeded()
    # One thread: ranks share the cores, and the order of a sum must not depend on how many threads there are.
    import_tensorflow(threads=1)
    from ringmill.train.ranks import connect
    from ringmill.train.session import run

    ring = connect(settings.result())
    run(job, ring, started=started)
    ring.close()


if __name__ == "__main__":
    main()
