"""What scripts/audit.py says and keeps; a stand-in answers in the place of pip-audit, and nothing is asked for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCK = """
numpy==2.4.6 \\
    --hash=sha256:00
    # via x
pillow==12.0.0 ; python_version == '3.11' \\
    --hash=sha256:01
"""
STAND_IN = """
import json, os, sys
from pathlib import Path
asked = Path(sys.argv[sys.argv.index("-r") + 1]).read_text().split()
answers = json.loads(os.environ["ANSWERS"])
if answers is None:
    print("ConnectionError: no route to host", file=sys.stderr)
    sys.exit(1)
print(json.dumps({"dependencies": [answers.get(pin, {"name": pin, "version": "", "vulns": []}) for pin in asked]}))
sys.exit(any("vulns" in answer for answer in answers.values()))
"""
OLD = {"id": "OLD-1", "aliases": [], "fix_versions": ["1.24.2"]}
CANARY = {"urllib3==1.24.1": {"name": "urllib3", "version": "1.24.1", "vulns": [OLD]}}
BAD = {"id": "BAD-1", "aliases": ["CVE-1"], "fix_versions": ["12.0.1"]}


@pytest.fixture
def audit(tmp_path):
    (tmp_path / "pip_audit.py").write_text(STAND_IN)
    (tmp_path / "lock.txt").write_text(LOCK)
    kept = tmp_path / "audit.json"
    kept.write_text("the last result")

    def run(answers):
        env = {**os.environ, "PYTHONPATH": str(tmp_path), "ANSWERS": json.dumps(answers)}
        command = [sys.executable, ROOT / "scripts/audit.py", tmp_path / "lock.txt", "--out", kept]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        return done, kept.read_text()

    return run


def test_where_nothing_is_known_the_dated_result_says_so(audit):
    done, kept = audit(CANARY)
    assert done.returncode == 0, done.stderr
    result = json.loads(kept)
    assert (result["packages"], result["vulnerable"], list(result["locks"])) == (2, [], ["lock.txt"])
    assert len(result["date"]) == len("2026-01-01")
    assert "2 packages of 1 locks, 0 with known vulnerabilities" in done.stdout


def test_what_is_known_is_named_kept_and_ends_with_status_3(audit):
    done, kept = audit(CANARY | {"pillow==12.0.0": {"name": "pillow", "version": "12.0.0", "vulns": [BAD]}})
    assert done.returncode == 3, done.stderr
    assert "pillow 12.0.0: BAD-1, fixed in 12.0.1" in done.stdout
    assert json.loads(kept)["vulnerable"] == [{"name": "pillow", "version": "12.0.0", "vulnerabilities": [BAD]}]


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (None, "no route to host"),
        ({}, "it has no data"),
        (CANARY | {"numpy==2.4.6": {"name": "numpy", "skip_reason": "not found"}}, "did not say anything of numpy"),
    ],
)
def test_a_source_that_cannot_be_relied_on_is_never_a_clean_result(audit, answers, says):
    done, kept = audit(answers)
    assert done.returncode == 2
    assert "Nothing is known about vulnerabilities" in done.stderr
    assert says in done.stderr
    assert kept == "the last result"
    assert done.stdout == ""
