"""Stage generate of a pipeline that helps a rare class: rows, as table.generate says → the table that `table` reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.config.table import Imbalanced
from ringmill.errors import ConfigError
from ringmill.generate.imbalanced import is_written, write_imbalanced
from ringmill.lake.ledger import Entry
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage


def _section(config: Config) -> Imbalanced:
    if config.table.generate is None:
        raise ConfigError.bad_value(f"pipeline {config.pipeline}", "table", "a section with 'generate'", None)
    return config.table.generate


def _configuration(config: Config) -> Mapping[str, Any]:
    return {"imbalanced": dump(_section(config)), "shape": config.table.shape, "seed": config.seed}


def _inputs(run: Run) -> Mapping[str, Any]:
    return {"table": run.config.table.path}


def _is_there(run: Run, entry: Entry) -> bool:
    return is_written(run.config.table, _section(run.config), seed=run.config.seed)


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    section = _section(run.config)
    step.say(f"{section.rows:,} rows, {section.rare:.1%} of them rare")
    rare = write_imbalanced(run.config.table, section, seed=run.config.seed)
    return Result(
        outputs={"table": run.config.table.path},
        counts={"rows": section.rows, "rare": rare},
        summary=f"{section.rows:,} rows in {run.config.table.path}, {rare:,} of them rare",
    )


GENERATE_IMBALANCED = Stage("generate", ("ringmill.pipeline.imbalanced",), _configuration, _inputs, _body, _is_there)
