"""How the columns of raw files differ from those of the batches before; plain data, nothing is read here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ringmill.config.raw import Raw
from ringmill.errors import InputError
from ringmill.lake.files import Source
from ringmill.lake.look import RawFile


def columns_of(file: RawFile) -> dict[str, str]:
    """By column its type; '' where the format has none."""
    return dict(zip(file.columns, file.types or ("",) * len(file.columns), strict=True))


def known_columns(source: Source, before: Mapping[str, str] | None) -> dict[str, str]:
    """By column the type that the next batch is compared with: of its first appearance."""
    columns = dict(before or {})
    for file in source.files:
        for name, kind in columns_of(file).items():
            columns.setdefault(name, kind)
    return columns


def drift_of(source: Source, before: Mapping[str, str] | None) -> list[dict[str, Any]]:
    """By file with a difference: file; new and missing, names; changed, by name [type before, type now].

    The files are compared with `before`; without it, with the first of them.
    """
    files = [file for file in source.files if file.columns]
    if not files:
        return []
    known = dict(before) if before is not None else columns_of(files[0])
    found = []
    for file in files:
        columns = columns_of(file)
        changed = {name: [known[name], kind] for name, kind in columns.items() if known.get(name, kind) != kind}
        new, missing = [name for name in columns if name not in known], [name for name in known if name not in columns]
        if new or missing or changed:
            found.append({"file": file.name, "new": new, "missing": missing, "changed": changed})
        known = {**columns, **known}
    return found


def check_drift(found: Sequence[Mapping[str, Any]], raw: Raw) -> None:
    """Hold each difference against its policy; a mapped column that is missing is checked where files are looked at.

    Raises:
        InputError: a policy says that such a change is not to be taken.
    """
    for each in found:
        if each["new"] and raw.drift.new == "fail":
            raise InputError.drifted(each["file"], f"new: {', '.join(each['new'])}", "raw.drift.new")
        if each["changed"] and raw.drift.changed == "fail":
            changes = ", ".join(f"{name} was {was} and is {now}" for name, (was, now) in each["changed"].items())
            raise InputError.drifted(each["file"], changes, "raw.drift.changed")


def told(each: Mapping[str, Any]) -> str:
    """One file's difference in words."""
    parts = [f"{kind} {', '.join(each[kind])}" for kind in ("new", "missing") if each[kind]]
    parts += [f"{name} was {was} and is {now}" for name, (was, now) in each["changed"].items()]
    return f"{each['file']}: {'; '.join(parts)}"
