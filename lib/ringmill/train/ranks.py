"""The ring of ranks: the only module that imports Horovod, and only where there is more than one rank."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ringmill.errors import TrainingError
from ringmill.train.devices import check_nccl
from ringmill.train.peers import LOOPBACK

INSTALL = "run scripts/bootstrap, which builds Horovod against the installed TensorFlow"


class Ring(Protocol):
    """What the loop asks of the other ranks. All ranks call the same collectives in the same order."""

    @property
    def size(self) -> int: ...

    @property
    def rank(self) -> int: ...

    @property
    def host(self) -> str:
        """A name that the ranks of one host have in common."""

    def sum(self, tensors: Sequence[Any], *, name: str) -> list[Any]:
        """Each tensor (all of one dtype) summed over the ranks, in one fused operation; works inside a graph."""

    def sum_rows(self, slices: Any, *, name: str) -> Any:
        """tf.IndexedSlices of each rank → one with the rows of all; works inside a graph."""

    def gather(self, rows: NDArray[Any], *, name: str) -> NDArray[Any]:
        """(n, …) of each rank, n free → all of them, rank after rank, on every rank."""

    def broadcast(self, variables: Sequence[Any]) -> None:
        """Assign rank 0's values to the Keras variables of every rank."""

    def close(self) -> None:
        """Leave the ring."""


@dataclass(frozen=True)
class Solo:
    """A ring of one: works where Horovod is not installed."""

    size: int = 1
    rank: int = 0
    host: str = "localhost"

    def sum(self, tensors: Sequence[Any], *, name: str) -> list[Any]:
        return list(tensors)

    def sum_rows(self, slices: Any, *, name: str) -> Any:
        return slices

    def gather(self, rows: NDArray[Any], *, name: str) -> NDArray[Any]:
        return rows

    def broadcast(self, variables: Sequence[Any]) -> None:
        pass

    def close(self) -> None:
        pass


class HorovodRing:
    """Horovod's ring-allreduce. Joins on creation; `settings` are the HOROVOD_* that a launcher gave this rank."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        os.environ.update(settings)  # Horovod's core reads them when it starts
        import horovod.tensorflow as hvd
        import tensorflow as tf

        check_nccl(len(tf.config.get_visible_devices("GPU")), built=hvd.nccl_built())
        if not hvd.gloo_built():
            raise TrainingError.not_ready("Horovod was built without Gloo", INSTALL)
        hvd.init()
        self._hvd, self.size, self.rank = hvd, hvd.size(), hvd.rank()
        self.host = settings.get("HOROVOD_HOSTNAME") or socket.gethostname()

    def sum(self, tensors: Sequence[Any], *, name: str) -> list[Any]:
        import tensorflow as tf

        addends = [tf.convert_to_tensor(tensor) for tensor in tensors]
        reduced: list[Any] = self._hvd.grouped_allreduce(addends, op=self._hvd.Sum, name=name)
        return reduced

    def sum_rows(self, slices: Any, *, name: str) -> Any:
        import tensorflow as tf

        values = self._hvd.allgather(slices.values, name=f"{name}_values")
        indices = self._hvd.allgather(slices.indices, name=f"{name}_indices")
        return tf.IndexedSlices(values, indices, slices.dense_shape)

    def gather(self, rows: NDArray[Any], *, name: str) -> NDArray[Any]:
        import tensorflow as tf

        # A view of the tensor's memory: its numpy() would copy.
        return np.asarray(memoryview(self._hvd.allgather(tf.constant(rows), name=name)))

    def broadcast(self, variables: Sequence[Any]) -> None:
        for place, variable in enumerate(variables):
            variable.assign(self._hvd.broadcast(variable.value, root_rank=0, name=f"state_{place}"))

    def close(self) -> None:
        self._hvd.shutdown()


def connect(settings: Mapping[str, str]) -> Ring:
    """The ring that a launcher's settings describe; without settings, a ring of one."""
    return HorovodRing(settings) if settings else Solo()


