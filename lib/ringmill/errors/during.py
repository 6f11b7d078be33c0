"""What stops a stage on its way: a law or a gate is broken, a scorer fails, another run was faster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ringmill.errors.base import RingmillError

UNTOUCHED = "the tables stay at their last version"


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

    @classmethod
    def no_folder(cls, root: str, stage: str) -> WarehouseError:
        return cls(
            f"The stage '{stage}' cannot work in this warehouse: models and pages are files in folders.",
            where=root,
            expected="a folder, at a path that all hosts share",
            received="a URI, where tables alone can be",
            todo="mount the storage at the same path on all hosts and name that path in 'warehouse' or by --warehouse",
        )

    @classmethod
    def no_event(cls, place: str, problem: str) -> WarehouseError:
        return cls(
            "An event of OpenLineage could not be written.",
            where=place,
            expected="a file that can be written, or a server that takes the event (openlineage)",
            received=problem,
            todo="mend it and run the same command again: what was published is not done again; or leave the section "
            "'openlineage' out",
        )

    @classmethod
    def outside(cls, root: str, path: str) -> WarehouseError:
        return cls(
            "A table or folder would lie outside of the warehouse.",
            where=root,
            expected="a path below the warehouse",
            received=path,
            todo="correct the name in the configuration; where the ledger has it, someone else wrote that row",
        )


class LineageError(WarehouseError):
    """An event of OpenLineage does not come through; the next try may."""

    exit_status = 4


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
    def over_budget(cls, table: str, needed: int, budget: int, *, ranks: int, copies: int) -> PlanError:
        return cls(
            "The decoded rows do not fit the stated memory.",
            where=table,
            expected=f"at most {budget:,} bytes on a host (train.memory_mb)",
            received=f"{needed:,} bytes for {copies} decoded copies and {ranks} ranks",
            todo="raise train.memory_mb; or set train.order: striped, which holds train.window_rows rows at a time, or "
            "lower these",
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
    def no_version(cls, table: str, version: int, problem: str) -> PlanError:
        return cls(
            f"The pinned version {version} of the table cannot be read.",
            where=table,
            expected="the log of that version, and the files that it names",
            received=problem,
            todo="if the version was vacuumed, build the table again with the stage that writes it",
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

    @classmethod
    def no_row_index(cls, table: str, path: str, received: str) -> PlanError:
        return cls(
            "Rows of several splits share files, and nothing says which are whose.",
            where=table,
            expected=f"a table partitioned by split, or the row index {path}",
            received=received,
            todo="train, which begins by making the index in one scan, or partition the table by split",
        )


class LawError(RingmillError):
    """A law that every run must keep, or a gate of the configuration, does not hold; nothing was published."""

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

    @classmethod
    def not_allowed(cls, table: str, received: str) -> LawError:
        return cls(
            f"A row of {table} has a value that the table's contract does not allow.",
            where=table,
            expected="what the table's columns, comments and constraints say",
            received=received,
            todo="nothing was published; keep the inputs and report this as a defect",
        )

    @classmethod
    def gates(cls, where: str, expected: Iterable[str], received: Iterable[str]) -> LawError:
        wanted, found = list(expected), list(received)
        gates = "A gate does" if len(wanted) == 1 else f"{len(wanted)} gates do"
        return cls(
            f"{gates} not let the batch pass.",
            where=where,
            expected="; ".join(wanted),
            received="; ".join(found),
            todo="nothing was published, the last version stays; look at the input, or change clean.gates",
        )

    @classmethod
    def replay_differs(cls, where: str, otherwise: Iterable[str], differences: Sequence[str]) -> LawError:
        return cls(
            "The replay's results are not those of the run.",
            where=where,
            expected="the same counts, laws, metrics and weights",
            received="; ".join([*otherwise, *differences[:10]]),
            todo="run the version of ringmill that the run had, on CPUs; where code and machine are the same, report "
            "this as a defect",
        )

    @classmethod
    def worse_model(cls, model: str, words: str) -> LawError:
        return cls(
            "The new model is worse than the current one.",
            where=model,
            expected="no difference that lies above 0 with all of its interval (promotion)",
            received=words,
            todo="the current model stays, and the new one is kept; look at what it learnt from, or make it current by "
            "`ringmill promote RUN --model NAME`",
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
    def of(cls, error: BaseException, log: str, tables: str = UNTOUCHED) -> UnforeseenError:
        """`tables`: what became of them, in words."""
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["(no text)"]
        return cls(
            "Something failed that should not have.",
            where=log,
            expected="no error, or one that says what to do",
            received=f"{type(error).__name__}: {lines[0]}",
            todo=f"the file named above holds the whole trace; {tables}",
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
