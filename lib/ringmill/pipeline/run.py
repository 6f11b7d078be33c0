"""Commands: one stage, or all of a pipeline, from a YAML; the one place where configuration becomes a run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ringmill.config import Config, load
from ringmill.errors import ConfigError
from ringmill.lake.ledger import Entry
from ringmill.pipeline.clean import CLEAN, planned_clean
from ringmill.pipeline.features import FEATURES
from ringmill.pipeline.generate import GENERATE
from ringmill.pipeline.images import IMAGES
from ringmill.pipeline.messages import GENERATE_MESSAGES
from ringmill.pipeline.pictures import GENERATE_PICTURES
from ringmill.pipeline.report import REPORT
from ringmill.pipeline.report_examples import REPORT_EXAMPLES
from ringmill.pipeline.rfm import RFM
from ringmill.pipeline.score import SCORE
from ringmill.pipeline.score_texts import SCORE_TEXTS
from ringmill.pipeline.stage import Run, Stage, execute
from ringmill.pipeline.texts import TEXTS
from ringmill.pipeline.train import TRAIN, planned
from ringmill.pipeline.train_examples import TRAIN_EXAMPLES, planned_examples

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

STAGES: dict[str, Stage] = {
    stage.name: stage for stage in (GENERATE, CLEAN, RFM, FEATURES, IMAGES, TRAIN, SCORE, REPORT)
}
# Of a pipeline that reads images alone.
OF_IMAGES: dict[str, Stage] = {
    stage.name: stage for stage in (GENERATE_PICTURES, IMAGES, TRAIN_EXAMPLES, REPORT_EXAMPLES)
}
# Of a pipeline that reads texts alone.
OF_TEXTS: dict[str, Stage] = {
    stage.name: stage for stage in (GENERATE_MESSAGES, TEXTS, TRAIN_EXAMPLES, SCORE_TEXTS, REPORT_EXAMPLES)
}


def stages_of(config: Config) -> dict[str, Stage]:
    """The stages of a pipeline by name, in their order."""
    if config.examples is None:
        return STAGES
    return OF_IMAGES if config.texts is None else OF_TEXTS


def configured(conf: Path, *, raw: str | None, warehouse: str | None, settings: Iterable[str]) -> Config:
    """The YAML with the command's settings laid over it."""
    return load(conf, settings, warehouse=warehouse, raw=raw)


def run_stages(config: Config, names: Sequence[str], *, session: SparkSession | None = None) -> list[Entry]:
    """Run the named stages in order; the session, if one was started, is stopped at the end, however it comes."""
    started = time.monotonic()
    run = Run(config, session=session)
    entries: list[Entry] = []
    try:
        for name in names:
            entries.append(execute(_stage(config, name), run))
    finally:
        peak = run.close()
    report = next((entry.detail["path"] for entry in entries if entry.stage == "report"), None)
    run.progress.close(seconds=time.monotonic() - started, peak_bytes=peak, report=report)
    return entries


def _stage(config: Config, name: str) -> Stage:
    stages = stages_of(config)
    if name not in stages:
        where, known = f"pipeline {config.pipeline}, which reads no orders", ", ".join(stages)
        raise ConfigError.bad_value(where, name, f"one of its stages: {known}", name)
    return stages[name]


def run_all(config: Config, *, session: SparkSession | None = None) -> list[Entry]:
    """All stages; `generate` and `images` only where the configuration has such a section."""
    generated = config.generate if config.examples is None else config.examples.generate
    left_out = {name for name, section in (("generate", generated), ("images", config.images)) if section is None}
    names = [name for name in stages_of(config) if name not in left_out]
    return run_stages(config, names, session=session)


def print_plan(config: Config, stage: str) -> None:
    """Print what 'clean' would cost, or the hand-off's plan for 'train'; starts neither Spark nor ranks."""
    run = Run(config)
    try:
        text = {"clean": planned_clean, "train": planned if config.examples is None else planned_examples}[stage](run)
        run.progress.console.print(text, markup=False, soft_wrap=True)
    finally:
        run.close()
