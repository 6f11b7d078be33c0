"""All ranks as processes of this machine, children of this process."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from ringmill.train.launch.process import Launch, RankProcess, wait_for, wait_for_facts
from ringmill.train.peers import LOOPBACK, peers_of
from ringmill.train.placing import Placed, on_one_host
from ringmill.train.ranks import Rendezvous, check_horovod, rank_settings


@dataclass(frozen=True)
class LocalLauncher:
    """Starts ranks here; one rank needs no Horovod."""

    name: str = "local"

    def check(self, ranks: int) -> None:
        """Raises TrainingError where that many ranks could not start."""
        if ranks > 1:
            check_horovod()

    def placed(self, ranks: int) -> Placed:
        """All of them here."""
        return on_one_host(ranks)

    def launch(self, launch: Launch) -> None:
        """Run all ranks to their end. Raises TrainingError when one fails; none is left behind."""
        with ExitStack() as stack:
            started = []
            for rank in range(launch.ranks):
                started.append(RankProcess.start(rank, launch))
                stack.callback(started[-1].end)
            facts = wait_for_facts(started)
            launch.check(facts)
            if launch.ranks == 1:
                started[0].tell({})
            else:
                server = stack.enter_context(Rendezvous(LOOPBACK))
                hosts = ["localhost"] * launch.ranks
                for process in started:
                    settings = rank_settings(process.rank, hosts, address=LOOPBACK, port=server.port)
                    process.tell(settings | launch.settings, peers_of(process.rank, facts))
            wait_for(started, limit=launch.stall_seconds)
