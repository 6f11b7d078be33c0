"""Stage features of a pipeline that foresees the next order: clean/rows → features/<name>, order sequences as of
cutoffs, with what followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import CLEAN_ROWS, Table, sequences_table
from ringmill.pipeline.cutoffs import check_cutoff
from ringmill.pipeline.lines import line_configuration, line_inputs, priced_lines
from ringmill.pipeline.progress import Step
from ringmill.pipeline.split_proof import SPLITS, prove_times
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.windows import horizon

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from ringmill.features.order_state import OrderState
    from ringmill.handoff.contract import Contract


def _configuration(config: Config) -> Mapping[str, Any]:
    return {"sequences": dump(config.sequences), **line_configuration(config)}


def _inputs(run: Run) -> Mapping[str, Any]:
    return line_inputs(run)


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from pyspark.sql import functions as F

    from ringmill.features.fit_orders import fit_orders
    from ringmill.features.next_orders import filter_order_lines, summarise_sequences

    section, zone = run.config.sequences, run.config.zone
    for split, cutoffs in section.cutoffs_by_split.items():
        for cutoff in cutoffs:
            end = horizon(cutoff, section.horizon_days, zone).end
            check_cutoff(run, cutoff, key=section.key_of(split), horizon_end=end)
    rows = priced_lines(run, inputs[CLEAN_ROWS.path])
    lines = rows.transform(filter_order_lines, code_characters=section.code_characters)
    step.say(f"orders as of {len(section.cutoffs)} cutoffs, and the one that followed each")
    sequences = lines.transform(
        summarise_sequences, section.cutoffs, horizon_days=section.horizon_days, history=section.history, zone=zone
    ).persist()
    table = sequences_table(section.name)
    try:
        train = sequences.where(F.col("cutoff").isin(*section.train_cutoffs))
        state = fit_orders(train, section, where=table.path)
        version = run.lake.write(_encoded(sequences, state, run), table, run_id=run.run_id)
    finally:
        sequences.unpersist()
    written = run.lake.read(run.spark, table.path, version)
    law_2, counts = prove_times(run, written, section), _counts(written)
    return Result(
        outputs={table.path: version},
        counts=counts | {"categories": len(state.categories)},
        summary=f"{sum(counts[split] for split in SPLITS):,} sequences, {counts['train']:,} to train on, "
        f"{counts['next_orders']:,} with a next order, {len(state.categories)} categories",
        laws={"law 2": law_2},
        detail={
            "state": state.to_json(),
            "state_hash": state.hash,
            "manifest": manifest_of(table, state).to_json(),
        },
    )


def _encoded(sequences: DataFrame, state: OrderState, run: Run) -> DataFrame:
    """Rows of `summarise_sequences` → of features/<name>."""
    from ringmill.features.next_orders import with_labels
    from ringmill.features.order_state import LISTS, encoder

    kept = [column for column in sequences_table(run.config.sequences.name).columns if column.name != "x"]
    labelled = with_labels(sequences, state, run.config.sequences)
    kinds = ", ".join(f"{column.name} {column.type}" for column in kept)
    columns = (*(column.name for column in kept), *LISTS)
    return labelled.select(*columns).mapInArrow(encoder(state), f"{kinds}, x array<float>")


def manifest_of(table: Table, state: OrderState) -> Contract:
    """What the table promises: its columns, and the tensors that training reads."""
    from ringmill.handoff.contract import Contract, Tensor

    return Contract.of(
        table,
        Tensor("row_id", "row_id", (), "int64"),
        Tensor("x", "x", state.shape, "float32"),
        state=state.hash,
        vocabularies=state.vocabularies,
    )


def _counts(written: DataFrame) -> dict[str, int]:
    """Rows by split; and of all of them those with a next order, and with one of a category."""
    from pyspark.sql import functions as F

    found = written.groupBy("split").agg(
        F.count(F.lit(1)).alias("rows"),
        F.count_if(F.col("comes") == "yes").alias("next_orders"),
        F.count("category").alias("with_category"),
    )
    by_split = {row["split"]: row for row in found.collect()}
    counts = {split: by_split[split]["rows"] for split in SPLITS}
    return counts | {name: sum(row[name] for row in by_split.values()) for name in ("next_orders", "with_category")}


SEQUENCES = Stage("features", ("ringmill.pipeline.sequences",), _configuration, _inputs, _body)
