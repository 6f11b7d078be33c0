"""Pre-flight between ranks: what the ring will need is tried before it is built, on networks that really fail."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from handoff.tables import features_table, write_table
from ringmill.errors import RankLost, TrainingError
from ringmill.train.facts import Facts
from ringmill.train.launch.hosts import HostsLauncher
from ringmill.train.peers import INTERFACE, Door, Peer, check_peers, met_at, own_address, peers_of
from train.namespaces import Network, network, why_not
from train.runs import rank_processes, run, spec_of

PROVE = Path(__file__).resolve().parents[2] / "scripts" / "prove_horovod.py"


def facts_of(hosts: str) -> list[Facts]:
    """Rank i's on host hosts[i], at port i."""
    seen = {"versions": {}, "memory": 0, "spec": "", "folder_problem": "", "table_problem": "", "launcher": ""}
    return [Facts(host=host, address=f"10.0.0.{host}", pid=1, port=rank, **seen) for rank, host in enumerate(hosts)]


@pytest.mark.parametrize(
    ("hosts", "tried"),
    [
        ("1", [[]]),
        ("11", [[1], [0]]),
        ("12", [[1], [0]]),
        ("1111", [[1, 3], [0, 2], [1, 3], [0, 2]]),
        # Rank 0 has neighbours 1 and 5; of host 2, with ranks 2 and 3, it tries the first, of host 3 the first too.
        ("112233", [[1, 2, 4, 5], [0, 2, 3, 5], [0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5], [0, 1, 3, 4]]),
    ],
)
def test_a_rank_tries_its_neighbours_and_every_other_host(hosts: str, tried: list[list[int]]) -> None:
    facts = facts_of(hosts)
    assert [[peer.rank for peer in peers_of(rank, facts)] for rank in range(len(hosts))] == tried


def test_ranks_of_one_host_are_tried_on_the_loopback_and_others_where_the_ring_meets_them() -> None:
    assert [peer.address for peer in peers_of(0, facts_of("11"))] == ["127.0.0.1"]
    assert [peer.address for peer in peers_of(0, facts_of("112"))] == ["10.0.0.1", "10.0.0.2"]


def test_a_peer_whose_port_is_closed_is_named_and_one_whose_door_is_open_is_not() -> None:
    door = Door()
    check_peers(0, "a", [Peer(1, "b", "127.0.0.1", door.port)])
    door.close()
    with pytest.raises(TrainingError) as caught:
        check_peers(0, "a", [Peer(1, "b", "127.0.0.1", door.port)])
    assert caught.value.received == (
        f"rank 0 on host a cannot reach rank 1 on host b at 127.0.0.1:{door.port} (Connection refused)"
    )


def test_the_interface_that_horovod_is_told_to_use_is_the_one_that_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INTERFACE, "lo")
    assert own_address() == "127.0.0.1"
    monkeypatch.setenv(INTERFACE, "none0")
    assert own_address() == ""
    monkeypatch.delenv(INTERFACE)
    assert own_address() == socket.gethostbyname(socket.gethostname())


def test_a_door_is_open_at_the_named_interface_alone_and_tried_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INTERFACE, "lo")
    door = Door()
    socket.create_connection(("127.0.0.1", door.port)).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", door.port))
    door.close()
    there = [replace(fact, door="10.0.0.7") for fact in facts_of("11")]
    assert [peer.address for peer in peers_of(0, there)] == ["10.0.0.7"]


def test_who_comes_by_one_address_of_this_machine_is_met_there_and_others_everywhere() -> None:
    assert met_at(["127.0.0.1", "127.0.0.1"]) == "127.0.0.1"
    assert met_at(["127.0.0.1", "10.0.0.7"]) == ""
    assert met_at(["192.0.2.1"]) == ""


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """Two hosts, a and b, and the ssh that reaches them."""
    if reason := why_not():
        pytest.skip(reason)
    with network(["a", "b"], tmp_path) as made:
        monkeypatch.setenv("PATH", f"{made.bin}{os.pathsep}{os.environ['PATH']}")
        yield made


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_table(tmp_path_factory.mktemp("peers") / "table", features_table(60, seed=5))


@pytest.mark.ring
def test_hosts_that_reach_the_launcher_and_not_each_other_are_refused_by_name(
    hosts: Network, table: str, tmp_path: Path
) -> None:
    hosts.part("a", "b")
    lines = []
    with pytest.raises(TrainingError, match="Training cannot start: rank 0 on host a cannot reach rank 1") as caught:
        run(spec_of(table, tmp_path / "run", ranks=2, retries=1), HostsLauncher(("a", "b")), lines.append)
    assert not isinstance(caught.value, RankLost)
    assert (caught.value.where, lines) == ("pre-flight check", [])
    assert f"host b at {hosts.address('b')}:" in caught.value.received
    assert "(No route to host)" in caught.value.received
    assert rank_processes(tmp_path / "run") == {}


@pytest.mark.ring
def test_law_5_ranks_of_two_hosts_on_a_network_of_their_own_train_to_the_bits_of_one_host(
    hosts: Network, table: str, tmp_path: Path
) -> None:
    found = run(spec_of(table, tmp_path / "run", ranks=2, epochs=5), HostsLauncher(("a", "b")))
    local = run(spec_of(table, tmp_path / "local", ranks=2, epochs=5))
    assert found.manifest["decoded_copies"] == 2
    assert found.manifest["final_weights_sha256"] == local.manifest["final_weights_sha256"]


@pytest.mark.ring
def test_ranks_of_one_host_meet_on_the_loopback_though_its_name_means_nothing() -> None:
    # Unpatched, Horovod looks the name up whatever interface it is told to use: scripts/lock/horovod.patch.
    if reason := why_not():
        pytest.skip(reason)
    renamed = ["unshare", "--uts", "sh", "-c", 'hostname nobody-knows-it && exec "$0" "$@"']
    done = subprocess.run([*renamed, sys.executable, str(PROVE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
