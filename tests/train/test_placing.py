"""How many ranks a host will have, as far as it is known before they are there."""

from __future__ import annotations

import pytest

from ringmill.config.train import Train
from ringmill.train.placing import placed_by


@pytest.mark.parametrize(
    ("section", "master", "host_ranks", "known"),
    [
        ({"launcher": "local"}, "", 4, True),
        ({"launcher": "local", "engine": "mirrored"}, "spark://a:7077", 4, True),
        ({}, "local", 4, True),
        ({}, "local[*]", 4, True),
        ({}, "local[4,2]", 4, True),
        ({}, "local-cluster[2,2,1024]", 4, True),
        ({}, "", 1, False),
        ({}, "yarn", 1, False),
        ({}, "spark://localhost:7077", 1, False),
        ({}, "k8s://https://local:6443", 1, False),
        ({"ranks": 1}, "yarn", 1, True),
        ({"launcher": "hosts", "hosts": ("a:4",)}, "", 4, True),
        ({"launcher": "hosts", "hosts": ("a", "b:3")}, "", 3, False),
        ({"launcher": "hosts", "hosts": ("a:2", "b:9")}, "", 2, False),
        ({"launcher": "hosts", "hosts": ("a", "b", "a:2")}, "", 3, False),
    ],
)
def test_ranks_of_the_fullest_host(section: dict[str, object], master: str, host_ranks: int, known: bool) -> None:
    placed = placed_by(Train(**{"ranks": 4, **section}), master)
    assert (placed.host_ranks, placed.assumed == "") == (host_ranks, known)
