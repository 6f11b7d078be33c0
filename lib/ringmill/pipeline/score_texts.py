"""Stage score of a pipeline of texts: every clean text + the current model → scores/<pipeline>, and refined/<route>."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.config.route import Route
from ringmill.contracts import refined_table, text_scores_table
from ringmill.errors import ConfigError
from ringmill.pipeline.examples import section_of
from ringmill.pipeline.prepared import check_state, trained_rows
from ringmill.pipeline.progress import Step
from ringmill.pipeline.promote import model_to_score_with
from ringmill.pipeline.score import check_each_once, scorers_for
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.score.route import ROUTES, Thresholds, choose
from ringmill.score.texts import STATE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

KEYS = ("row_id", "text", "label", "split", "reviewed", "learnt")


def _configuration(config: Config) -> Mapping[str, Any]:
    return {"route": None if config.route is None else dump(config.route)}


def _inputs(run: Run) -> Mapping[str, Any]:
    name = section_of(run.config).name
    table = f"features/{name}"
    return {table: run.ledger.resolve("texts").outputs[table], "model": model_to_score_with(run, name)}


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    route, model = run.config.route, Path(run.lake.path(inputs["model"]))
    classes = json.loads((model / "manifest.json").read_text(encoding="utf-8"))["classes"]
    if route is not None and route.positive not in classes:
        expected = f"one of the model's classes: {', '.join(classes)}"
        raise ConfigError.bad_value("route", "route.positive", expected, route.positive)
    check_state(run, inputs["model"], json.loads((model / STATE).read_text(encoding="utf-8")))
    table = f"features/{section_of(run.config).name}"
    texts = _with_learnt(run, run.lake.read(run.spark, table, inputs[table]).where("status = 'clean'"), table, model)
    expected_rows = texts.count()
    step.say(f"scoring {expected_rows:,} texts")
    scored = _scored(run, texts, model, expected_rows, classes).persist()
    try:
        detail: dict[str, Any] = {"classes": classes}
        if route is not None:
            step.say(f"choosing thresholds for a precision of {route.precision:.1%}")
            thresholds = _thresholds(scored, route)
            detail |= {"thresholds": thresholds.to_json(), "test": _on_test(_routed(scored, thresholds, route), route)}
            scored = _routed(scored, thresholds, route)
        table_of_scores = text_scores_table(run.config.pipeline)
        version = run.lake.write(scored.drop("reviewed", "learnt"), table_of_scores, run_id=run.run_id)
        outputs = {table_of_scores.path: version}
        written = run.lake.read(run.spark, table_of_scores.path, version)
        for name in ROUTES if route is not None else ():
            refined = refined_table(name)
            outputs[refined.path] = run.lake.write(written.where(f"route = '{name}'"), refined, run_id=run.run_id)
    finally:
        scored.unpersist()
    counts = _counts(run, table_of_scores.path, version, expected_rows)
    words = _words(counts, route) + (_missed(thresholds, route) if route is not None else "")
    return Result(outputs=outputs, counts=counts, summary=words, detail=detail)


def _with_learnt(run: Run, texts: DataFrame, table: str, model: Path) -> DataFrame:
    """Texts → `KEYS`; `learnt`: the model was trained on the text or a near repeat, so that it neither chooses nor
    judges.

    Another split since, by other shares or another seed, leaves the current model as it was where the new one is kept.
    """
    from pyspark.sql import functions as F

    train = trained_rows(run, model, table).where("split = 'train'")
    if "group_hash" not in train.columns:  # of an earlier release
        train = texts.join(train.select("row_id"), "row_id")
    learnt = train.select("group_hash").distinct().withColumn("learnt", F.lit(True))
    marked = texts.join(learnt, "group_hash", "left").withColumn("learnt", F.coalesce("learnt", F.lit(False)))
    return marked.select(*KEYS)


def _scored(run: Run, texts: DataFrame, model: Path, rows: int, classes: list[str]) -> DataFrame:
    from pyspark.sql import functions as F

    from ringmill.score.batches import CLASS_SCORES, scored

    answers = texts.coalesce(scorers_for(run, rows)).mapInArrow(
        scored(str(model), str(run.log_folder), keys=KEYS, answer=CLASS_SCORES),
        "row_id bigint, text string, label string, split string, reviewed boolean, learnt boolean, predicted string, "
        "probabilities array<double>",
    )
    chance = F.lit(None).cast("double")
    if run.config.route is not None:
        chance = F.element_at("probabilities", 1 + classes.index(run.config.route.positive))
    named = answers.withColumn("model_run", F.lit(model.name)).withColumn("probability", chance)
    return named.withColumn("route", F.lit(None).cast("string"))


def _thresholds(scored: DataFrame, route: Route) -> Thresholds:
    """By the validation split alone, of it what the model has not learnt from: nor is it what is judged by."""
    found = scored.where("split = 'validation' AND NOT learnt").select("probability", "label").toArrow()
    positive = pc.equal(found["label"], route.positive).to_numpy()
    return choose(found["probability"].to_numpy(), positive, precision=route.precision)


def _routed(scored: DataFrame, thresholds: Thresholds, route: Route) -> DataFrame:
    """Each text by its score; one that a person has labelled goes where the label says, and never back for review."""
    from pyspark.sql import functions as F

    way = F.lit("review")
    if thresholds.low.at is not None:
        way = F.when(F.col("probability") <= thresholds.low.at, "accepted").otherwise(way)
    if thresholds.high.at is not None:
        way = F.when(F.col("probability") >= thresholds.high.at, "rejected").otherwise(way)
    said = F.when(F.col("label") == route.positive, "rejected").otherwise("accepted")
    return scored.withColumn("route", F.when(F.col("reviewed"), said).otherwise(way))


def _counts(run: Run, table: str, version: int, expected: int) -> dict[str, int]:
    """Texts scored, and by route.

    Raises:
        LawError: not every text was scored once.
    """
    written = run.lake.read_arrow(table, version, ["row_id", "route"])
    check_each_once(written, expected, where=table, key="row_id", many="texts")
    counts = {"texts": expected}
    if run.config.route is not None:
        counts |= {name: pc.sum(pc.equal(written["route"], name)).as_py() or 0 for name in ROUTES}
    return counts


def _on_test(routed: DataFrame, route: Route) -> dict[str, dict[str, int]]:
    """Of the test split, of it what the model has not learnt and nobody has labelled by hand, and which chose nothing:
    by route the rows, and how many of them are of the positive class."""
    judged = routed.where("split = 'test' AND NOT learnt AND NOT reviewed")
    found = judged.select("label", "route").toArrow()
    positive = pc.equal(found["label"], route.positive)
    by_route = {name: pc.equal(found["route"], name) for name in ROUTES}
    return {
        name: {"rows": pc.sum(there).as_py() or 0, "positive": pc.sum(pc.and_(there, positive)).as_py() or 0}
        for name, there in by_route.items()
    }


def _missed(thresholds: Thresholds, route: Route) -> str:
    """The ways that no threshold leads to."""
    cuts = {"accepted": thresholds.low, "rejected": thresholds.high}
    none = [name for name, cut in cuts.items() if cut.at is None]
    return f"; no threshold for {' and '.join(none)} is right in {route.precision:.1%} of validation" if none else ""


def _words(counts: Mapping[str, int], route: Route | None) -> str:
    if route is None:
        return f"{counts['texts']:,} texts"
    ways = ", ".join(f"{counts[name]:,} {'for ' if name == 'review' else ''}{name}" for name in ROUTES)
    return f"{counts['texts']:,} texts: {ways}"


SCORE_TEXTS = Stage("score", ("ringmill.pipeline.score_texts", "ringmill.score.scorer"), _configuration, _inputs, _body)
