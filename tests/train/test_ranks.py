"""The settings that a launcher gives each rank, and the ring of one."""

from __future__ import annotations

import importlib.util
import socket

import numpy as np
import pytest

from ringmill.errors import TrainingError
from ringmill.train import ranks
from ringmill.train.ranks import Rendezvous, Solo, check_horovod, connect, rank_settings


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("a", ["0/1 0/1"]),
        ("aa", ["0/2 0/1", "1/2 0/1"]),
        ("ab", ["0/1 0/2", "0/1 1/2"]),
        ("aba", ["0/2 0/2", "0/1 1/2", "1/2 0/1"]),
    ],
)
def test_local_and_cross_ranks_follow_from_the_hosts(hosts: str, expected: list[str]) -> None:
    found = [rank_settings(rank, list(hosts), address="127.0.0.1", port=1) for rank in range(len(hosts))]
    keys = ("LOCAL_RANK", "LOCAL_SIZE", "CROSS_RANK", "CROSS_SIZE")
    assert ["{}/{} {}/{}".format(*(one[f"HOROVOD_{key}"] for key in keys)) for one in found] == expected
    assert [(one["HOROVOD_RANK"], one["HOROVOD_SIZE"]) for one in found] == [
        (str(rank), str(len(hosts))) for rank in range(len(hosts))
    ]


def test_ranks_of_one_machine_meet_on_the_loopback_and_others_do_not() -> None:
    assert rank_settings(0, ["a", "a"], address="10.0.0.9", port=1)["HOROVOD_GLOO_IFACE"] == "lo"
    assert "HOROVOD_GLOO_IFACE" not in rank_settings(0, ["a", "b"], address="10.0.0.9", port=1)


def test_the_rendezvous_listens_where_it_is_told_alone() -> None:
    with Rendezvous("127.0.0.1") as server:
        socket.create_connection(("127.0.0.1", server.port)).close()
        # Another address of this machine, which a server on every interface would answer too.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", server.port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))
    with pytest.raises(TrainingError, match=r"cannot be met at 192\.0\.2\.1"):
        Rendezvous("192.0.2.1")


def test_a_ring_of_one_gives_back_what_it_gets() -> None:
    ring, rows = connect({}), np.ones((2, 3))
    assert ring == Solo()
    assert ring.sum([rows], name="n")[0] is rows
    assert ring.gather(rows, name="n") is rows


@pytest.mark.parametrize("missing", ["tensorflow", "horovod", "horovod.tensorflow"])
def test_the_check_names_what_is_missing(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> object:
        return None if name == missing else importlib.util.find_spec(name)

    monkeypatch.setattr(ranks, "find_spec", find)
    with pytest.raises(TrainingError, match="(?i)" + missing.rsplit(".", 1)[-1]) as error:
        check_horovod()
    assert "scripts/bootstrap" in error.value.todo
