"""What ends a training: a rank, the loss, a checkpoint, or the place where ranks are to run."""

from __future__ import annotations

from collections.abc import Mapping

from ringmill.errors.base import RingmillError


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
    def no_folder(cls, rank: int, host: str, folder: str, problem: str) -> TrainingError:
        return cls.not_ready(
            f"rank {rank} on host {host} cannot use the run folder {folder} ({problem})",
            expected="one folder that every rank sees under the same path, and may write to",
            todo="put the warehouse on a file system that all hosts share",
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
    def nothing_to_judge_by(cls, table: str) -> TrainingError:
        return cls(
            "The validation rows cannot tell one epoch from another: none of them counts.",
            where=table,
            expected="validation rows with a weight above 0, of each head that is learnt",
            received="a sum of weights of 0",
            todo="correct train.sample_weight, train.class_weights or the labels of the heads; or give the validation "
            "split other rows",
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
