"""Hosts that are network namespaces of this machine: a name, an address and a cable to one bridge each.

What they share is everything else: files, processes, memory. A program named ssh, in `bin`, runs a command on one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

# The beginning of a program that stands in for ssh: the options are skipped, the host's name and a command are left.
WITHOUT_OPTIONS = """#!/bin/sh
while [ $# -gt 0 ]; do
    case "$1" in
        -o | -p | -i | -F) shift 2 ;;
        -*) shift ;;
        *) break ;;
    esac
done
"""
SSH = """export SSH_CONNECTION="{gateway} 0 $1 22"
host=$1
shift
# The name and /etc/hosts are seen by this command alone.
exec nsenter --net="/run/netns/{prefix}-$host" unshare --uts --mount \\
    sh -c 'hostname "$0" && mount --bind "{hosts}" /etc/hosts && exec sh -c "$1"' "$host" "$*"
"""


@dataclass(frozen=True)
class Network:
    """Hosts by their names, in their order; all reach each other and the machine itself, at `gateway`."""

    names: tuple[str, ...]
    prefix: str
    subnet: str
    bin: Path
    hosts: Path

    @property
    def gateway(self) -> str:
        return f"{self.subnet}.1"

    def address(self, name: str) -> str:
        return f"{self.subnet}.{self.names.index(name) + 2}"

    def space(self, name: str) -> str:
        """The name of the host's namespace."""
        return f"{self.prefix}-{name}"

    def resolve(self, addresses: Mapping[str, str]) -> None:
        """What every host looks names up in: those given, each with its address."""
        lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in addresses.items())]
        self.hosts.write_text("".join(f"{line}\n" for line in lines))

    def on(self, name: str, *command: str) -> None:
        """Run a command in the host's network."""
        _run("ip", "netns", "exec", self.space(name), *command)

    def part(self, name: str, other: str) -> None:
        """Leave host `name` without a way to host `other`."""
        self.on(name, "ip", "route", "add", "unreachable", self.address(other))


def why_not() -> str:
    """Why this process can make no hosts; '' where it can."""
    for program in ("ip", "nsenter", "unshare"):
        if shutil.which(program) is None:
            return f"needs the program {program}"
    links = "ip link add probe0 type bridge && ip link add probe1 type veth peer name probe2"
    tried = subprocess.run(["unshare", "--net", "--uts", "--mount", "sh", "-c", links], capture_output=True, text=True)
    return f"needs the right to make namespaces and links: {tried.stderr.strip()}" if tried.returncode else ""


@contextmanager
def network(names: Sequence[str], folder: Path) -> Iterator[Network]:
    """The hosts, gone with the block; `folder` takes the program named ssh."""
    # Two runs at once make networks of their own.
    prefix, subnet = f"rm{os.getpid()}", f"10.213.{os.getpid() % 256}"
    made = Network(tuple(names), prefix, subnet, folder / "bin", folder / "etc-hosts")
    with ExitStack() as stack:
        bridge = f"{prefix}b"
        _run("ip", "link", "add", bridge, "type", "bridge")
        stack.callback(_run, "ip", "link", "delete", bridge)
        _run("ip", "address", "add", f"{made.gateway}/24", "dev", bridge)
        _run("ip", "link", "set", bridge, "up")
        for place, name in enumerate(names):
            space, end = made.space(name), f"{prefix}v{place}"
            _run("ip", "netns", "add", space)
            stack.callback(_run, "ip", "netns", "delete", space)
            _run("ip", "link", "add", end, "master", bridge, "type", "veth", "peer", "name", "eth0", "netns", space)
            # A namespace lives on while a process is in it, and its cable with it.
            stack.callback(_run, "ip", "link", "delete", end)
            _run("ip", "link", "set", end, "up")
            made.on(name, "ip", "link", "set", "lo", "up")
            made.on(name, "ip", "address", "add", f"{made.address(name)}/24", "dev", "eth0")
            made.on(name, "ip", "link", "set", "eth0", "up")
        made.resolve({name: made.address(name) for name in names})
        _write_ssh(made)
        yield made


def _write_ssh(made: Network) -> None:
    made.bin.mkdir()
    ssh = made.bin / "ssh"
    ssh.write_text(WITHOUT_OPTIONS + SSH.format(gateway=made.gateway, prefix=made.prefix, hosts=made.hosts))
    ssh.chmod(0o755)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
