"""Tables of the run ledger."""

from __future__ import annotations

from ringmill.contracts.table import Column, Table

LEDGER_RUNS = Table(
    path="ledger/runs",
    grain="one row per stage and run",
    columns=(
        Column("run_id", "string", "the run that the stage belonged to"),
        Column("pipeline", "string", "name of the pipeline"),
        Column("stage", "string", "name of the stage"),
        Column("outcome", "string", "published, unchanged or failed; of a model that did not become current: kept"),
        Column("key", "string", "hash of inputs, configuration and code"),
        Column("code", "string", "hash of the modules that the stage imports, and of the lock file"),
        Column("configuration", "string", "resolved sections, JSON"),
        Column("inputs", "string", "input tables' versions or files' hashes, JSON"),
        Column("outputs", "string", "output tables' versions, JSON"),
        Column("counts", "string", "rows, JSON"),
        Column("laws", "string", "laws checked, with their figures, JSON"),
        Column("detail", "string", "what later stages and the report need: frozen state, metrics, JSON"),
        Column("started_at", "timestamp", "the host's clock; rows are in the order of commit", unit="UTC instant"),
        Column("seconds", "double", "from the stage's start to its last table commit", unit="seconds"),
        Column("peak_bytes", "bigint", "highest proportional memory of all processes of the run so far", unit="bytes"),
        Column("host", "string", "where the driver ran"),
        Column("user", "string", "who ran it"),
        Column("ringmill", "string", "version of the package"),
        Column(
            "commit",
            "bigint",
            "the ledger's commit that wrote the row; rows are in this order; null in older versions' rows, the first",
            nullable=True,
        ),
        Column(
            "seen",
            "bigint",
            "the ledger's last commit when the stage took its inputs, -1 before the first; null where it took none",
            nullable=True,
        ),
    ),
)


LEDGER_HISTORY = Table(
    path="ledger/history",
    grain="one row per epoch of a published training",
    columns=(
        Column("run_id", "string", "the run that trained"),
        Column("epoch", "bigint", "from 1"),
        Column("rows_seen", "bigint", "rows that all ranks together were fed, each once"),
        Column("loss", "double", "mean over the epoch's rows, as seen on the way"),
        Column("val_loss", "double", "of the validation rows, after the epoch"),
        Column(
            "val_log_loss",
            "double",
            "of the purchase head, the classes or the products; null for another task",
            nullable=True,
        ),
        Column("val_auc", "double", "of the purchase head; null where one class is missing", nullable=True),
        Column("val_log_spend_mse", "double", "of the spend head; null where nobody buys", nullable=True),
        Column("val_accuracy", "double", "of the classes; null for another task", nullable=True),
        Column("val_f1_macro", "double", "of the classes, the mean of each; null for another task", nullable=True),
        Column("val_squared_error", "double", "of a reconstruction; null for another task", nullable=True),
        Column("seconds", "double", "training and validation of the epoch", unit="seconds"),
        Column("rows_per_second", "double", "training rows of one rank by its seconds of training"),
        Column("share_data", "double", "of the seconds of training, spent on getting rows ready"),
        Column("share_allreduce", "double", "of the seconds of training, that as many sums of gradients as steps take"),
        Column(
            "share_compute",
            "double",
            "of the seconds of training, the rest: 1 less the two above; null in rows of an older version",
            nullable=True,
        ),
        Column(
            "model",
            "string",
            "path of the model under the warehouse: a run may train several; null in rows of an older version",
            nullable=True,
        ),
    ),
)
