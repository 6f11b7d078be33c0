"""Commands: one stage, or all of a pipeline, from a YAML; the one place where configuration becomes a run."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from ringmill.config import Config, load
from ringmill.errors import ConfigError
from ringmill.lake.ledger import Entry
from ringmill.lake.paths import local
from ringmill.pipeline.augment import AUGMENT
from ringmill.pipeline.clean import CLEAN, planned_clean
from ringmill.pipeline.command import Outcome
from ringmill.pipeline.embed import EMBED
from ringmill.pipeline.features import FEATURES
from ringmill.pipeline.generate import GENERATE
from ringmill.pipeline.images import IMAGES
from ringmill.pipeline.imbalanced import GENERATE_IMBALANCED
from ringmill.pipeline.messages import GENERATE_MESSAGES
from ringmill.pipeline.pictures import GENERATE_PICTURES
from ringmill.pipeline.purchases import PURCHASES
from ringmill.pipeline.recommend import RECOMMEND
from ringmill.pipeline.report import REPORT
from ringmill.pipeline.report_augment import REPORT_AUGMENT
from ringmill.pipeline.report_examples import REPORT_EXAMPLES
from ringmill.pipeline.report_recommend import REPORT_RECOMMEND
from ringmill.pipeline.report_sequences import REPORT_SEQUENCES
from ringmill.pipeline.rfm import RFM
from ringmill.pipeline.score import SCORE
from ringmill.pipeline.score_images import SCORE_IMAGES
from ringmill.pipeline.score_sequences import SCORE_SEQUENCES
from ringmill.pipeline.score_texts import SCORE_TEXTS
from ringmill.pipeline.sequences import SEQUENCES
from ringmill.pipeline.stage import Run, Stage, check_place, execute, new_run_id
from ringmill.pipeline.texts import TEXTS
from ringmill.pipeline.tracking import check_installed
from ringmill.pipeline.train import TRAIN, planned
from ringmill.pipeline.train_examples import TRAIN_EXAMPLES, planned_examples
from ringmill.pipeline.train_helped import TRAIN_GENERATED, TRAIN_OVERSAMPLED, TRAIN_WEIGHTED
from ringmill.pipeline.train_purchases import TRAIN_PURCHASES, planned_purchases
from ringmill.pipeline.train_sequences import TRAIN_SEQUENCES, planned_sequences
from ringmill.pipeline.train_table import TRAIN_TABLE, planned_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RUN_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
STAGES: dict[str, Stage] = {
    stage.name: stage for stage in (GENERATE, CLEAN, RFM, FEATURES, EMBED, IMAGES, TRAIN, SCORE, REPORT)
}
# Of a pipeline that reads images alone.
OF_IMAGES: dict[str, Stage] = {
    stage.name: stage for stage in (GENERATE_PICTURES, IMAGES, TRAIN_EXAMPLES, SCORE_IMAGES, REPORT_EXAMPLES)
}
# Of a pipeline that reads texts alone.
OF_TEXTS: dict[str, Stage] = {
    stage.name: stage for stage in (GENERATE_MESSAGES, TEXTS, TRAIN_EXAMPLES, SCORE_TEXTS, REPORT_EXAMPLES)
}
# Of a pipeline that recommends products.
OF_PURCHASES: dict[str, Stage] = {
    stage.name: stage for stage in (GENERATE, CLEAN, PURCHASES, TRAIN_PURCHASES, RECOMMEND, REPORT_RECOMMEND)
}
# Of a pipeline that foresees the next order.
OF_SEQUENCES: dict[str, Stage] = {
    stage.name: stage for stage in (GENERATE, CLEAN, SEQUENCES, TRAIN_SEQUENCES, SCORE_SEQUENCES, REPORT_SEQUENCES)
}
# Of a pipeline that trains on a table of one's own.
OF_TABLE: dict[str, Stage] = {TRAIN_TABLE.name: TRAIN_TABLE}
# Of a pipeline that helps a rare class of such a table.
HELPED = (TRAIN_TABLE, TRAIN_WEIGHTED, TRAIN_OVERSAMPLED, TRAIN_GENERATED)
OF_RARE: dict[str, Stage] = {stage.name: stage for stage in (GENERATE_IMBALANCED, AUGMENT, *HELPED, REPORT_AUGMENT)}


def stages_of(config: Config) -> dict[str, Stage]:
    """The stages of a pipeline by name, in their order."""
    if config.table_section is not None:
        return OF_TABLE if config.augment_section is None else OF_RARE
    if config.recommend_section is not None:
        return OF_PURCHASES
    if config.sequences_section is not None:
        return OF_SEQUENCES
    if config.examples is None:
        return STAGES
    return OF_IMAGES if config.texts is None else OF_TEXTS


def configured(conf: Path, *, raw: str | None, warehouse: str | None, settings: Iterable[str]) -> Config:
    """The YAML with the command's settings laid over it."""
    return load(conf, settings, warehouse=None if warehouse is None else local(warehouse), raw=raw)


