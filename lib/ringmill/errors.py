"""Every failure that Ringmill reports by name: what happened, where, expected, received, what to do.

`exit_status` is what a command ends with: 1 unforeseen, 2 bad input, 3 a law was broken, 4 training or scoring failed,
5 lost a race.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches


class RingmillError(Exception):
    """Base of all errors that a person can act on; its text is complete without a stack trace."""

    exit_status = 2

    def __init__(self, what: str, *, where: str, expected: str, received: str, todo: str) -> None:
        self.what, self.where, self.expected, self.received, self.todo = what, where, expected, received, todo
        super().__init__(
            f"{what}\n  where:    {where}\n  expected: {expected}\n  received: {received}\n  to do:    {todo}"
        )


class ConfigError(RingmillError):
    """The configuration cannot be used as written."""

    @classmethod
    def unreadable(cls, path: str, problem: str) -> ConfigError:
        return cls(
            "The configuration cannot be read.",
            where=path,
            expected="a YAML file with a mapping of sections",
            received=problem,
            todo="correct the file; conf/online_retail.yaml is an example to copy",
        )

    @classmethod
    def unknown_key(cls, path: str, key: str, known: Iterable[str]) -> ConfigError:
        names = sorted(known)
        near = get_close_matches(key.rsplit(".", 1)[-1], names, n=1)
        return cls(
            f"Unknown key '{key}' in the configuration.",
            where=path,
            expected=f"one of {', '.join(names)}",
            received=key,
            todo=f"did you mean '{near[0]}'?" if near else "remove the key, or correct its name",
        )

    @classmethod
    def bad_value(cls, path: str, key: str, expected: str, received: object) -> ConfigError:
        return cls(
            f"The value of '{key}' cannot be used.",
            where=path,
            expected=expected,
            received=repr(received),
            todo=f"correct '{key}' in the file or in --set",
        )


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
    def empty(cls, path: str) -> InputError:
        return cls(
            "The raw input holds no rows.",
            where=path,
            expected="at least one row",
            received="0 rows",
            todo="check the export that wrote it",
        )

    @classmethod
    def missing_columns(cls, where: str, missing: Iterable[str], present: Iterable[str]) -> InputError:
        absent, there = sorted(missing), list(present)
        near = {name: get_close_matches(name, there, n=1) for name in absent}
        hints = [f"'{name}' may be '{found[0]}'" for name, found in near.items() if found]
        return cls(
            f"Columns are missing: {', '.join(absent)}.",
            where=where,
            expected=f"the columns named under raw.columns, {', '.join(absent)} among them",
            received=f"columns {', '.join(there) or '(none)'}",
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
    def differs(cls, table: str, column: str, expected: str, received: str) -> InputError:
        return cls(
            f"Column '{column}' of {table} is not what its contract says.",
            where=table,
            expected=expected,
            received=received,
            todo="rebuild the table with the stage that writes it",
        )


class WarehouseError(RingmillError):
    """The warehouse cannot be used."""

    @classmethod
    def not_writable(cls, path: str, problem: str) -> WarehouseError:
        return cls(
            "The warehouse cannot be written.",
            where=path,
            expected="a directory that this user may create and write",
            received=problem,
            todo="correct 'warehouse' in the configuration, or pass --warehouse DIR",
        )


class PlanError(RingmillError):
    """The hand-off from a table to ranks cannot be planned."""

    @classmethod
    def refused(cls, table: str, feature: str, todo: str) -> PlanError:
        return cls(
            f"The table uses {feature}, which the hand-off does not read.",
            where=table,
            expected=f"a Delta table without {feature}",
            received=feature,
            todo=todo,
        )

    @classmethod
    def over_budget(cls, table: str, needed: int, budget: int) -> PlanError:
        return cls(
            "The decoded training rows do not fit the stated memory.",
            where=table,
            expected=f"at most {budget:,} bytes per rank (train.memory_mb)",
            received=f"{needed:,} bytes",
            todo="raise train.memory_mb or train on fewer rows",
        )

    @classmethod
    def no_rows(cls, table: str, split: str) -> PlanError:
        return cls(
            f"There is no {split} row to train with.",
            where=table,
            expected=f"at least one row with split = '{split}'",
            received="0 rows",
            todo="use more customers or cutoffs, or change features.shares",
        )

    @classmethod
    def no_file(cls, path: str, problem: str) -> PlanError:
        return cls(
            "A file of the pinned table version cannot be read.",
            where=path,
            expected="the file that the table's log names",
            received=problem,
            todo="if the version was vacuumed, build the table again with the stage that writes it",
        )


class LawError(RingmillError):
    """A law that every run must keep was broken; nothing was published."""

    exit_status = 3

    @classmethod
    def broken(cls, law: str, where: str, expected: str, received: str) -> LawError:
        return cls(
            f"{law} does not hold.",
            where=where,
            expected=expected,
            received=received,
            todo="nothing was published; keep the inputs and report this as a defect",
        )


class TrainingError(RingmillError):
    """Training ended without a model."""

    exit_status = 4

    @classmethod
    def rank_failed(cls, rank: int, log: str, tail: str) -> TrainingError:
        return cls(
            f"Rank {rank} of the training failed.",
            where=log,
            expected="every rank to end with status 0",
            received=tail,
            todo="read the log named above; run the same command again to resume from the last checkpoint",
        )

    @classmethod
    def not_ready(cls, missing: str, todo: str) -> TrainingError:
        return cls(
            f"Training on several ranks cannot start: {missing}.",
            where="pre-flight check",
            expected="Horovod with TensorFlow and Gloo",
            received=missing,
            todo=todo,
        )

    @classmethod
    def diverged(cls, epoch: int, loss: float, folder: str) -> TrainingError:
        return cls(
            f"The loss is no number any more in epoch {epoch}.",
            where=folder,
            expected="a finite loss",
            received=str(loss),
            todo="lower train.learning_rate; the checkpoint of the last good epoch is kept",
        )

    @classmethod
    def lost(cls, folder: str, problem: str) -> TrainingError:
        return cls(
            "The ranks were lost together with their Spark stage.",
            where=folder,
            expected="one barrier stage that runs to its end",
            received=problem,
            todo="read Spark's log; run the same command again to resume from the last checkpoint",
        )


class ScoringError(RingmillError):
    """The scorer process failed or answered with other rows than it was given."""

    exit_status = 4

    @classmethod
    def scorer_failed(cls, log: str, tail: str) -> ScoringError:
        return cls(
            "The scorer process failed.",
            where=log,
            expected="one answer per batch",
            received=tail,
            todo="read the log named above",
        )


class UnforeseenError(RingmillError):
    """Something that Ringmill does not know by name; its trace is in a file, not on the terminal."""

    exit_status = 1

    @classmethod
    def of(cls, error: BaseException, log: str) -> UnforeseenError:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["(no text)"]
        return cls(
            "Something failed that should not have.",
            where=log,
            expected="no error, or one that says what to do",
            received=f"{type(error).__name__}: {lines[0]}",
            todo="the file named above holds the whole trace; the tables stay at their last version",
        )


class RaceLost(RingmillError):
    """Another run published the same stage first."""

    exit_status = 5

    @classmethod
    def on(cls, table: str, problem: str) -> RaceLost:
        return cls(
            "Another run wrote the table at the same time, and won.",
            where=table,
            expected="to be the only writer",
            received=problem,
            todo="run the command again; it starts from what the other run published",
        )


_IN_TRACE = re.compile(
    r"ringmill\.errors\.(?P<kind>\w+): (?P<what>[^\n]*)\n\s*where: +(?P<where>[^\n]*)\n"
    r"\s*expected: +(?P<expected>[^\n]*)\n\s*received: +(?P<received>[\s\S]*?)\n\s*to do: +(?P<todo>[^\n]*)"
)


def named_in(trace: str) -> RingmillError | None:
    """The error of this module whose text stands in a worker's trace, made again; None where there is none."""
    found = _IN_TRACE.search(trace)
    kind = globals().get(found["kind"]) if found else None
    if found is None or not (isinstance(kind, type) and issubclass(kind, RingmillError)):
        return None
    parts = found.groupdict()
    del parts["kind"]
    return kind(parts.pop("what"), **parts)
