"""What keeps a stage from beginning: the data that came in cannot be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from ringmill.errors.base import RingmillError


class InputError(RingmillError):
    """The data that came in cannot be used; the tables stay at their last version."""

    @classmethod
    def no_file(cls, path: str) -> InputError:
        return cls(
            "There is no raw input.",
            where=path,
            expected="a file, a folder or a glob that matches at least one file",
            received="nothing there",
            todo="correct raw.path in the configuration, or pass --raw PATH",
        )

    @classmethod
    def no_table(cls, path: str, version: int | None, problem: str) -> InputError:
        return cls(
            "There is no such version of a Delta table.",
            where=path,
            expected="a Delta table" if version is None else f"a Delta table with a version {version}",
            received=problem,
            todo="correct table.path and table.version in the configuration",
        )

    @classmethod
    def other_version(cls, stage: str, now: Mapping[str, object], seen: Mapping[str, object]) -> InputError:
        """`now` and `seen`: the `table`, its `version` and its `id`, as pinned now and as the stage saw them."""
        expected, received = (f"{one['table']}, version {one['version']} (id {one['id']})" for one in (now, seen))
        return cls(
            f"The stage '{stage}' saw another version of the table than the one that is trained on.",
            where=str(now["table"]),
            expected=f"{expected}, which is pinned now",
            received=received,
            todo=f"run 'ringmill {stage} CONF' again, or set table.version to the version that it saw",
        )

    @classmethod
    def not_carried(cls, table: str, version: int, columns: Sequence[str]) -> InputError:
        return cls(
            "Earlier rows of a table have not the columns that it has now.",
            where=f"{table}, version {version}",
            expected="earlier rows with a value in every column that is never null, so that they can stay",
            received=f"rows without {', '.join(columns)}",
            todo="move the table's folder aside, and make its rows anew (of snapshots: name them in rfm.cutoffs)",
        )

    @classmethod
    def empty(cls, path: str) -> InputError:
        return cls(
            "The raw input holds no rows.",
            where=path,
            expected="at least one row",
            received="0 rows",
            todo="check the export that wrote it; raw.bad_files says what happens to an empty file among others",
        )

    @classmethod
    def missing_columns(
        cls, where: str, missing: Iterable[str], present: Iterable[str], *, shown: Iterable[str] | None = None
    ) -> InputError:
        """`shown`: the names that may be said of those that are there; None: all."""
        absent, there = sorted(missing), list(present)
        known = set(there if shown is None else shown)
        told, withheld = [name for name in there if name in known], sum(name not in known for name in there)
        if withheld:
            told.append(f"{withheld:,} that may be values of a file without a header, and are withheld")
        near = {name: get_close_matches(name, there, n=1) for name in absent if not withheld}
        hints = [f"'{name}' may be '{found[0]}'" for name, found in near.items() if found]
        return cls(
            f"Columns are missing: {', '.join(absent)}.",
            where=where,
            expected=f"the columns named under raw.columns, {', '.join(absent)} among them",
            received=f"columns {', '.join(told) or '(none)'}",
            todo="map the columns in raw.columns" + (": " + "; ".join(hints) if hints else ""),
        )

    @classmethod
    def unknown_format(cls, path: str, known: Iterable[str]) -> InputError:
        return cls(
            "The format of the raw input cannot be told from its name.",
            where=path,
            expected=f"one of {', '.join(known)}",
            received=path.rsplit("/", 1)[-1],
            todo="set raw.format in the configuration",
        )

    @classmethod
    def unreadable(cls, path: str, problem: str) -> InputError:
        return cls(
            "The raw input cannot be read.",
            where=path,
            expected="files of the stated format",
            received=problem,
            todo="check the file, or set raw.format in the configuration",
        )

    @classmethod
    def no_file_fit(cls, path: str, first: str) -> InputError:
        return cls(
            "No file of the raw input can be read.",
            where=path,
            expected="at least one file that is whole and of the stated format",
            received=f"none; the first: {first}",
            todo="check the export that wrote them; raw.bad_files says what happens to files that cannot be read",
        )

    @classmethod
    def changed_files(cls, path: str, names: Iterable[str]) -> InputError:
        return cls(
            "Files that were taken before have other contents now.",
            where=path,
            expected="files that stay as they are once they were taken",
            received=", ".join(sorted(names)),
            todo="bring back their contents and send corrections as new files, set raw.changed_files: ignore to keep "
            "the rows as they are, or clean everything again in a new warehouse",
        )

    @classmethod
    def files_gone(cls, path: str, names: Iterable[str], why: str) -> InputError:
        absent = sorted(names)
        return cls(
            f"{len(absent):,} files that were taken before are needed again, because {why}.",
            where=path,
            expected="all files since the first batch: their rows have to be cleaned anew",
            received=f"{absent[0]} is not there" + (f", and {len(absent) - 1:,} more" if absent[1:] else ""),
            todo="bring the files back, or undo the change",
        )

    @classmethod
    def drifted(cls, where: str, what: str, policy: str) -> InputError:
        return cls(
            "The columns of the raw input have changed.",
            where=where,
            expected=f"the columns of the batches before ({policy}: fail)",
            received=what,
            todo=f"correct the export, or map the columns; {policy} says what happens when columns change",
        )

    @classmethod
    def nothing_left(cls, table: str, received: str) -> InputError:
        return cls(
            "No customer is left after cleaning.",
            where=table,
            expected="at least one clean sales line of a known customer",
            received=received,
            todo="look at the reasons in the message and at clean.rules; the rejected rows are kept in the table",
        )

    @classmethod
    def no_customers(cls, key: str, cutoff: object, last_known: object) -> InputError:
        return cls(
            f"No customer has a sale that had happened, and was known, before {cutoff}.",
            where=key,
            expected="at least one sales line before the cutoff, in event time and in known time",
            received=f"none; the last line became known at {last_known}",
            todo=f"choose a later {key}, or leave raw.columns.known_at out if it is only the time of loading",
        )

    @classmethod
    def empty_split(cls, table: str, splits: Iterable[str], rows: int) -> InputError:
        return cls(
            f"No customer falls into {', '.join(splits)}.",
            where=table,
            expected="customers in each of train, validation and test",
            received=f"{rows:,} rows in all",
            todo="train on more customers, on more train_cutoffs, or with other features.shares",
        )

    @classmethod
    def end_of_calendar(cls, instant: object) -> InputError:
        return cls(
            "The last event lies at the end of the calendar.",
            where="clean/rows",
            expected="real dates; a placeholder such as 9999-12-31 is no date",
            received=str(instant),
            todo="refuse such lines by a rule, for example violated_when: ordered_at > DATE '2100-01-01'",
        )

    @classmethod
    def unreadable_lines(cls, where: str, lines: int, of: int, at_most: float, example: str) -> InputError:
        return cls(
            f"{lines:,} of {of:,} lines cannot be read; the batch is refused as a whole.",
            where=where,
            expected=f"at most {at_most:.1%} unreadable lines (clean.unreadable_at_most)",
            received=f"{lines / of:.1%}, for example {example}",
            todo="check raw.columns, raw.delimiter and raw.timestamp_formats against the file, or raise the bound; "
            "below it such lines are kept as rejected rows with their reasons",
        )

    @classmethod
    def cutoff_outside(cls, key: str, cutoff: object, first: object, last: object, hint: str) -> InputError:
        return cls(
            f"The cutoff {cutoff} lies outside the data.",
            where=key,
            expected=f"a date with events before it{hint}; the events run from {first} to {last}",
            received=str(cutoff),
            todo=f"choose another date for {key}",
        )

    @classmethod
    def rates(cls, where: str, what: str, received: object) -> InputError:
        return cls(
            what,
            where=where,
            expected="columns currency, valid_from (yyyy-MM-dd) and rate (above 0); one row per currency and day, from "
            "the day of each line or from one before",
            received=str(received),
            todo="correct the table that rfm.currency.rates names, or refuse such lines by a rule",
        )

    @classmethod
    def not_published(cls, stage: str, warehouse: str) -> InputError:
        return cls(
            f"The stage '{stage}' has published nothing yet.",
            where=warehouse,
            expected=f"a ledger row of stage '{stage}' with outcome 'published'",
            received="none",
            todo=f"run 'ringmill {stage} CONF' first, or 'ringmill run CONF' for all stages",
        )

    @classmethod
    def other_measures(cls, model: str, name: str, kind: str, received: str) -> InputError:
        return cls(
            f"The measure '{name}', on which the model was trained, is not there to be scored.",
            where=model,
            expected=f"a column {name} of type {kind}",
            received=received,
            todo="bring features.windows_days back to what it was, or train a model anew",
        )

    @classmethod
    def bad_idx(cls, path: str, expected: str, received: str) -> InputError:
        return cls(
            "The idx file is not whole, or is none.",
            where=path,
            expected=expected,
            received=received,
            todo="fetch the file again and compare its checksum, or correct the path",
        )

    @classmethod
    def differs(cls, table: str, column: str, expected: str, received: str) -> InputError:
        return cls(
            f"Column '{column}' of {table} is not what its contract says.",
            where=table,
            expected=expected,
            received=received,
            todo="rebuild the table with the stage that writes it",
        )

    @classmethod
    def unknown_classes(
        cls, where: str, column: str, known: Iterable[str], unknown: Iterable[object], rows: int
    ) -> InputError:
        names, found = list(known), sorted(str(value) for value in unknown)
        more = f" and {len(found) - 5:,} more" if len(found) > 5 else ""
        return cls(
            f"Column '{column}' holds classes that the train split does not.",
            where=where,
            expected=f"one of the {len(names):,} classes of the train split: {', '.join(names[:12])}",
            received=f"{', '.join(repr(value) for value in found[:5])}{more}, in {rows:,} rows",
            todo="give rows of these classes to train on, other shares of the splits, or leave such rows out",
        )

    @classmethod
    def unusable(cls, where: str, counts: Mapping[str, int], rows: int) -> InputError:
        return cls(
            f"Nothing can be fitted on {', '.join(repr(name) for name in counts)}: some values are no numbers.",
            where=where,
            expected="numbers, neither null nor NaN, of a magnitude up to 1e120; classes that are known",
            received=f"of {rows:,} rows, " + "; ".join(f"{name}: {count:,} without" for name, count in counts.items()),
            todo="fill or scale these columns by an entry before this one, or leave them out",
        )

    @classmethod
    def unfit(cls, where: str, expected: str, received: str, todo: str) -> InputError:
        return cls("This data cannot be fitted on.", where=where, expected=expected, received=received, todo=todo)
