"""What clean takes: the raw input as it lies there, less what was taken before where each file is a batch."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any

from ringmill.config.models import Config
from ringmill.config.raw import Raw
from ringmill.errors import InputError
from ringmill.errors.days import all_later, undated
from ringmill.lake.drift import check_drift, drift_of, known_columns
from ringmill.lake.files import Entry, Source, check_distinct, find_source, fingerprint, looked_through
from ringmill.lake.ledger import Entry as LedgerEntry

DATE = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})(?!\d)")

ANEW = "the rules, the code or a referred table have changed, or the first statistics can be fitted"


@dataclass(frozen=True)
class Intake:
    """The files to clean now, and what is known of all that were ever taken.

    `source` holds the files that are there and can be read, `new` the names of those to clean, `entries` all that the
    table will stand for, `base` the published run to whose table they are added (None: it is made anew), `changed`
    files with other contents than when they were taken (passed over, or with all others taken anew), `drift` how
    columns changed, `columns` what the next run compares with, `known` the times of modification of taken files.
    """

    source: Source
    entries: tuple[Entry, ...]
    new: tuple[str, ...]
    base: LedgerEntry | None = None
    changed: tuple[Entry, ...] = ()
    drift: tuple[Mapping[str, Any], ...] = ()
    columns: Mapping[str, str] | None = None
    known: Mapping[str, int] = field(default_factory=dict)

    def without(self, name: str, reason: str) -> Intake:
        """The same, with one file refused that turned out to be broken when it was read."""
        entries = tuple(entry for entry in self.entries if entry.name != name)
        new = tuple(each for each in self.new if each != name)
        return replace(self, source=self.source.without(name, reason), entries=entries, new=new)

    def anew(self, path: str) -> Intake:
        """The same files without a base: all of them are cleaned. What has landed meanwhile waits for the next run.

        Raises:
            InputError: files that were taken are gone, or have other contents.
        """
        there = {file.name for file in self.source.files}
        lacking = {entry.name for entry in self.entries} - there - _of_no_row(self.base)
        if lacking:
            raise InputError.files_gone(path, lacking, "the first lines that statistics can be fitted on have come")
        if self.changed:
            names = ", ".join(entry.name for entry in self.changed)
            todo = "bring back their contents; or set clean.refit: true for one run, which takes them anew"
            expected = "files as they were taken: the first lines that statistics can be fitted on have come, by which "
            raise InputError.unfit(path, f"{expected}all rows are judged", f"other contents of {names}", todo)
        source = self.source
        if source.format == "jsonl":
            for name in sorted(there - set(self.new)):
                source, _ = looked_through(source, name)
        return replace(self, source=source, base=None, known={}, new=tuple(sorted(there)))

    @property
    def to_read(self) -> Source:
        return self.source.only(self.new) if self.source.files else self.source

    @property
    def passed_over(self) -> tuple[Entry, ...]:
        """The new contents of files whose rows stay as they are."""
        return self.changed if self.base is not None else ()

    @property
    def inputs(self) -> dict[str, list[dict[str, Any]]]:
        """What law 3 compares; contents that are passed over too, so that a run that only finds such is kept."""
        found = {
            "raw": [asdict(entry) for entry in self.entries],
            "quarantined": [asdict(refused) for refused in self.source.refused],
        }
        return found | ({"changed": [asdict(entry) for entry in self.passed_over]} if self.passed_over else {})

    @property
    def detail(self) -> dict[str, Any]:
        """What the next run needs to know, and a person wants to."""
        return {
            "columns": self.columns,
            "modified": self._modified,
            "quarantined": [asdict(refused) for refused in self.source.refused],
            "changed_files": [entry.name for entry in self.changed],
            "drift": list(self.drift),
        }

    @property
    def _modified(self) -> dict[str, int]:
        """By file when it was modified; of contents that are passed over the time before, so that they stay changed."""
        now = {file.name: file.modified for file in self.source.files}
        for entry in self.passed_over:
            del now[entry.name]
        return {name: time for name, time in self.known.items() if name not in now} | now

    def told(self) -> Iterator[str]:
        """What is said of files that changed, in every run."""
        what = "passed over, its rows stay" if self.base is not None else "taken anew, with all others"
        for entry in self.changed:
            yield f"{entry.name} has other contents than when it was taken: {what}"


def take_in(config: Config, last: LedgerEntry | None, *, base: LedgerEntry | None) -> Intake:
    """Look at the raw input; `last` is the stage's last published run, and `base` the same if it can be added to.

    Raises:
        InputError: as `find_source`; files that were taken have changed, or are gone and needed; columns have changed,
            and the policy says to stop; with raw.up_to, the input is no files, or one's name holds no day.
    """
    raw = config.raw
    taken = _taken(last) if raw.batches == "files" else {}
    personal = [each.column for each in config.clean.personal]
    source = find_source(raw, personal=personal)
    if raw.up_to is not None:
        source = _arrived(source, raw.up_to, taken)
    modified = last.detail.get("modified", {}) if last else {}
    # A file of the same size and time of modification is the same file; hashing all of a year takes minutes.
    same = {
        file.name: taken[file.name]
        for file in source.files
        if file.name in taken
        and (file.bytes, file.modified) == (taken[file.name].bytes, modified.get(file.name))
        and file.modified
        # Of JSON lines that are cleaned anew all keys are needed, for which they are read to their ends.
        and (base is not None or source.format != "jsonl")
    }
    published = tuple(last.detail["columns"] or ()) if last is not None and taken else ()
    source, entries = _hashed(source, same, raw, personal, published)
    there = {entry.name: entry for entry in entries}
    changed = tuple(entry for name, entry in there.items() if taken.get(name, entry) != entry)
    if changed and raw.changed_files == "fail":
        raise InputError.changed_files(raw.path, [entry.name for entry in changed])
    known = {name: time for name, time in modified.items() if name in taken and base is not None}
    if base is None:
        if gone := set(taken) - set(there) - _of_no_row(last):
            for refused in source.refused:
                if refused.name in gone:
                    raise InputError.unreadable(refused.name, refused.reason)
            why = "clean.refit asks for statistics of all that is there" if config.clean.refit else ANEW
            raise InputError.files_gone(raw.path, gone, why)
        taken = {}
    columns = last.detail.get("columns") if last else None
    new = tuple(name for name in there if name not in taken)
    arrived = source.only(new) if source.files else source
    drift = drift_of(arrived, columns)
    check_drift(drift, raw)
    return Intake(
        source=source,
        entries=tuple(sorted((there | taken).values(), key=lambda entry: entry.name)),
        new=new,
        base=base,
        changed=changed,
        drift=tuple(drift),
        columns=known_columns(arrived, columns),
        known=known,
    )


def _of_no_row(last: LedgerEntry | None) -> set[str]:
    """Files that were taken and held nothing: nobody needs them again."""
    batches = last.laws.get("law 1", {}).get("batches", {}) if last else {}
    if last is None or not batches:
        return set()
    taken = (each["name"] for each in last.inputs["raw"])
    return {name for name in taken if not batches.get(name, {}).get("raw")}


def _taken(last: LedgerEntry | None) -> dict[str, Entry]:
    """By name the files that the published table stands for; none where it was not made file by file."""
    if last is None or last.configuration.get("raw", {}).get("batches") != "files":
        return {}
    # A file that is damaged today was whole when it was read: its rows are there, and would be taken twice.
    read = last.laws.get("law 1", {}).get("batches", {})
    refused = {each["name"] for each in last.detail.get("quarantined", ())} - set(read)
    return {each["name"]: Entry(**each) for each in last.inputs["raw"] if each["name"] not in refused}


def _arrived(source: Source, last: date, taken: Collection[str]) -> Source:
    """The source less the files of days after `last`; what was taken was there already, whatever is asked for now."""
    if source.version is not None:
        raise undated(source.path, f"version {source.version} of a Delta table")
    days = {file.name: _day_of(source.path, file.name) for file in source.files if file.name not in taken}
    there = source.only({file.name for file in source.files if days.get(file.name, last) <= last})
    if not there.files and not taken:
        raise all_later(source.path, last, min(days, key=lambda name: days[name]))
    return there


def _day_of(path: str, name: str) -> date:
    """The last date in a file's name, its folders included."""
    found = []
    for year, month, day in DATE.findall(name):
        with suppress(ValueError):
            found.append(date(int(year), int(month), int(day)))
    if not found:
        raise undated(path, name)
    return found[-1]


def _hashed(
    source: Source, same: Mapping[str, Entry], raw: Raw, personal: Collection[str], known: tuple[str, ...]
) -> tuple[Source, tuple[Entry, ...]]:
    """The files with all their columns, and what each holds; `same` are not looked at. A file with a column that cannot
    be told from one of `known`, or of a file before it, is refused."""
    if not source.files:
        return source, fingerprint(source)
    entries: list[Entry] = []
    for file in source.files:
        if file.name in same:
            entries.append(same[file.name])
            continue
        try:
            whole, entry = looked_through(source, file.name)
            own = next(each.columns for each in whole.files if each.name == file.name)
            check_distinct(raw, (*known, *own), personal)
        except InputError as error:
            if raw.bad_files == "fail":
                raise
            source = source.without(file.name, error.received)
            continue
        source, known = whole, (*known, *own)
        entries.append(entry)
    if not entries:
        raise InputError.no_file_fit(source.path, source.refused[0].reason)
    return source, tuple(entries)
