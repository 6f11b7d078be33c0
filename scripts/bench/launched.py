"""What launch.py runs on every rank: by name for ours, as a function for horovod.spark.run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def nothing(join: Callable[[], Any]) -> int:
    return 1


def allreduce(join: Callable[[], Any]) -> float:
    import numpy as np

    return float(np.asarray(join().sum([np.ones(4)], name="ones")[0])[0])


def nothing_by_horovod() -> int:
    return 1


def allreduce_by_horovod() -> float:
    import os

    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    import horovod.tensorflow as hvd
    import tensorflow as tf

    hvd.init()
    summed = float(hvd.allreduce(tf.ones(4), op=hvd.Sum)[0])
    hvd.shutdown()
    return summed
