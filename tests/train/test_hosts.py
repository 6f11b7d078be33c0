"""The launcher 'hosts': over a real ssh server where one is installed, and over a stand-in that is a shell."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from handoff.tables import features_table, write_table
from ringmill.config.train import Train
from ringmill.errors import TrainingError
from ringmill.train.launch.hosts import HostsLauncher
from ringmill.train.launch.local import LocalLauncher
from train.namespaces import WITHOUT_OPTIONS
from train.runs import Once, rank_processes, run, spec_of

# What ssh does with its arguments, without the way: the host is skipped too, the rest given to a shell.
STAND_IN = f"""{WITHOUT_OPTIONS}
[ "$1" = nowhere ] && {{ echo "ssh: Could not resolve hostname nowhere" >&2; exit 255; }}
shift
exec sh -c "$*"
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_table(tmp_path_factory.mktemp("hosts") / "table", features_table(60, seed=5))


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program named ssh that runs the command here."""
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(STAND_IN)
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)


@pytest.fixture
def separation() -> Iterator[None]:
    """An ssh server that root starts wants this empty folder; where the system starts none, nobody has made it."""
    folder = Path("/run/sshd")
    missing = os.geteuid() == 0 and not folder.exists()
    if missing:
        folder.mkdir(mode=0o755)
    yield
    if missing:
        folder.rmdir()


@pytest.fixture
def ssh_options(separation: None, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """The options that reach an ssh server of this test's own on the loopback, which takes this user's key alone."""
    server = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if server is None:
        pytest.skip("needs sshd, the ssh server")
    for name in ("host", "user"):
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(key, check=True, stdin=subprocess.DEVNULL)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "ListenAddress": "127.0.0.1",
        "Port": port,
        "HostKey": tmp_path / "host",
        "AuthorizedKeysFile": tmp_path / "user.pub",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PidFile": "none",
        "StrictModes": "no",  # whatever the rights of the folder for temporary files are
        "UsePAM": "no",
    }
    (tmp_path / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    command = [server, "-D", "-e", "-f", str(tmp_path / "sshd_config")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = ""
    while "listening" not in said:
        line = process.stderr.readline()
        assert line, f"sshd ended with status {process.wait()}: {said}"
        said += line
    known = tmp_path / "known"
    known.write_text(f"[127.0.0.1]:{port} {(tmp_path / 'host.pub').read_text()}")
    options = {"IdentityFile": tmp_path / "user", "IdentitiesOnly": "yes", "UserKnownHostsFile": known}
    own = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    yield ("-F", "none", "-p", str(port), *own)
    process.terminate()
    process.wait()
    process.stderr.close()


@pytest.mark.parametrize("host", ["-oProxyCommand=x", "a:0", "a:b", "", "a b"])
def test_a_host_that_ssh_would_take_for_something_else_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Train(hosts=(host,))


def test_fewer_places_than_ranks_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"4 ranks need 4 places, and train\.hosts has 3"):
        HostsLauncher(("a", "me@b:2")).check(4)


@pytest.mark.ring
def test_a_host_that_cannot_be_reached_is_named_before_anything_is_trained(
    stand_in: None, table: str, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="Rank 1 of the training did not start") as caught:
        run(spec_of(table, tmp_path / "run", ranks=2), HostsLauncher(("here", "nowhere")))
    assert "Could not resolve hostname nowhere" in caught.value.received
    assert rank_processes(tmp_path / "run") == {}


@pytest.mark.ring
@pytest.mark.long
def test_law_7_ranks_over_ssh_train_to_the_bits_of_local_ones_though_one_is_stopped(
    stand_in: None, table: str, tmp_path: Path
) -> None:
    check_hosts(table, tmp_path, ())


@pytest.mark.ring
def test_law_7_ranks_over_a_real_ssh_train_to_the_bits_of_local_ones_though_one_is_stopped(
    ssh_options: tuple[str, ...], table: str, tmp_path: Path
) -> None:
    check_hosts(table, tmp_path, ssh_options)


def check_hosts(table: str, tmp_path: Path, options: tuple[str, ...]) -> None:
    spec = spec_of(table, tmp_path / "run", ranks=2, stall_seconds=12, retries=1)
    stop = Once(lambda: rank_processes(tmp_path / "run")[1].suspend())
    found = run(spec, HostsLauncher(("127.0.0.1:2",), options), stop)
    local = run(spec_of(table, tmp_path / "local", ranks=2), LocalLauncher())
    assert found.manifest["final_weights_sha256"] == local.manifest["final_weights_sha256"]
    (retry,) = stop.named("retry")
    assert retry["cause"].startswith("Rank 1 of the training stalled in epoch ")
    assert rank_processes(tmp_path / "run") == {}
