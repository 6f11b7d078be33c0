"""Stage features: clean/rows → features/<name>, one row per (customer, train cutoff), encoded with frozen state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import CLEAN_ROWS, Column, Table, features_columns
from ringmill.errors import InputError
from ringmill.pipeline.cutoffs import check_cutoff
from ringmill.pipeline.lines import line_configuration, line_inputs, priced_lines
from ringmill.pipeline.progress import Step
from ringmill.pipeline.snapshots import snapshot_inputs, with_snapshots
from ringmill.pipeline.split_proof import SPLITS, prove_split
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.windows import horizon

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from ringmill.features.selection.choice import Choice
    from ringmill.features.state import State
    from ringmill.handoff.contract import Contract

# What entries may read beside the measures: known at the cutoff, unlike labels, and no name of a row.
FURTHER = ("country", "cutoff", "last_seen_at")
FOLD = Column("fold", "int", "which out-of-fold table encodes the train row; null in other splits", nullable=True)

LAST_ORDERS = (
    Column(
        "last_orders_gap_days",
        "array<double>",
        "of the last orders, oldest first: local days since the order before; null for the customer's first order",
        unit="days",
    ),
    Column(
        "last_orders_spend", "array<double>", "of the same orders: what their sales lines add up to", unit="currency"
    ),
    Column("last_orders_product", "array<string>", "of the same orders: the product of the line that sold for most"),
)


def table_of(config: Config, measures: Sequence[str]) -> Table:
    """The contract of features/<name> under this configuration."""
    folds = (FOLD,) if config.features.has_folds else ()
    lists = LAST_ORDERS if config.features.last_orders else ()
    return Table(
        path=f"features/{config.features.name}",
        grain="one row per (customer, cutoff) with a sales line before the cutoff",
        columns=(*features_columns(tuple(measures)), *lists, *folds),
        partition_by=("split", *(column.name for column in folds)),
    )


def _configuration(config: Config) -> Mapping[str, Any]:
    return {"features": dump(config.features), "seed": config.seed, **line_configuration(config)}


def _inputs(run: Run) -> Mapping[str, Any]:
    return {**line_inputs(run), **snapshot_inputs(run)}


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from ringmill.features.apply import encoder
    from ringmill.features.default import default_set
    from ringmill.features.events import measure_names, summarise_measures, with_row_id
    from ringmill.features.fit import choose, fit
    from ringmill.features.splits import with_fold, with_split

    section, zone = run.config.features, run.config.zone
    for split, cutoffs in section.cutoffs_by_split.items():
        for cutoff in cutoffs:
            end = horizon(cutoff, section.horizon_days, zone).end
            check_cutoff(run, cutoff, key=section.key_of(split), horizon_end=end)
    measures = (*measure_names(section.windows_days, section.more_measures), *section.snapshots)
    table = table_of(run.config, measures)
    rows = priced_lines(run, inputs[CLEAN_ROWS.path])
    step.say(f"measures at {', '.join(map(str, section.cutoffs))}")
    every = (
        rows.transform(
            summarise_measures,
            section.cutoffs,
            windows_days=section.windows_days,
            horizon_days=section.horizon_days,
            zone=zone,
            last_orders=section.last_orders,
            more=section.more_measures,
        )
        .transform(lambda measured: with_snapshots(run, measured, inputs, section.cutoffs))
        .transform(with_row_id)
        .transform(with_split, section, seed=run.config.seed)
        .transform(with_fold, section.folds, seed=run.config.seed)
        .persist()
    )
    law_2 = prove_split(run, every)
    customers = every.where("split IS NOT NULL")
    step.say("fitting on the train split")
    entries = section.set or default_set(measures, top_countries=section.top_countries)
    train = customers.where("split = 'train'")
    state = fit(train, entries, columns=readable(table, measures), zone=zone)
    choices: list[Choice] = []
    if section.selection:
        step.say(f"selecting among {len(state.kept)} features")
        state, choices = choose(train, state, section.selection, seed=run.config.seed, where=table.path)
    for choice in choices:
        step.show(choice.table())
    table = with_tensors(table, state)
    encode = encoder(state, fold=FOLD.name)
    version = run.lake.write(customers.mapInArrow(encode, with_x(customers, state)), table, run_id=run.run_id)
    every.unpersist()
    counts = _counts(run, table, version)
    return Result(
        outputs={table.path: version},
        counts=counts,
        summary=f"{sum(counts.values()):,} rows × {len(state.names)} features, {counts['train']:,} to train on",
        laws={"law 2": law_2},
        detail={
            "state": state.to_json(),
            "state_hash": state.hash,
            "names": state.names,
            "selection": [choice.to_json() for choice in choices],
            "measures": measures,
            "manifest": manifest_of(table, state).to_json(),
        },
    )


def manifest_of(table: Table, state: State) -> Contract:
    """What the table promises: its columns, what x is made of, and the tensors that training reads."""
    from ringmill.features.lists import NUMPY
    from ringmill.handoff.contract import Contract, Promise, Tensor

    refused = {name for part in state.parts if part.refuses_null for name in part.reads}
    return Contract.of(
        table,
        Tensor("row_id", "row_id", (), "int64"),
        Tensor("x", "x", (len(state.names),), "float32"),
        Tensor("label_buy", "label_buy", (), "float64"),
        Tensor("label_spend", "label_spend", (), "float64"),
        *(Tensor(made.name, made.name, made.shape, NUMPY[made.type]) for made in state.beside),
        state=state.hash,
        vocabularies=state.vocabularies,
        inputs=tuple(Promise(name, kind, name not in refused) for name, kind in state.inputs),
        features=state.names,
    )


def readable(table: Table, measures: Sequence[str]) -> tuple[str, ...]:
    """The columns that entries may read."""
    lists = {column.name for column in LAST_ORDERS}
    return (*measures, *FURTHER, *(name for name in table.names if name in lists))


def with_tensors(table: Table, state: State) -> Table:
    """The table with the state's tensors beside x."""
    from ringmill.features.lists import SPARK

    tensors = (
        Column(made.name, f"array<{SPARK[made.type]}>", f"tensor of shape {made.shape}, flat") for made in state.beside
    )
    return replace(table, columns=(*table.columns, *tensors))


def with_x(customers: DataFrame, state: State) -> StructType:
    """The schema of encoded rows: theirs, x, and the tensors beside it."""
    from pyspark.sql.types import ArrayType, FloatType, StructField, StructType

    from ringmill.features.fit import field_of

    x = StructField("x", ArrayType(FloatType(), containsNull=False), nullable=False)
    return StructType([*customers.schema.fields, x, *(field_of(made) for made in state.beside)])


def _counts(run: Run, table: Table, version: int) -> dict[str, int]:
    from ringmill.handoff.manifest import pin

    # From the log: a list of the rows' splits would grow with the table.
    counts = {split: pin(run.lake.path(table.path), version, split=split).rows for split in SPLITS}
    if empty := [split for split, rows in counts.items() if rows == 0]:
        raise InputError.empty_split(table.path, empty, sum(counts.values()))
    return counts


FEATURES = Stage("features", ("ringmill.pipeline.features",), _configuration, _inputs, _body)
