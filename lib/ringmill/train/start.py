"""What must be settled in a process before TensorFlow is first imported there: threads, determinism, import time."""

from __future__ import annotations

import os
import sys
from typing import Any

# Keras imports these only to recognise their types among its arguments; ours are NumPy's. Without them TensorFlow's
# import takes 5.2 s where it takes 7.8 s (one core, warm disk cache).
UNNEEDED = ("pandas", "scipy", "sklearn")
SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # oneDNN picks kernels by shape and core count; sums would differ between machines and rank counts.
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "KERAS_BACKEND": "tensorflow",
}


def import_tensorflow(*, threads: int) -> Any:
    """TensorFlow, with deterministic ops and `threads` threads for each of its two pools."""
    os.environ.update(SETTINGS)
    hidden = [name for name in UNNEEDED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes an import of the name fail
    try:
        import tensorflow as tf
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
    return tf