def run_stages(
    config: Config,
    names: Sequence[str],
    *,
    run_id: str | None = None,
    session: SparkSession | None = None,
    outcome: Outcome | None = None,
) -> list[Entry]:
    """Run the named stages in order; the session, if one was started, is stopped at the end, however it comes.

    `run_id` is the name that whoever starts the run gives it, to find it in the ledger; None: it makes its own. What
    is done is entered in `outcome`.
    """
    started, outcome = time.monotonic(), outcome or Outcome()
    outcome.pipeline = config.pipeline
    check_installed(config.mlflow)
    run = Run(config, session=session, run_id=new_run_id() if run_id is None else run_id)
    if run_id is not None:
        _check_run_id(run)
    outcome.run_id = run.run_id
    entries: list[Entry] = []
    try:
        for name in names:  # all of them before the first: a training is refused before hours of cleaning
            check_place(run, name)
        for name in names:
            entries.append(execute(_stage(config, name), run))
            outcome.stages[name] = entries[-1].outcome
    finally:
        peak = run.close()
    report = next((entry.detail["path"] for entry in entries if entry.stage == "report"), None)
    run.progress.close(seconds=time.monotonic() - started, peak_bytes=peak, report=report)
    return entries


def _check_run_id(run: Run) -> None:
    """Folders of logs and models are named so, and two runs of one name could not be told apart."""
    is_new = all(entry.run_id != run.run_id for entry in run.ledger.entries())
    if not (is_new and re.fullmatch(RUN_ID, run.run_id)):
        expected = "up to 100 letters, digits and . _ -, beginning with one of the first two; unlike every run so far"
        raise ConfigError.bad_value(f"the ledger of {run.lake.root}", "--run-id", expected, run.run_id)


def _stage(config: Config, name: str) -> Stage:
    stages = stages_of(config)
    if name not in stages:
        where, known = f"pipeline {config.pipeline}, which reads no orders", ", ".join(stages)
        raise ConfigError.bad_value(where, name, f"one of its stages: {known}", name)
    return stages[name]


def run_all(
    config: Config,
    *,
    run_id: str | None = None,
    session: SparkSession | None = None,
    outcome: Outcome | None = None,
) -> list[Entry]:
    """All stages; `generate`, `embed` and `images` only where the configuration has such a section."""
    generated: BaseModel | None = config.generate
    if (source := config.table_section or config.examples) is not None:
        generated = source.generate
    optional = {"generate": generated, "embed": config.embeddings_section, "images": config.images}
    left_out = {name for name, section in optional.items() if section is None}
    names = [name for name in stages_of(config) if name not in left_out]
    return run_stages(config, names, run_id=run_id, session=session, outcome=outcome)


def _planner(config: Config, stage: str) -> Callable[[Run], str]:
    if stage == "clean":
        return planned_clean
    if config.table_section is not None:
        return planned_table
    if config.recommend_section is not None:
        return planned_purchases
    if config.sequences_section is not None:
        return planned_sequences
    return planned if config.examples is None else planned_examples


def print_plan(config: Config, stage: str) -> None:
    """Print what 'clean' would cost, or the hand-off's plan for 'train'; starts neither Spark nor ranks."""
    run = Run(config)
    try:
        check_place(run, stage)
        text = _planner(config, stage)(run)
        run.progress.console.print(text, markup=False, soft_wrap=True)
    finally:
        run.close()
