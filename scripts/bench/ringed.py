"""What the benchmarks of the ring run on every rank; each is called with `join`, which enters the ring."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ringmill.handoff.columns import Input

FEATURES = 32
X = Input("x", (FEATURES,))
Join = Callable[[], Any]


def pin(core: int) -> None:
    """All threads of this process, those of Horovod too, on one core."""
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def allreduce_seconds(join: Join, sizes: Sequence[int], tensors: int, half: bool, times: int) -> dict[str, float]:
    """By size in bytes of float32, seconds of one sum of that many bytes, cut into `tensors` equal tensors.

    Each size is summed `times` times within one graph call, after one call that warms up; `half` sends float16.
    """
    ring = join()
    import tensorflow as tf

    found = {}
    for size in sizes:
        parts = [tf.ones(size // 4 // tensors) for _ in range(tensors)]

        @tf.function(jit_compile=False)
        def run(parts: Any, size: int = size) -> Any:
            def body(step: Any, held: Any) -> tuple[Any, Any]:
                sent = [tf.cast(part, tf.float16) for part in held] if half else held
                summed = ring.sum(sent, name=f"sum_{size}_{tensors}_{half}")
                return step + 1, [tf.cast(total, tf.float32) / ring.size for total in summed]

            return tf.while_loop(lambda step, _: step < times, body, (0, parts), parallel_iterations=1)[1]

        run(parts)
        started = time.perf_counter()
        run(parts)
        found[str(size)] = (time.perf_counter() - started) / times
    return found


def loopback_seconds(join: Join, sizes: Sequence[int], folder: str, times: int) -> dict[str, float]:
    """By size, seconds in which two processes send each other so many bytes at once over TCP on the loopback.

    What a ring of two must do at least: each sends half of the tensor twice, and receives as much at the same time.
    """
    import threading

    ring, port = join(), Path(folder) / "port"
    if ring.rank == 0:
        server = socket.create_server(("127.0.0.1", 0))
        draft = port.with_suffix(".tmp")
        draft.write_text(str(server.getsockname()[1]))
        draft.rename(port)
        line, _ = server.accept()
    else:
        while not port.exists():
            time.sleep(0.01)
        line = socket.create_connection(("127.0.0.1", int(port.read_text())))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    found = {}
    for size in sizes:
        block, room = bytes(size // 2), bytearray(size // 2)
        for _ in range(2):
            started = time.perf_counter()
            for _ in range(2 * times):
                sender = threading.Thread(target=line.sendall, args=(block,))
                sender.start()
                received = 0
                while received < len(room):
                    received += line.recv_into(memoryview(room)[received:])
                sender.join()
            found[str(size)] = (time.perf_counter() - started) / times
    return found


def shaped_seconds(join: Join, sizes: Sequence[int], folder: str, times: int) -> dict[str, Any]:
    """What plain TCP finds of the link between two hosts, and by size the seconds of a sum over it.

    `delay`: half of a round trip of one byte, in seconds; `bandwidth`: bytes a second that each sends while it receives
    as many.
    """
    import threading

    ring, place = join(), Path(folder) / "place"
    if ring.rank == 0:
        server = socket.create_server(("", 0))
        draft = place.with_suffix(".tmp")
        draft.write_text(f"{socket.gethostbyname(socket.gethostname())} {server.getsockname()[1]}")
        draft.rename(place)
        line, _ = server.accept()
    else:
        while not place.exists():
            time.sleep(0.01)
        address, port = place.read_text().split()
        line = socket.create_connection((address, int(port)))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    trips = []
    for _ in range(20):
        started = time.perf_counter()
        if ring.rank == 1:
            line.sendall(b"1")
        line.recv(1)
        if ring.rank == 0:
            line.sendall(b"1")
        trips.append(time.perf_counter() - started)
    block, room, rates = bytes(max(sizes)), bytearray(max(sizes)), []
    for _ in range(3):
        started, received = time.perf_counter(), 0
        sender = threading.Thread(target=line.sendall, args=(block,))
        sender.start()
        while received < len(room):
            received += line.recv_into(memoryview(room)[received:])
        sender.join()
        rates.append(len(room) / (time.perf_counter() - started))
    seconds = allreduce_seconds(lambda: ring, sizes, 1, False, times)
    return {"delay": float(np.median(trips)) / 2, "bandwidth": float(np.median(rates)), "seconds": seconds}


def cnn_seconds(join: Join, rows: Sequence[int], steps: int, core: int) -> dict[str, Any]:
    """By rows per rank and step, seconds of a step of a small CNN; this process is pinned to `core` + its rank.

    28 × 28 × 1 pictures, two convolutions of 16 and 32 filters, one dense layer: 68,000 weights, 0.27 MB of gradients.
    """
    ring = join()
    import keras
    import tensorflow as tf

    from ringmill.train.optimizer import RingOptimizer

    pin(core + ring.rank)
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    optimizer = RingOptimizer(keras.optimizers.SGD(0.01), ring)
    optimizer.build(model.trainable_variables)
    ring.broadcast(model.variables)

    @tf.function(jit_compile=False, reduce_retracing=True)
    def step(x: Any, y: Any, total: Any) -> None:
        with tf.GradientTape() as tape:
            crossed = keras.losses.sparse_categorical_crossentropy(y, model(x, training=True), from_logits=True)
            loss = tf.reduce_sum(crossed) / total
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    found: dict[str, Any] = {"gradient_bytes": sum(int(np.prod(v.shape)) * 4 for v in model.trainable_variables)}
    generator = np.random.default_rng(ring.rank)
    for count in rows:
        x = tf.constant(generator.random((count, 28, 28, 1), np.float32))
        y = tf.constant(generator.integers(0, 10, count))
        total = tf.constant(float(count * ring.size))
        for _ in range(3):
            step(x, y, total)
        each = []
        for _ in range(steps):
            started = time.perf_counter()
            step(x, y, total)
            each.append(time.perf_counter() - started)
        found[str(count)] = sum(each) / steps
    return found


def made_rows(count: int) -> Any:
    """Rows of 32 features and two labels in this process's own memory, read from nowhere."""
    from ringmill.handoff.columns import Columns
    from ringmill.handoff.memory import Memory
    from ringmill.handoff.resident import Decoded, decoded_bytes
    from ringmill.train.tasks.purchase import PurchaseTask

    columns = Columns(X, PurchaseTask().labels)
    rows = Decoded.lay(count, columns, Memory.private(decoded_bytes(count, columns)))
    generator = np.random.default_rng(1)
    rows.row_id[:-1] = np.arange(count)
    rows.x[:-1] = generator.standard_normal((count, FEATURES), np.float32)
    buy = (generator.random(count) < 0.3).astype(np.float64)
    for name, values in (("label_buy", buy), ("label_spend", 10.0 * buy), ("log_spend", np.log1p(10.0 * buy))):
        rows.labels[name][:-1] = values
    rows.pad(0.0)
    rows.sort("made rows")
    return rows


