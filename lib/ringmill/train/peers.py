"""Whether the ranks reach each other: each opens a port, and each tries some of the others' before the ring is built.

The ring connects every rank with every other on ports that the system picks. A firewall between two hosts that lets
both reach the launcher would otherwise show as minutes of silence.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ringmill.errors import TrainingError

if TYPE_CHECKING:
    from ringmill.train.facts import Facts

# A refused connection is told at once; a packet that is dropped on its way is sent again after one second and three.
KNOCK_SECONDS = 3.5
LOOPBACK = "127.0.0.1"
INTERFACE = "HOROVOD_GLOO_IFACE"


@dataclass(frozen=True)
class Peer:
    """Another rank, and where it can be tried whether it is within reach."""

    rank: int
    host: str
    address: str
    port: int


class Door:
    """A port of this process that the system picked, as it will pick the ring's. Who knocks is connected, no more."""

    def __init__(self) -> None:
        # Where an interface is named it listens there alone, as the ring will.
        self.address = own_address() if os.environ.get(INTERFACE) else ""
        # Nobody accepts: as many may wait as there are ranks on other hosts.
        self._socket = socket.create_server((self.address, 0), backlog=1024)
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()


def own_address() -> str:
    """The IPv4 address at which the ring will meet this host's ranks, where there are several hosts; '' if none.

    That of the interface which HOROVOD_GLOO_IFACE names, else what the host's name resolves to on the host itself.
    """
    if interface := os.environ.get(INTERFACE):
        return _address_of(interface)
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return ""


def met_at(addresses: Iterable[str]) -> str:
    """Where ranks can be met that come by `addresses`, as they see this machine: the one that it is, and '' for every
    interface where there are several, or one that is not this machine's own, such as a router's."""
    import psutil

    own = {one.address for listed in psutil.net_if_addrs().values() for one in listed}
    first, *others = set(addresses)
    return first if not others and first in own else ""


def _address_of(interface: str) -> str:
    import psutil

    addresses = psutil.net_if_addrs().get(interface, ())
    return next((one.address for one in addresses if one.family == socket.AF_INET), "")


def peers_of(rank: int, facts: Sequence[Facts]) -> list[Peer]:
    """Whom rank `rank` tries: its neighbours in the ring, and of every other host one rank; `facts[i]` is rank i's."""
    hosts = [fact.host for fact in facts]
    tried = {(rank - 1) % len(hosts), (rank + 1) % len(hosts)}
    for host in {*hosts} - {hosts[rank]}:
        there = [other for other, name in enumerate(hosts) if name == host]
        tried.add(there[rank % len(there)])
    # Where all share a host they meet on the loopback, whatever its name resolves to.
    one_machine = len(set(hosts)) == 1
    return [
        Peer(
            other,
            hosts[other],
            facts[other].door or (LOOPBACK if one_machine else facts[other].address),
            facts[other].port,
        )
        for other in sorted(tried - {rank})
    ]


def check_peers(rank: int, host: str, peers: Sequence[Peer]) -> None:
    """Connect to all `peers` at once, from rank `rank` on `host`.

    Raises:
        TrainingError: the first of them cannot be reached.
    """
    with ThreadPoolExecutor(max(len(peers), 1)) as pool:
        problems = list(pool.map(lambda peer: _problem(peer.address, peer.port), peers))
    for peer, problem in zip(peers, problems, strict=True):
        if problem:
            raise TrainingError.not_ready(
                f"rank {rank} on host {host} cannot reach rank {peer.rank} on host {peer.host} at "
                f"{peer.address}:{peer.port} ({problem})",
                expected="hosts whose ranks can connect to each other",
                todo="open the ports of net.ipv4.ip_local_port_range between the hosts, or name the interface by which "
                f"they reach each other in {INTERFACE}",
            )


def check_reachable(address: str, port: int, *, host: str) -> None:
    """Raises TrainingError where this host cannot connect to the rendezvous server."""
    if problem := _problem(address, port):
        raise TrainingError.not_ready(
            f"host {host} cannot reach the rendezvous at {address}:{port} ({problem})",
            expected="a network in which every rank can connect to rank 0's launcher",
            todo="open the port range of outgoing connections (net.ipv4.ip_local_port_range) between the hosts",
        )


def _problem(address: str, port: int) -> str:
    """Why nobody can be reached there; '' where somebody can."""
    try:
        socket.create_connection((address, port), timeout=KNOCK_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
