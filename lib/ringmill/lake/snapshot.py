"""A pinned version of a local table, or a folder, under another root: by hard links, without a second copy.

The version keeps its number and is the newest there, so that who reads and writes it finds what a former run found.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from ringmill.errors.runs import gone

LOG = "_delta_log"
# 00000000000000000003.json, its checkpoint's parts, and their checksums: .00000000000000000003.json.crc
_OF_VERSION = re.compile(r"^\.?(\d{20})\.")


def link_table(source: Path, target: Path, version: int) -> None:
    """Make `target` the table `source` as it was at `version`.

    Raises:
        InputError: the version's log, or a file that it names, is gone.
    """
    try:
        table = DeltaTable(str(source), version=version)
        files = [Path(uri) for uri in table.file_uris()]
    except (DeltaError, OSError) as error:
        raise gone(f"{source}, version {version}", str(error).splitlines()[0]) from error
    if missing := [file for file in files if not file.is_file()]:
        raise gone(f"{source}, version {version}", f"no file {missing[0]}, and {len(missing) - 1} more")
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        name = file.relative_to(source)
        found = _OF_VERSION.match(name.name)
        is_log = name.parts[0] == LOG
        # Without _last_checkpoint a reader lists the log, which is right for any version.
        if not is_log or len(name.parts) > 2 or (found is not None and int(found[1]) <= version):
            _link(file, target / name)


def link_folder(source: Path, target: Path) -> None:
    """Make `target` the folder `source`.

    Raises:
        InputError: it is gone.
    """
    if not source.is_dir():
        raise gone(str(source), "no such folder")
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        _link(file, target / file.relative_to(source))


def _link(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(file, target)
