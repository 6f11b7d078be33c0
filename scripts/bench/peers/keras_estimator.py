"""The peer of handoff.py: Horovod's KerasEstimator with Petastorm, in an environment of its own (estimator_peer.py).

    python keras_estimator.py ROWS.parquet EPOCHS BATCH FOLDER

Trains a 64–32–1 MLP on the float lists `x` and the label `y`, two ranks in local[2], twice in one session. Prints one
line of JSON for each `fit`: seconds of the call, until its first step began, of each epoch after the first, and the
bytes of the copy of the rows that it wrote.
"""

import json
import os
import sys
import time
from itertools import pairwise
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", PYSPARK_PYTHON=sys.executable)

import tensorflow as tf
from horovod.spark.common.backend import SparkBackend
from horovod.spark.common.store import LocalStore
from horovod.spark.keras import KerasEstimator
from pyspark.sql import SparkSession


class Clock(tf.keras.callbacks.Callback):
    """Appends the wall-clock time of the first step and of each epoch's end to a file; on rank 0 alone."""

    def __init__(self, path):
        super().__init__()
        self.path, self.started = path, False

    def _tell(self, what):
        import horovod.tensorflow.keras as hvd

        if hvd.rank() == 0:
            with Path(self.path).open("a") as file:
                file.write(json.dumps([what, time.time()]) + "\n")

    def on_train_batch_begin(self, batch, logs=None):
        if not self.started:
            self.started = True
            self._tell("step")

    def on_epoch_end(self, epoch, logs=None):
        self._tell("epoch")


def size_of(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def fit(spark, rows, epochs, batch, folder):
    model = tf.keras.Sequential(
        [
            tf.keras.Input((32,), name="x"),
            tf.keras.layers.Dense(64, activation="relu"),
            tf.keras.layers.Dense(32, activation="relu"),
            tf.keras.layers.Dense(1, activation="sigmoid", name="y"),
        ]
    )
    folder.mkdir(parents=True)
    clock = folder / "clock"
    estimator = KerasEstimator(
        backend=SparkBackend(num_proc=2, stdout=sys.stderr, stderr=sys.stderr, env=dict(os.environ), use_gloo=True),
        store=LocalStore(str(folder / "store")),
        model=model,
        optimizer=tf.keras.optimizers.Adam(1e-3),
        loss="binary_crossentropy",
        feature_cols=["x"],
        label_cols=["y"],
        batch_size=batch,
        epochs=epochs,
        verbose=0,
        callbacks=[Clock(str(clock))],
    )
    began = time.time()
    estimator.fit(spark.read.parquet(rows).repartition(8))
    seconds = time.time() - began
    told = [json.loads(line) for line in clock.read_text().splitlines()]
    ends = [at for what, at in told if what == "epoch"]
    first = next(at for what, at in told if what == "step")
    print(
        json.dumps(
            {
                "seconds": seconds,
                "to_first_step": first - began,
                "epochs": [later - earlier for earlier, later in pairwise(ends)],
                "bytes_written": size_of(folder / "store" / "intermediate_train_data"),
            }
        ),
        flush=True,
    )


def main():
    rows, epochs, batch, folder, first_steps = sys.argv[1:]
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "2g")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    # The first fit is cold; the first steps of as many as are wanted follow, and the last two train on to their end.
    for turn in range(fits := 1 + int(first_steps)):
        fit(spark, rows, int(epochs) if turn >= fits - 2 else 1, int(batch), Path(folder) / f"fit{turn}")
    spark.stop()


if __name__ == "__main__":
    main()
