"""What scripts/bootstrap says on a machine that lacks something; no test here downloads or builds anything."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BASICS = "bash awk cat cp cut dirname df env flock grep head ls mkdir mktemp mv rm sed sha256sum tail touch tr uname"
TOOLS = (*BASICS.split(), "g++", "make", "patch", "java", "python3.11", "python3")


def where(tool):
    """A tool's own path; for Python the interpreter behind this one, not a version manager's shim."""
    return str(Path(sys.base_exec_prefix) / "bin" / tool) if tool.startswith("python3") else shutil.which(tool)


@pytest.fixture
def machine(tmp_path):
    """A checkout without .venv, an empty cache, and a PATH that holds what `without` does not name."""
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", checkout / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (checkout / "lib" / "ringmill").mkdir(parents=True)
    for name in ("setup.py", "lib/ringmill/requirements.txt"):
        shutil.copy(ROOT / name, checkout / name)

    def run(*arguments, without=(), **settings):
        path = tmp_path / "bin"
        path.mkdir()
        for tool in set(TOOLS) - set(without):
            if found := where(tool):
                # A launcher finds its own home by its path: call it where it is.
                (path / tool).write_text(f'#!/bin/sh\nexec "{found}" "$@"\n')
                (path / tool).chmod(0o755)
        env = {"PATH": str(path), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), **settings}
        bash = shutil.which("bash")
        command = [bash, str(checkout / "scripts/bootstrap"), *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True)

    return run


@pytest.mark.parametrize(
    ("missing", "says", "installs"),
    [
        (("java",), "Java 17 is missing", "apt-get install openjdk-17-jre-headless"),
        (("g++",), "C++ compiler is missing", "apt-get install g++"),
        (("make",), "'make' is missing", "apt-get install make"),
        (("patch",), "'patch' is missing", "apt-get install patch"),
        (("python3.11", "python3"), "Python 3.11 is missing", "apt-get install python3.11"),
    ],
)
def test_what_is_missing_gets_one_message_with_the_command_that_installs_it(machine, missing, says, installs):
    done = machine(without=missing)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert installs in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2


def test_too_little_disk_names_how_much_is_wanted(machine):
    done = machine(RINGMILL_BOOTSTRAP_MB=str(10**12))
    assert done.returncode == 2
    assert "Too little disk" in done.stderr


def test_without_a_network_the_failed_download_and_what_to_check_are_named(machine):
    nowhere = "http://127.0.0.1:9"  # the discard port: refuses at once
    settings = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), nowhere)
    done = machine(PIP_RETRIES="0", PIP_NO_CACHE_DIR="1", **settings)
    assert done.returncode == 2, done.stderr
    assert "A download failed" in done.stderr
    assert "HTTPS_PROXY" in done.stderr


def test_airflow_needs_neither_java_nor_a_compiler(machine):
    nowhere = "http://127.0.0.1:9"
    settings = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), nowhere)
    done = machine("--airflow", without=("java", "g++"), PIP_RETRIES="0", PIP_NO_CACHE_DIR="1", **settings)
    assert done.returncode == 2, done.stderr
    assert "A download failed" in done.stderr


def test_a_set_up_checkout_is_ready_at_once():
    done = subprocess.run([ROOT / "scripts/bootstrap", "--dev"], capture_output=True, text=True, env=dict(os.environ))
    assert (done.returncode, done.stderr) == (0, "")


def test_two_environments_at_once_are_refused_and_not_one_of_them_made():
    done = subprocess.run([ROOT / "scripts/bootstrap", "--dev", "--airflow"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: scripts/bootstrap [--dev | ")
