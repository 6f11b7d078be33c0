"""Ranks on named hosts, each held by an ssh: its pipes are the rank's, and its end is the rank's end.

Horovod's own launcher gives a process no pipe that keeps it alive and none to tell how it is, and trusts any host key;
of it we use the rendezvous server. Everything about the way to a host (user, port, key, jump hosts) is ssh's own
configuration. Every host has the launcher's Python and packages under the same paths, and the run folder.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from ringmill.errors import TrainingError
from ringmill.train.launch.process import Launch, RankProcess, rank_arguments, wait_for, wait_for_facts
from ringmill.train.peers import met_at, peers_of
from ringmill.train.placing import Placed, by_names, places
from ringmill.train.ranks import Rendezvous, check_horovod, rank_settings

KILL_SECONDS = 20
SSH = (
    "ssh",
    "-o",
    "BatchMode=yes",  # nobody is there to be asked for a password
    "-o",
    "AddressFamily=inet",  # the rendezvous server listens on IPv4
    "-o",
    "ConnectTimeout=8",
    # A host that has lost its power ends no connection.
    "-o",
    "ServerAliveInterval=5",
    "-o",
    "ServerAliveCountMax=3",
)


@dataclass
class RemoteRank(RankProcess):
    """A rank at the other end of an ssh."""

    reach: Sequence[str] = ()

    def kill(self) -> None:
        # A rank that is stopped does not see its pipe end: the connection's end alone would leave it behind.
        if self.status is None and self.facts:
            command = [*self.reach, f"kill -KILL {self.facts.pid}"]
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=KILL_SECONDS)
        super().kill()


@dataclass(frozen=True)
class HostsLauncher:
    """Starts ranks over ssh on `hosts`, in their order: 'name' takes one, 'name:4' four. `options` are ssh's."""

    hosts: tuple[str, ...]
    options: tuple[str, ...] = ()
    name: str = "hosts"

    def check(self, ranks: int) -> None:
        """Raises TrainingError where Horovod is missing, or the hosts have fewer places than there are ranks."""
        if ranks > 1:
            check_horovod()
        if (there := len(places(self.hosts))) < ranks:
            raise TrainingError.not_ready(
                f"{ranks} ranks need {ranks} places, and train.hosts has {there}",
                "name more hosts, or more places of a host, as in 'name:4'",
                expected="a place for each rank",
            )

    def placed(self, ranks: int) -> Placed:
        """As train.hosts says."""
        return by_names(ranks, self.hosts)

    def launch(self, launch: Launch) -> None:
        """Run all ranks to their end. Raises TrainingError when one fails; none is left behind."""
        with ExitStack() as stack:
            started = []
            for rank, host in enumerate(places(self.hosts)[: launch.ranks]):
                reach = [*SSH, *self.options, host]
                process = RemoteRank.start(rank, launch, [*reach, remote_command(launch.spec, rank)])
                process.reach = reach
                started.append(process)
                stack.callback(process.end)
            facts = wait_for_facts(started)
            launch.check(facts)
            if launch.ranks == 1:
                started[0].tell({})
            else:
                server = stack.enter_context(Rendezvous(met_at(fact.launcher for fact in facts)))
                hosts = [fact.host for fact in facts]
                for process, fact in zip(started, facts, strict=True):
                    settings = rank_settings(process.rank, hosts, address=fact.launcher, port=server.port)
                    reached = {"HOROVOD_GLOO_RENDEZVOUS_ADDR": fact.launcher}
                    process.tell(settings | launch.settings | reached, peers_of(process.rank, facts))
            wait_for(started, limit=launch.stall_seconds)


def remote_command(spec: Path, rank: int) -> str:
    """The rank's command line for a shell on another host, with the launcher's Python and the way to its packages."""
    folders = [str(Path(folder).absolute()) for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    path = f"PYTHONPATH={os.pathsep.join(folders)}"
    return f"exec {shlex.join(['env', path, sys.executable, *rank_arguments(spec, rank)])}"
