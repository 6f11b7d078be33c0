"""Stage score of a pipeline that recommends: clean/rows + the current model → scores/recommendations, and how good such
lists were for the test split."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import CLEAN_ROWS, RECOMMENDATIONS
from ringmill.errors import LawError
from ringmill.features.products import STATE_FILE
from ringmill.pipeline.cutoffs import check_cutoff, default_cutoff, no_customers
from ringmill.pipeline.lines import order_lines
from ringmill.pipeline.prepared import check_state, trained_rows
from ringmill.pipeline.progress import Step
from ringmill.pipeline.promote import model_to_score_with
from ringmill.pipeline.purchases import windows_of
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.windows import Window, midnight

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from ringmill.features.products import ProductState
    from ringmill.score.towers import Towers


def _configuration(config: Config) -> Mapping[str, Any]:
    return {"score": dump(config.score), "recommend": dump(config.recommend), "zone": config.zone}


def _inputs(run: Run) -> Mapping[str, Any]:
    clean = run.ledger.resolve("clean")
    model = model_to_score_with(run, run.config.recommend.name)
    return {CLEAN_ROWS.path: clean.outputs[CLEAN_ROWS.path], "model": model}


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from pyspark.sql import functions as F

    from ringmill.features.products import ProductState
    from ringmill.features.purchases import filter_sales
    from ringmill.score.recommend import JUDGED_BY, LISTED, MODEL, NEW, recommender
    from ringmill.score.towers import Towers
    from ringmill.train.results import FROZEN

    cutoff, top = run.config.score.cutoff or default_cutoff(run), run.config.recommend.top
    check_cutoff(run, cutoff, key="score.cutoff")
    model = Path(run.lake.path(inputs["model"]))
    kept = json.loads((model / STATE_FILE).read_text(encoding="utf-8"))
    check_state(run, inputs["model"], kept)
    state = ProductState.from_json(kept)
    towers = Towers.load(model / FROZEN)
    sales = filter_sales(order_lines(run, inputs[CLEAN_ROWS.path])).persist()
    window = windows_of(run.config)["test"]
    if late := _learnt_within(run, model, window):
        judged = [_figures(by, kind, None, len(state.products)) for by, kind in JUDGED_BY]
    else:
        step.say("judging the test split's lists")
        judged = judged_lists(sales, towers, state, window, top=top)
    customers = _customers(run, sales, state, cutoff).persist()
    try:
        expected = customers.count()
        if not expected:
            raise no_customers(run, cutoff, key="score.cutoff")
        step.say(f"listing {top} products for each of {expected:,} customers as of {cutoff}")
        listed = customers.mapInArrow(recommender(towers, state, top), LISTED)
        named = listed.withColumns({"cutoff": F.lit(cutoff), "model_run": F.lit(model.name)})
        version = run.lake.write(named, RECOMMENDATIONS, run_id=run.run_id)
    finally:
        customers.unpersist()
        sales.unpersist()
    counts = _counts(run.lake.read(run.spark, RECOMMENDATIONS.path, version), expected, top)
    new = next(each for each in judged if (each["by"], each["list"]) == (MODEL, NEW))
    figure = "nobody bought a new product" if new["recall"] is None else f"recall {new['recall']:.1%} of new products"
    if late:
        figure = f"not judged, for the model learnt from purchases up to {late:%Y-%m-%d %H:%M}, and not"
    return Result(
        outputs={RECOMMENDATIONS.path: version},
        counts=counts,
        summary=f"{expected:,} customers as of {cutoff}, {figure} on the test split",
        laws={"law 2": {"judged_as_of": str(run.config.recommend.test_cutoff), "listed_as_of": str(cutoff)}},
        detail={"cutoff": str(cutoff), "top": top, "judged": judged},
    )


def _learnt_within(run: Run, model: Path, window: Window) -> datetime | None:
    """The last purchase that the model learnt from or was chosen by, where it does not lie before the window: such a
    model stays the current one when the configured cutoffs move to before its own. None where all of them do."""
    from pyspark.sql import functions as F

    rows = trained_rows(run, model, f"features/{run.config.recommend.name}")
    (last,) = rows.where("split != 'test'").agg(F.max("bought_at")).first() or (None,)
    return last if last is not None and last.astimezone(UTC) >= window.start else None


def _customers(run: Run, sales: DataFrame, state: ProductState, cutoff: date) -> DataFrame:
    """Who bought before the cutoff, with the known products bought, of which there may be none: the model then says
    what it says of anyone."""
    from pyspark.sql import functions as F

    from ringmill.features.purchases import summarise_customers, summarise_purchases, with_product

    purchases = summarise_purchases(sales, midnight(cutoff, run.config.zone))
    past = summarise_customers(with_product(purchases, state)).select("customer_id", "past")
    everyone = purchases.select("customer_id").distinct().join(past, "customer_id", "left")
    return everyone.withColumn("past", F.coalesce("past", F.array().cast("array<int>")))


def judged_lists(
    sales: DataFrame, towers: Towers, state: ProductState, window: Window, *, top: int
) -> list[dict[str, Any]]:
    """Of each recommender and kind of list, in one order: customers, mean recall and NDCG (None of no customer), and
    `coverage`, the share of all known products that at least one list holds.

    Lists are made of what was known at the window's start, for who had bought before it and bought a known product
    within it.
    """
    from pyspark.sql import functions as F

    from ringmill.features.purchases import summarise_purchases, summarise_tests, summarise_window, with_product
    from ringmill.score.recommend import JUDGED, JUDGED_BY, judge_lists

    bought, before = summarise_window(sales, window), summarise_purchases(sales, window.start)
    customers = summarise_tests(*(with_product(purchases, state) for purchases in (bought, before)))
    each = customers.mapInArrow(judge_lists(towers, state, top), JUDGED).persist()
    means = each.groupBy("by", "list").agg(
        F.count(F.lit(1)).alias("customers"), F.avg("recall").alias("recall"), F.avg("ndcg").alias("ndcg")
    )
    shown = each.select("by", "list", F.explode("products").alias("product")).distinct().groupBy("by", "list").count()
    found = {(row["by"], row["list"]): row for row in means.join(shown, ["by", "list"]).collect()}
    each.unpersist()
    return [_figures(by, kind, found.get((by, kind)), len(state.products)) for by, kind in JUDGED_BY]


def _figures(by: str, kind: str, row: Any, products: int) -> dict[str, Any]:
    if row is None:
        return {"by": by, "list": kind, "customers": 0, "recall": None, "ndcg": None, "coverage": 0.0}
    figures = {name: row[name] for name in ("customers", "recall", "ndcg")}
    return {"by": by, "list": kind, **figures, "coverage": row["count"] / products}


def _counts(written: DataFrame, customers: int, top: int) -> dict[str, int]:
    """Customers and rows of both lists. Raises LawError where a list is missing, or a place in it is not there once."""
    from pyspark.sql import functions as F

    lists = written.groupBy("customer_id", "list").agg(
        F.count(F.lit(1)).alias("rows"), F.max("place").alias("last"), F.count_distinct("product_id").alias("products")
    )
    found = lists.groupBy("list").agg(
        F.count(F.lit(1)).alias("customers"),
        F.sum("rows").alias("rows"),
        F.count_if(F.expr(f"rows != last OR rows != products OR rows > {top}")).alias("torn"),
    )
    by_list = {row["list"]: row for row in found.collect()}
    torn = sum(row["torn"] for row in by_list.values())
    whole = by_list["all"]["customers"] if "all" in by_list else 0
    if torn or whole != customers:
        expected = f"one list of at most {top} products for each of {customers:,} customers"
        raise LawError.broken("Scoring", RECOMMENDATIONS.path, expected, f"{whole:,} lists, {torn:,} of them torn")
    return {"customers": customers, **{f"listed_{name}": int(row["rows"]) for name, row in sorted(by_list.items())}}


RECOMMEND = Stage("score", ("ringmill.pipeline.recommend",), _configuration, _inputs, _body)
