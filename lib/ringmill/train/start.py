"""What must be settled in a process before TensorFlow is first imported there: import time, threads, determinism."""

from __future__ import annotations

import os
import sys
from importlib.abc import MetaPathFinder
from typing import Any

# Keras and pyarrow import these only to recognise their types among arguments, and ours are NumPy's. Without them
# TensorFlow's import takes 1.8 s where it takes 3.5 s (one core, compiled bytecode, warm disk cache).
UNNEEDED = ("pandas", "scipy", "sklearn")
SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # oneDNN picks kernels by shape and core count; sums would differ between machines and rank counts.
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "KERAS_BACKEND": "tensorflow",
}


class _Hidden(MetaPathFinder):
    """Finds nothing, and says so before any other finder is asked."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in UNNEEDED:
            raise ModuleNotFoundError(f"'{name}' is not needed here", name=name)


def hide_unneeded() -> None:
    """Make imports of `UNNEEDED` fail from now on in this process, which must be one that does nothing else."""
    sys.meta_path.insert(0, _Hidden())


def show_hidden() -> None:
    """Let what `hide_unneeded` hid be imported after all, now that TensorFlow's import is over."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Hidden)]


def import_tensorflow(*, threads: int, replicas: int = 1) -> Any:
    """TensorFlow, with deterministic ops, `threads` threads within one operation and as many for each replica."""
    os.environ.update(SETTINGS)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads * replicas)
    tf.config.experimental.enable_op_determinism()
    return tf