def check_horovod() -> None:
    """Raises TrainingError, naming what is missing, where several ranks could not start here; imports nothing heavy."""
    if find_spec("tensorflow") is None:
        raise TrainingError.not_ready("TensorFlow is not installed", INSTALL)
    if find_spec("horovod") is None:
        raise TrainingError.not_ready("Horovod is not installed", INSTALL)
    package = find_spec("horovod.tensorflow")
    folder = package.submodule_search_locations if package else None
    if not folder or not any(Path(folder[0]).glob("mpi_lib*.so")):
        raise TrainingError.not_ready("Horovod was built without TensorFlow", INSTALL)


def built_with() -> dict[str, bool]:
    """Whether the installed Horovod has Gloo and NCCL; empty where it is missing or does not load.

    Asked in a process of its own: a build for another TensorFlow would take this one down with it.
    """
    ask = "print(json.dumps({'gloo': bool(hvd.gloo_built()), 'nccl': bool(hvd.nccl_built())}))"
    program = f"import json, horovod.tensorflow as hvd; {ask}"
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    return dict(json.loads(asked.stdout)) if asked.returncode == 0 else {}


class Rendezvous:
    """Where ranks find each other: Horovod's key-value server, in a thread of this process; pure Python.

    It asks nobody who he is, and so listens at `address` alone; '' is every interface of this machine. Horovod's own
    start of it knows no address. The ranks' launchers exchange a few words through it too (`barrier`).

    Raises:
        TrainingError: this machine has no such address.
    """

    def __init__(self, address: str) -> None:
        from horovod.runner.http.http_server import RendezvousHandler, RendezvousHTTPServer

        try:
            self._server = RendezvousHTTPServer((address, 0), RendezvousHandler, 0)
        except OSError as error:
            raise TrainingError.not_ready(
                f"the ranks cannot be met at {address} ({error.strerror})",
                "in Spark set spark.driver.bindAddress to an address of this machine's own, such as 0.0.0.0; else "
                "correct what this machine's names resolve to",
                expected="an address of this machine, at which the ranks' hosts reach it",
            ) from error
        self.address, self.port = self._server.server_address[:2]
        self._thread = Thread(target=self._server.serve_forever, name="rendezvous", daemon=True)
        self._thread.start()

    def __enter__(self) -> Rendezvous:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def rank_settings(rank: int, hosts: Sequence[str], *, address: str, port: int) -> dict[str, str]:
    """HOROVOD_* of one rank, where rank i runs on hosts[i] and the rendezvous server at `address`:`port`."""
    host = hosts[rank]
    local_rank = hosts[:rank].count(host)
    # The hosts that have a rank of this local number, in the order in which they first appear.
    peers = [name for name in dict.fromkeys(hosts) if hosts.count(name) > local_rank]
    one_machine = len(set(hosts)) == 1
    settings = {
        "HOROVOD_RANK": str(rank),
        "HOROVOD_SIZE": str(len(hosts)),
        "HOROVOD_LOCAL_RANK": str(local_rank),
        "HOROVOD_LOCAL_SIZE": str(hosts.count(host)),
        "HOROVOD_CROSS_RANK": str(peers.index(host)),
        "HOROVOD_CROSS_SIZE": str(len(peers)),
        "HOROVOD_HOSTNAME": host,
        "HOROVOD_GLOO_RENDEZVOUS_ADDR": LOOPBACK if one_machine else socket.gethostbyname(address),
        "HOROVOD_GLOO_RENDEZVOUS_PORT": str(port),
        "HOROVOD_CONTROLLER": "gloo",
        "HOROVOD_CPU_OPERATIONS": "gloo",
        "HOROVOD_GLOO_TIMEOUT_SECONDS": "60",
        # Milliseconds between two looks for tensors to reduce. At the default of 1 a step of a small model mostly
        # waits for the next look; far below 0.1 the looking itself takes the cores.
        "HOROVOD_CYCLE_TIME": "0.3",
    }
    # A laptop's host name may resolve to no interface; the loopback always exists. (Horovod as scripts/bootstrap builds
    # it uses what it is told: as published, it looks the name up for all that it sums.)
    return settings | ({"HOROVOD_GLOO_IFACE": "lo"} if one_machine else {})
