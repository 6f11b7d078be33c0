"""Stage texts: files with texts and labels → features/<name>, one row per line, with the state that encodes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.config.texts import Texts
from ringmill.contracts import Table
from ringmill.errors import ConfigError, InputError, LawError
from ringmill.pipeline.progress import Step
from ringmill.pipeline.split_proof import prove_contents
from ringmill.pipeline.stage import Result, Run, Stage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from ringmill.features.text.state import TextState
    from ringmill.handoff.contract import Contract

WHERE = "texts"
STATUSES = ("clean", "rejected", "duplicate")


def _section(config: Config) -> Texts:
    if config.texts is None:
        raise ConfigError.bad_value(f"pipeline {config.pipeline}", WHERE, "a section with name and path", None)
    return config.texts


def _configuration(config: Config) -> Mapping[str, Any]:
    return {WHERE: dump(_section(config)), "seed": config.seed}


def _inputs(run: Run) -> Mapping[str, Any]:
    """What was read, as law 3 compares it: every line's text and label, in one pass over the files."""
    from ringmill.lake.digest import digest_of
    from ringmill.lake.texts import read_texts

    raw = read_texts(run.spark, _section(run.config))
    found, count = digest_of(raw)
    if not count:
        raise InputError.empty(_section(run.config).path)
    run.kept[WHERE] = raw
    return {WHERE: found, "count": count}


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from ringmill.features.text.assemble import assemble_texts
    from ringmill.features.text.fit import fit_texts
    from ringmill.features.text.state import encoder
    from ringmill.features.text.table import texts_table

    section, rows = _section(run.config), inputs["count"]
    table = texts_table(section)
    step.say(f"{rows:,} lines, each text once")
    classes = _classes_of_files(run.kept[WHERE], section)
    texts = assemble_texts(run.kept[WHERE], section, seed=run.config.seed, classes=classes).persist()
    try:
        _check_reviews(texts, section)
        step.say("fitting the vocabulary on the train split")
        state = fit_texts(texts, section)
        kinds = ", ".join(f"{column.name} {column.type}" for column in table.columns if column.name != "ids")
        ordered = texts.select(*(column.name for column in table.columns if column.name != "ids"))
        encoded = ordered.mapInArrow(encoder(state), f"{kinds}, ids array<int>")
        version = run.lake.write(encoded, table, run_id=run.run_id)
    finally:
        texts.unpersist()
    written = run.lake.read(run.spark, table.path, version)
    counts = _counts(written, rows, where=table.path)
    return Result(
        outputs={table.path: version},
        counts=counts,
        summary=(
            f"{counts['clean']:,} texts, {counts['duplicate']:,} duplicates, {counts['rejected']:,} rejected, "
            f"{counts['train']:,} to train on, {len(state.part.values):,} tokens in the vocabulary"
        ),
        laws={
            "law 1": {"raw": rows, **{status: counts[status] for status in STATUSES}},
            "law 2": prove_contents(written, by="group_hash", where=table.path),
        },
        detail={
            "state": state.to_json(),
            "state_hash": state.hash,
            "manifest": manifest_of(table, state).to_json(),
        },
    )


def manifest_of(table: Table, state: TextState) -> Contract:
    """What the table promises: its columns, and the ids of a text."""
    from ringmill.handoff.contract import Contract, Tensor

    return Contract.of(
        table,
        Tensor("ids", "ids", (state.length,), "int32"),
        state=state.hash,
        vocabularies=state.vocabularies,
    )


def _classes_of_files(raw: DataFrame, section: Texts) -> list[str]:
    """The labels that lines have which nobody reviewed, by one more look at them, where there are reviews; [] where the
    files have none at all, so that people's are the only ones."""
    from pyspark.sql import functions as F

    from ringmill.features.text.fit import MOST_CLASSES

    if section.reviewed is None:
        return []
    labelled = raw.where(~F.col("reviewed") & F.col("label").isNotNull()).select("label").distinct()
    return sorted(row["label"] for row in labelled.limit(MOST_CLASSES).collect())


def _check_reviews(texts: DataFrame, section: Texts) -> None:
    """Raises InputError where people gave one text several labels."""
    from pyspark.sql import functions as F

    if section.reviewed is None:
        return
    reviewed = texts.where("reviewed AND content_hash IS NOT NULL")
    labels = reviewed.groupBy("content_hash").agg(F.count_distinct("label").alias("labels"), F.min("text"))
    twice = labels.where("labels > 1").orderBy("content_hash").head()
    if twice is not None:
        received = f"{twice['labels']} labels of '{twice[2][:80]}'"
        raise InputError.unfit(section.reviewed, "one label per text", received, "decide for one of them")


def _counts(written: DataFrame, rows: int, *, where: str) -> dict[str, int]:
    """Rows by status, split and reason; of the clean ones those without a label, and those labelled by people.

    Raises:
        LawError: the rows by status are not as many as were read.
    """
    from pyspark.sql import functions as F

    unlabelled = (F.col("status") == "clean") & F.col("label").isNull()
    reviewed = (F.col("status") == "clean") & F.col("reviewed")
    found = (
        written.groupBy("status", "split", "reasons")
        .agg(
            F.count(F.lit(1)).alias("rows"),
            F.count_if(unlabelled).alias("unlabelled"),
            F.count_if(reviewed).alias("reviewed"),
            F.count_if("relabelled").alias("relabelled"),
        )
        .collect()
    )
    marks = ("unlabelled", "reviewed", "relabelled")
    counts = dict.fromkeys((*STATUSES, "train", "validation", "test", *marks), 0)
    for row in found:
        for name in (row["status"], row["split"], *row["reasons"]):
            if name is not None:
                counts[name] = counts.get(name, 0) + row["rows"]
        for name in marks:
            counts[name] += row[name]
    if sum(counts[status] for status in STATUSES) != rows:
        received = " + ".join(f"{counts[status]:,} {status}" for status in STATUSES)
        raise LawError.broken("Law 1", where, f"{rows:,} lines", received)
    return counts


TEXTS = Stage(WHERE, ("ringmill.pipeline.texts",), _configuration, _inputs, _body)
