"""Which devices a process takes; a stand-in for TensorFlow's configuration has the GPUs that this machine may lack."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from ringmill.errors import TrainingError
from ringmill.train.devices import OWN_GPUS, check_nccl, gpu_environment, own_gpus, use


@dataclass
class Config:
    """As much of tf.config as is asked for, on a machine with `gpus` GPUs; `done` is what was set, in its order."""

    gpus: int
    done: list[Any] = field(default_factory=list)

    @property
    def experimental(self) -> Any:
        return SimpleNamespace(set_memory_growth=lambda gpu, on: self.done.append(("growth", gpu, on)))

    def list_physical_devices(self, kind: str) -> list[str]:
        return [f"{kind}{place}" for place in range(self.gpus if kind == "GPU" else 1)]

    def set_visible_devices(self, devices: list[str], kind: str) -> None:
        self.done.append(("visible", *devices))

    def LogicalDeviceConfiguration(self) -> str:
        return "part"

    def set_logical_device_configuration(self, device: str, parts: list[str]) -> None:
        self.done.append((device, *parts))


@pytest.mark.parametrize(
    ("gpus", "asked", "devices", "done"),
    [
        (0, {"device": "auto"}, ("CPU:0",), [("visible",)]),
        (2, {"device": "cpu", "local_rank": 1}, ("CPU:0",), [("visible",)]),
        (2, {"device": "auto", "local_rank": 1}, ("GPU:0",), [("visible", "GPU1"), ("growth", "GPU1", True)]),
        (0, {"device": "auto", "replicas": 2}, ("CPU:0", "CPU:1"), [("visible",), ("CPU0", "part", "part")]),
        (
            3,
            {"device": "gpu", "replicas": 2},
            ("GPU:0", "GPU:1"),
            [("visible", "GPU0", "GPU1"), ("growth", "GPU0", True), ("growth", "GPU1", True)],
        ),
    ],
)
def test_a_process_takes_one_device_a_replica_and_lets_a_gpu_s_memory_grow(
    gpus: int, asked: dict[str, Any], devices: tuple[str, ...], done: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(OWN_GPUS, raising=False)
    config = Config(gpus)
    assert use(**asked, config=config) == devices
    assert config.done == done


@pytest.mark.parametrize(("gpus", "rank", "needed"), [(0, 0, 1), (1, 1, 2)])
def test_a_rank_without_a_gpu_of_its_own_is_refused(gpus: int, rank: int, needed: int) -> None:
    with pytest.raises(TrainingError, match=rf"{needed} GPUs are needed on host \S+, and TensorFlow sees {gpus}"):
        use("gpu", local_rank=rank, config=Config(gpus))


def test_a_rank_to_which_spark_gave_gpus_takes_the_first_of_these_whatever_its_number() -> None:
    given = gpu_environment(["6", "7"])
    assert given["CUDA_VISIBLE_DEVICES"] == "6,7"
    assert own_gpus(["GPU0", "GPU1"], given, local_rank=3, replicas=1) == ["GPU0"]


def test_gpus_without_nccl_are_refused_and_the_way_to_it_is_named() -> None:
    check_nccl(0, built=False)
    check_nccl(2, built=True)
    with pytest.raises(TrainingError, match="has GPUs, and its Horovod was built without NCCL") as caught:
        check_nccl(1, built=False)
    assert "scripts/bootstrap --gpu" in caught.value.todo


@pytest.mark.ring
def test_the_installed_horovod_is_asked_before_it_joins() -> None:
    program = """
import tensorflow as tf
from ringmill.errors import TrainingError
from ringmill.train.ranks import HorovodRing
import horovod.tensorflow as hvd
tf.config.get_visible_devices = lambda kind: ["GPU0"]
hvd.nccl_built = lambda: 0
try:
    HorovodRing({})
except TrainingError as error:
    print(error.received)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    assert said.endswith("has GPUs, and its Horovod was built without NCCL\n")
