"""Prove a Horovod build: two processes on this host sum a tensor through TensorFlow's op, or this script fails."""

import os
import subprocess
import sys

RANK = """
import numpy as np, tensorflow as tf, horovod.tensorflow as hvd
hvd.init()
total = hvd.allreduce(tf.range(5, dtype=tf.float64) + hvd.rank(), op=hvd.Sum).numpy()
expected = 2.0 * np.arange(5) + 1.0
if hvd.size() != 2 or not np.array_equal(total, expected):
    raise SystemExit(f"size {hvd.size()}, sum {total}, expected {expected}")
"""


def main() -> int:
    from horovod.runner.common.util.hosts import get_host_assignments, parse_hosts
    from horovod.runner.http.http_server import RendezvousServer

    server = RendezvousServer(verbose=0)
    port = server.start()
    server.init(get_host_assignments(parse_hosts("localhost:2"), 2))
    ranks = []
    for rank in range(2):
        env = dict(
            os.environ,
            HOROVOD_RANK=str(rank), HOROVOD_SIZE="2", HOROVOD_LOCAL_RANK=str(rank), HOROVOD_LOCAL_SIZE="2",
            HOROVOD_CROSS_RANK="0", HOROVOD_CROSS_SIZE="1", HOROVOD_HOSTNAME="localhost",
            HOROVOD_GLOO_RENDEZVOUS_ADDR="127.0.0.1", HOROVOD_GLOO_RENDEZVOUS_PORT=str(port),
            HOROVOD_GLOO_IFACE="lo", HOROVOD_CONTROLLER="gloo", HOROVOD_CPU_OPERATIONS="gloo",
            HOROVOD_GLOO_TIMEOUT_SECONDS="60",
        )  # fmt: skip
        ranks.append(subprocess.Popen([sys.executable, "-c", RANK], env=env))
    try:
        return max(abs(rank.wait(timeout=180)) for rank in ranks)
    finally:
        for rank in ranks:
            rank.kill()
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
