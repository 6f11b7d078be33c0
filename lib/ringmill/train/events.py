"""Figures of each epoch as TensorBoard's event files; written by rank 0, if the configuration asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf


class Events:
    """Scalars under `folder`/tensorboard. TensorFlow alone is needed to write them, TensorBoard to look at them."""

    def __init__(self, folder: Path) -> None:
        self._writer = tf.summary.create_file_writer(str(folder / "tensorboard"))
        # What tf.summary.scalar would say, which exists only where TensorBoard is installed.
        plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        self._kind = tf.compat.v1.SummaryMetadata(plugin_data=plugin, data_class=1)

    def write(self, entry: Mapping[str, Any]) -> None:
        """Each number of an epoch's entry at the step of its 'epoch'; what is None is left out."""
        with self._writer.as_default():
            for name, value in entry.items():
                if name != "epoch" and value is not None:
                    tf.summary.write(name, tf.constant(value, tf.float32), step=entry["epoch"], metadata=self._kind)
        self._writer.flush()
