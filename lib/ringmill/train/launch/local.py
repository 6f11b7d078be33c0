"""All ranks as processes of this machine, children of this process."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ringmill.train.launch.process import RankProcess, wait_for
from ringmill.train.ranks import Rendezvous, check_horovod, rank_settings


@dataclass(frozen=True)
class LocalLauncher:
    """Starts ranks here; one rank needs no Horovod."""

    name: str = "local"

    def check(self, ranks: int) -> None:
        """Raises TrainingError where that many ranks could not start."""
        if ranks > 1:
            check_horovod()

    def launch(self, spec: Path, *, folder: Path, ranks: int) -> None:
        """Run all ranks to their end. Raises TrainingError when one fails; none is left behind."""
        with ExitStack() as stack:
            started = []
            for rank in range(ranks):
                started.append(RankProcess.start(rank, spec, folder / f"rank-{rank}.log"))
                stack.callback(started[-1].end)
            if ranks == 1:
                started[0].tell({})
            else:
                server = stack.enter_context(Rendezvous())
                for process in started:
                    process.tell(
                        rank_settings(process.rank, ["localhost"] * ranks, address="127.0.0.1", port=server.port)
                    )
            wait_for(started)