def mlp_seconds(join: Join, rows_per_rank: int, steps: int, passes: int) -> dict[str, Any]:
    """Seconds of one step of a 64–32 MLP with two heads on 32 features, from resident rows, by Ringmill's own loop.

    The median over `passes` epochs after the first, each of `steps` steps in one graph call.
    """
    ring = join()
    from ringmill.config.tasks import Model
    from ringmill.config.train import Train
    from ringmill.handoff.plan import Plan
    from ringmill.train.feed import GlobalFeed
    from ringmill.train.loop import Trainer
    from ringmill.train.marks import Marks
    from ringmill.train.pulse import Pulse
    from ringmill.train.tasks.purchase import PurchaseTask

    batch = rows_per_rank * ring.size
    rows = made_rows(batch * steps)
    plan = Plan(rows=len(rows), batch=batch, ranks=ring.size, seed=1)
    task = PurchaseTask()
    feed = GlobalFeed.of(plan, ring.rank, rows, task=task)
    marks, section = Marks(Pulse()), Train(model=Model(kind="mlp", hidden=(64, 32)), batch=batch)
    trainer = Trainer(section, feed, ring, task=task, seed=1, steps=plan.steps, x=X, marks=marks)
    seconds = []
    for epoch in range(passes + 1):
        (segment,) = feed.segments(epoch)
        started = time.perf_counter()
        trainer.train_on(epoch, segment)
        seconds.append((time.perf_counter() - started) / steps)
    size = sum(int(np.prod(v.shape)) * 4 for v in trainer.model.trainable_variables)
    return {"seconds": float(np.median(seconds[1:])), "gradient_bytes": size}


def feed_seconds(join: Join, spec: str, epochs: int) -> dict[str, Any]:
    """Seconds of each epoch after the first, by turns: from the hand-off of the job in `spec`, and from rows that were
    made in memory, as many, in the order 'global'; the same model and graph for both."""
    ring = join()
    from ringmill.handoff.plan import Plan
    from ringmill.train.feed import GlobalFeed
    from ringmill.train.loop import Trainer
    from ringmill.train.marks import Marks
    from ringmill.train.pulse import Pulse
    from ringmill.train.spec import Job
    from ringmill.train.splits import open_splits

    job = Job.read(Path(spec))
    section, plan = job.spec.train, job.plan
    count = plan.rows
    handed = open_splits(job, ring).feed
    task, again = job.spec.task, Plan(rows=count, batch=plan.batch, ranks=ring.size, seed=1)
    made = GlobalFeed.of(again, ring.rank, made_rows(count), task=task)
    marks = Marks(Pulse())
    trainer = Trainer(section, handed, ring, task=task, seed=1, steps=plan.steps, x=job.spec.input, marks=marks)
    found: dict[str, list[float]] = {"handed": [], "memory": []}
    for epoch in range(epochs + 1):
        for name, feed in (("handed", handed), ("memory", made)):
            ring.gather(np.zeros(1), name="together")
            started = time.perf_counter()
            for segment in feed.segments(epoch):
                trainer.train_on(epoch, segment)
            found[name].append(time.perf_counter() - started)
    return {name: seconds[1:] for name, seconds in found.items()}
