"""Stage generate: the shop of the configuration's generate section → raw CSV files and the list of what was planted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringmill.config.load import dump
from ringmill.config.models import Config, Generate
from ringmill.errors import ConfigError
from ringmill.generate.shop import is_written, orders_path, planted_path, write_shop
from ringmill.lake.ledger import Entry
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage


def planted_list(config: Config) -> str | None:
    """Where the list of planted defects lies: beside the generated orders; None for real input."""
    return None if config.generate is None else planted_path(_folder(config))


def _section(config: Config) -> Generate:
    if config.generate is None:
        raise ConfigError.bad_value("the configuration", "generate", "a section 'generate'", None)
    return config.generate


def _folder(config: Config) -> str:
    return config.raw.path.rstrip("/").rsplit("/", 1)[0]


def _configuration(config: Config) -> Mapping[str, Any]:
    return {"generate": dump(_section(config)), "seed": config.seed, "names": config.raw.mapped}


def _inputs(run: Run) -> Mapping[str, Any]:
    return {"folder": _folder(run.config)}


def _is_there(run: Run, entry: Entry) -> bool:
    folder, names = entry.inputs["folder"], run.config.raw.mapped
    return is_written(_section(run.config), seed=run.config.seed, folder=folder, names=names)


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    section, folder = _section(run.config), inputs["folder"]
    if orders_path(folder) != run.config.raw.path.rstrip("/"):
        raise ConfigError.bad_value("raw.path", "raw.path", "'{warehouse}/raw/orders', where generate writes", folder)
    step.say(f"{section.lines:,} lines of {section.customers:,} customers over {section.days} days")
    write_shop(run.spark, section, seed=run.config.seed, folder=folder, names=run.config.raw.mapped)
    return Result(
        outputs={"orders": orders_path(folder), "planted": planted_path(folder)},
        counts={"lines": section.lines},
        summary=f"{section.lines:,} lines and the list of planted defects in {folder}",
    )


GENERATE = Stage("generate", ("ringmill.pipeline.generate",), _configuration, _inputs, _body, _is_there)
