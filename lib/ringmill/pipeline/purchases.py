"""Stage features of a pipeline that recommends: clean/rows → features/<name>, each customer's products."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import CLEAN_ROWS, Table, purchases_table
from ringmill.errors import InputError, LawError
from ringmill.pipeline.cutoffs import check_cutoff
from ringmill.pipeline.lines import order_lines
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.windows import Window, horizon

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from ringmill.features.products import ProductState
    from ringmill.handoff.contract import Contract

SPLITS = ("train", "validation", "test")
MOMENT = timedelta(microseconds=1)  # the last instant before a cutoff


def windows_of(config: Config) -> dict[str, Window]:
    """By later split the window in which its purchases fell."""
    section = config.recommend
    cutoffs = {"validation": section.validation_cutoff, "test": section.test_cutoff}
    return {name: horizon(cutoff, section.horizon_days, config.zone) for name, cutoff in cutoffs.items()}


def _configuration(config: Config) -> Mapping[str, Any]:
    # How long a list is says nothing of what is learnt.
    section = {name: value for name, value in dump(config.recommend).items() if name != "top"}
    return {"recommend": section, "zone": config.zone}


def _inputs(run: Run) -> Mapping[str, Any]:
    return {CLEAN_ROWS.path: run.ledger.resolve("clean").outputs[CLEAN_ROWS.path]}


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from ringmill.features.purchases import filter_sales, fit_products, summarise_purchases

    section, windows = run.config.recommend, windows_of(run.config)
    for split, window in windows.items():
        key = f"recommend.{split}_cutoff"
        check_cutoff(run, getattr(section, f"{split}_cutoff"), key=key, horizon_end=window.end)
    sales = filter_sales(order_lines(run, inputs[CLEAN_ROWS.path])).persist()
    step.say(f"purchases before {section.validation_cutoff}, and the products among them")
    train = summarise_purchases(sales, windows["validation"].start).persist()
    try:
        state = fit_products(train, section)
        table = purchases_table(section.name)
        step.say(f"who bought which of {len(state.products):,} products first when")
        version = run.lake.write(_examples(sales, train, state, windows), table, run_id=run.run_id)
    finally:
        train.unpersist()
        sales.unpersist()
    written = run.lake.read(run.spark, table.path, version)
    counts, law_2 = _proved(written, windows, where=table.path)
    return Result(
        outputs={table.path: version},
        counts=counts | {"products": len(state.products)},
        summary=f"{sum(counts.values()):,} first purchases of {len(state.products):,} products, "
        f"{counts['train']:,} to train on",
        laws={"law 2": law_2},
        detail={
            "state": state.to_json(),
            "state_hash": state.hash,
            "manifest": manifest_of(table, state).to_json(),
        },
    )


def _examples(sales: DataFrame, train: DataFrame, state: ProductState, windows: Mapping[str, Window]) -> DataFrame:
    from ringmill.features.purchases import (
        later_rows,
        summarise_purchases,
        summarise_window,
        train_rows,
        with_product,
    )

    found = train_rows(with_product(train, state), state, cutoff=windows["validation"].start)
    for split, window in windows.items():
        bought = with_product(summarise_window(sales, window), state)
        before = with_product(summarise_purchases(sales, window.start), state)
        found = found.unionByName(later_rows(bought, before, state, cutoff=window.start, split=split))
    return found


def manifest_of(table: Table, state: ProductState) -> Contract:
    """What the table promises: its columns, and the tensors that training reads."""
    from ringmill.handoff.contract import Contract, Tensor

    return Contract.of(
        table,
        Tensor("row_id", "row_id", (), "int64"),
        Tensor("product", "product", (), "float64"),
        Tensor("x", "x", (state.length,), "int32"),
        state=state.hash,
        vocabularies=state.vocabularies,
    )


def _proved(written: DataFrame, windows: Mapping[str, Window], *, where: str) -> tuple[dict[str, int], dict[str, Any]]:
    """Rows by split; and that each split's purchases lie in its window, behind all that earlier splits see and learn.

    Raises:
        LawError: one does not.
        InputError: a split has no rows.
    """
    from pyspark.sql import functions as F

    found = written.groupBy("split").agg(
        F.count(F.lit(1)).alias("rows"),
        F.min("bought_at").alias("first"),
        F.max("bought_at").alias("last"),
        F.max("seen_before").alias("seen_before"),
    )
    by_split = {row["split"]: row for row in found.collect()}
    counts = {split: by_split[split]["rows"] if split in by_split else 0 for split in SPLITS}
    if empty := [split for split in SPLITS if not counts[split]]:
        raise InputError.empty_split(where, empty, sum(counts.values()))
    spans = {split: tuple(by_split[split][name].astimezone(UTC) for name in ("first", "last")) for split in SPLITS}
    for split, window in windows.items():
        if not all(instant in window for instant in spans[split]):
            raise LawError.broken("Law 2", where, f"{split} purchases in {window}", str(spans[split]))
    for earlier, later in pairwise(SPLITS):
        seen = by_split[earlier]["seen_before"].astimezone(UTC)
        if max(spans[earlier][1], seen - MOMENT) >= windows[later].start:
            expected = f"all that {earlier} sees or learns before {windows[later].start}"
            raise LawError.broken("Law 2", where, expected, f"{spans[earlier][1]}, seen before {seen}")
    instants = {split: {"first": str(first), "last": str(last)} for split, (first, last) in spans.items()}
    return counts, {"kind": "time", "instants": instants}


PURCHASES = Stage("features", ("ringmill.pipeline.purchases",), _configuration, _inputs, _body)
