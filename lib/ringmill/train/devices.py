"""What a process computes on: settled once, after TensorFlow is imported and before it touches a device.

A rank takes one GPU: the one that Spark gave its task, else the one whose number is its own among its host's ranks. The
engine 'mirrored' takes as many as it has replicas, or that many logical CPU devices. No GPU has run this yet: its tests
stand in for one.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ringmill.errors import TrainingError

Device = Literal["auto", "cpu", "gpu"]
# Set where all GPUs that a process sees are its own, whatever its number on the host.
OWN_GPUS = "RINGMILL_OWN_GPUS"
INSTALL = "run scripts/bootstrap --gpu, whose environment .venv-gpu has TensorFlow and Horovod for GPUs"


def gpu_environment(addresses: Sequence[str]) -> dict[str, str]:
    """What shows a process the GPUs at `addresses` and no others, as its own."""
    return {"CUDA_VISIBLE_DEVICES": ",".join(addresses), OWN_GPUS: "1"}


def use(device: Device, *, local_rank: int = 0, replicas: int = 1, config: Any = None) -> tuple[str, ...]:
    """Make TensorFlow use one device for each of `replicas`; their names. 'auto' means GPUs where TensorFlow sees any.

    `config` is TensorFlow's.

    Raises:
        TrainingError: there are fewer GPUs than asked for.
    """
    if config is None:
        import tensorflow as tf

        config = tf.config
    seen = config.list_physical_devices("GPU")
    if device == "cpu" or (device == "auto" and not seen):
        config.set_visible_devices([], "GPU")
        if replicas > 1:
            parts = [config.LogicalDeviceConfiguration() for _ in range(replicas)]
            config.set_logical_device_configuration(config.list_physical_devices("CPU")[0], parts)
        return tuple(f"CPU:{place}" for place in range(replicas))
    mine = own_gpus(seen, os.environ, local_rank=local_rank, replicas=replicas)
    config.set_visible_devices(mine, "GPU")
    for gpu in mine:
        # TensorFlow would take all of its memory at once, and leave none to NCCL or to another run.
        config.experimental.set_memory_growth(gpu, True)
    return tuple(f"GPU:{place}" for place in range(replicas))


def own_gpus(seen: Sequence[Any], environment: Mapping[str, str], *, local_rank: int, replicas: int) -> list[Any]:
    """Those of the GPUs `seen` on this host that are this process's. Raises TrainingError where there are too few."""
    first = 0 if OWN_GPUS in environment else local_rank
    mine = list(seen[first : first + replicas])
    if len(mine) < replicas:
        raise TrainingError.not_ready(
            f"{first + replicas} GPUs are needed on host {socket.gethostname()}, and TensorFlow sees {len(seen)}",
            f"use fewer ranks on that host, or set train.device: cpu; if the host has GPUs, {INSTALL}",
            expected="a GPU for each rank",
        )
    return mine


def check_nccl(gpus: int, *, built: bool) -> None:
    """Raises TrainingError where ranks compute on GPUs that Horovod, `built` without NCCL, cannot sum between."""
    if gpus and not built:
        raise TrainingError.not_ready(
            f"host {socket.gethostname()} has GPUs, and its Horovod was built without NCCL",
            f"{INSTALL}; or set train.device: cpu",
            expected="Horovod with NCCL, which sums what lies in the memory of GPUs",
        )
