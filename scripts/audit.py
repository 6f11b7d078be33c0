"""The locks → known vulnerabilities of the packages that they pin, by pip-audit; run by scripts/audit."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCKS = (ROOT / "lib" / "ringmill" / "requirements.txt", *sorted((ROOT / "scripts" / "lock").glob("*.txt")))
RESULT = ROOT / "scripts" / "audit.json"
# Vulnerable for years and for ever: a source that knows nothing of it has no data, and its silence says nothing.
CANARY = "urllib3==1.24.1"
NOTHING, NOT_ASKED, FOUND = 0, 2, 3


class NotAskedError(Exception):
    """The source of known vulnerabilities gave no answer that can be relied on."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("locks", nargs="*", type=Path, help="default: all of them")
    parser.add_argument("--out", type=Path, default=RESULT, help="where the dated result is kept")
    parser.add_argument("--service", default="pypi", choices=("pypi", "osv"), help="which source is asked")
    given = parser.parse_args()
    locks = given.locks or LOCKS
    try:
        if not vulnerable(ask([CANARY], given.service)):
            raise NotAskedError(f"it knows of nothing in {CANARY}, which is known to be vulnerable: it has no data")
        found = ask(sorted({pin for lock in locks for pin in pins(lock)}), given.service)
        if missing := sorted(one["name"] for one in found if "skip_reason" in one):
            raise NotAskedError(f"it did not say anything of {', '.join(missing)}")
    except NotAskedError as error:
        print(f"audit: Nothing is known about vulnerabilities: {error}.", file=sys.stderr)
        print(f"  To mend it: check the network, or ask another --service; {given.out} is as it was", file=sys.stderr)
        return NOT_ASKED
    known = vulnerable(found)
    given.out.write_text(json.dumps(result(locks, found, known, given.service), indent=1) + "\n", encoding="utf-8")
    for one in known:
        for vulnerability in one["vulns"]:
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version"
            print(f"{one['name']} {one['version']}: {vulnerability['id']}, fixed in {fixed}")
    print(f"audit: {len(found)} packages of {len(locks)} locks, {len(known)} with known vulnerabilities: {given.out}")
    return FOUND if known else NOTHING


def pins(lock: Path) -> list[str]:
    """The packages of a lock, each as name==version."""
    return re.findall(r"^([A-Za-z0-9][\w.-]*==[^\s;\\]+)", lock.read_text(encoding="utf-8"), re.MULTILINE)


def ask(wanted: list[str], service: str) -> list[dict[str, Any]]:
    """What pip-audit says of each package. Raises NotAskedError where it says nothing that can be read."""
    with tempfile.TemporaryDirectory() as folder:
        asked = []
        for number, some in enumerate(_apart(wanted)):
            file = Path(folder, f"{number}.txt")
            file.write_text("\n".join(some), encoding="utf-8")
            options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
            command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", service, *options, "-r", str(file)]
            done = subprocess.run(command, capture_output=True, text=True)
            try:
                answers = json.loads(done.stdout)["dependencies"]
            except (ValueError, KeyError) as error:
                said = done.stderr.strip().splitlines() or ["it said nothing"]
                raise NotAskedError(f"pip-audit ended with status {done.returncode}: {said[-1]}") from error
            if len(answers) != len(some):
                raise NotAskedError(f"pip-audit answered for {len(answers)} of {len(some)} packages")
            asked += answers
    return asked


def _apart(wanted: list[str]) -> list[list[str]]:
    """Lists in which no package stands in two versions: locks of environments apart from each other have both."""
    lists: list[dict[str, str]] = []
    for pin in wanted:
        name = pin.partition("==")[0]
        room = next((one for one in lists if name not in one), None)
        if room is None:
            lists.append(room := {})
        room[name] = pin
    return [list(one.values()) for one in lists]


def vulnerable(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in found if one.get("vulns")]


def result(
    locks: tuple[Path, ...] | list[Path], found: list[dict[str, Any]], known: list[dict[str, Any]], service: str
) -> dict[str, Any]:
    try:
        tool = version("pip-audit")
    except PackageNotFoundError:
        tool = "unknown"
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "by": f"pip-audit {tool}, {service}",
        "locks": {lock.name: hashlib.sha256(lock.read_bytes()).hexdigest() for lock in locks},
        "packages": len(found),
        "not_looked_at": "Spark's and Delta's JARs",
        "vulnerable": [
            {
                "name": one["name"],
                "version": one["version"],
                "vulnerabilities": [
                    {key: vulnerability[key] for key in ("id", "aliases", "fix_versions")}
                    for vulnerability in one["vulns"]
                ],
            }
            for one in known
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
