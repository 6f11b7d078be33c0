"""What stops a stage on its way: a law or a gate is broken, a rank or a scorer fails, another run was faster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ringmill.errors.base import RingmillError


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
    def not_ready(cls, missing: str, todo: str, *, expected: str = "Horovod with TensorFlow and Gloo") -> TrainingError:
        return cls(
            f"Training cannot start: {missing}.",
            where="pre-flight check",
            expected=expected,
            received=missing,
            todo=todo,
        )

    @classmethod
    def driver_lost(cls, folder: str, problem: str) -> TrainingError:
        return cls(
            "Spark's driver ended while the ranks trained.",
            where=folder,
            expected="a Spark session that outlives the training",
            received=problem,
            todo="read Spark's log; run the same command again to resume from the last checkpoint",
        )

    @classmethod
    def rank_silent(cls, rank: int, log: str, tail: str) -> TrainingError:
        return cls(
            f"Rank {rank} of the training did not start.",
            where=log,
            expected="a process that tells what it finds on its host, within seconds",
            received=tail,
            todo="read the log named above; the same Python environment must be there on every host",
        )

    @classmethod
    def rank_refused(cls, rank: int, log: str, error: Mapping[str, str]) -> TrainingError:
        """`error`: the parts of the error with which the rank ended itself."""
        return cls(
            f"Rank {rank} of the training ended: {error['what']}",
            where=log,
            expected=error["expected"],
            received=f"{error['received']} ({error['where']})",
            todo=error["todo"],
        )

    @classmethod
    def diverged(cls, epoch: int, step: int, loss: float) -> TrainingError:
        return cls(
            f"The loss is no number any more in epoch {epoch}, step {step}.",
            where="training",
            expected="a finite loss",
            received=str(loss),
            todo="lower train.learning_rate; the last good checkpoint is kept",
        )

    @classmethod
    def without_step(cls, layer: str) -> TrainingError:
        return cls(
            f"Layer '{layer}' was called in training outside of a step.",
            where=f"layer '{layer}'",
            expected="the training loop, which tells a layer which rows are real and which ids they have",
            received="no step",
            todo="call the model with training=False, or inside ringmill.train.step.during",
        )

    @classmethod
    def other_ranks(cls, checkpoint: str, epoch: int, before: int, now: int) -> TrainingError:
        return cls(
            f"The checkpoint was written by {before} ranks within epoch {epoch} of the order 'striped'.",
            where=checkpoint,
            expected=f"{before} ranks: in this order each number of ranks sees other batches",
            received=f"{now} ranks",
            todo=f"set train.ranks: {before} until the epoch's end, after which any number may go on; or remove the "
            "checkpoint to start anew",
        )

    @classmethod
    def not_written(cls, what: str, path: str, problem: str) -> TrainingError:
        return cls(
            f"{what} cannot be written.",
            where=path,
            expected="room and the right to write there",
            received=problem,
            todo="make room or correct the path, then run the same command again; the last good checkpoint is kept",
        )

    @classmethod
    def not_tracked(cls, uri: str, problem: str) -> TrainingError:
        return cls(
            "The model is trained and published, but MLflow could not be told of it.",
            where=uri,
            expected="a folder that can be written, or a server that answers (mlflow.uri)",
            received=problem,
            todo="mend it and run the same command again, which trains nothing and tells MLflow; or leave the section "
            "'mlflow' out",
        )


class RankLost(TrainingError):
    """Ranks ended that need not have: the same run may be started again, from its last checkpoint."""

    @classmethod
    def stalled(cls, rank: int, log: str, *, epoch: int, step: int, limit: float, words: str) -> RankLost:
        return cls(
            f"Rank {rank} of the training stalled in epoch {epoch}, step {step}.",
            where=log,
            expected=f"a pulse each second, and progress within {limit:g} s (train.stall_seconds)",
            received=words,
            todo="look at its host and its storage; run the same command again to resume from the last checkpoint",
        )

    @classmethod
    def with_stage(cls, folder: str, problem: str) -> RankLost:
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
