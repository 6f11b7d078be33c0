"""A link between two network namespaces whose bandwidth and delay are stated: packets wait in this process.

Each end is a TUN device. A packet leaves when those before it have been sent at the link's bandwidth, and arrives its
delay later; none is lost. So a network can be slowed where the kernel has no module that delays packets.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import select
import struct
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
NAME, MTU = "link0", 32_000  # few, long packets: each passes through Python


@dataclass(frozen=True)
class Link:
    """`bandwidth` in bytes a second, in each direction; `delay` in seconds, one way."""

    bandwidth: float
    delay: float


@contextmanager
def linked(spaces: Sequence[str], link: Link) -> Iterator[None]:
    """The two namespaces have an interface `NAME` each, 10.214.0.1 and .2, at the ends of the link, in this block."""
    with ExitStack() as stack:
        ends = []
        for place, space in enumerate(spaces):
            end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            stack.callback(os.close, end)
            fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", NAME.encode(), IFF_TUN | IFF_NO_PI))
            _run("ip", "link", "set", NAME, "netns", space)
            inside = ("ip", "netns", "exec", space)
            _run(*inside, "ip", "address", "add", f"10.214.0.{place + 1}", "peer", f"10.214.0.{2 - place}", "dev", NAME)
            _run(*inside, "ip", "link", "set", NAME, "mtu", str(MTU), "up")
            # A pause between two sums is no sign of a crowded network.
            _run(*inside, "sysctl", "-q", "-w", "net.ipv4.tcp_slow_start_after_idle=0")
            ends.append(end)
        relay = multiprocessing.get_context("fork").Process(target=_relay, args=(*ends, link), daemon=True)
        relay.start()
        stack.callback(relay.join)
        stack.callback(relay.terminate)
        yield


def _relay(one: int, other: int, link: Link) -> None:
    """Carry packets both ways until this process is ended."""
    opposite = {one: other, other: one}
    waiting: dict[int, deque[tuple[float, bytes]]] = {one: deque(), other: deque()}
    free = {one: 0.0, other: 0.0}
    while True:
        due = min((queue[0][0] for queue in waiting.values() if queue), default=None)
        pause = None if due is None else max(0.0, due - time.monotonic())
        for end in select.select([one, other], [], [], pause)[0]:
            packet, now = os.read(end, 65_536), time.monotonic()
            free[end] = max(free[end], now) + len(packet) / link.bandwidth
            waiting[opposite[end]].append((free[end] + link.delay, packet))
        now = time.monotonic()
        for end, queue in waiting.items():
            while queue and queue[0][0] <= now:
                os.write(end, queue.popleft()[1])


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
