"""Stage generate of a pipeline of texts: messages, as texts.generate says → the file that `texts` reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.config.texts import Messages, Texts
from ringmill.errors import ConfigError
from ringmill.generate.messages import is_written, write_messages
from ringmill.lake.ledger import Entry
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage


def _sections(config: Config) -> tuple[Texts, Messages]:
    if config.texts is None or config.texts.generate is None:
        raise ConfigError.bad_value(f"pipeline {config.pipeline}", "texts", "a section with 'generate'", None)
    return config.texts, config.texts.generate


def _configuration(config: Config) -> Mapping[str, Any]:
    return {"messages": dump(_sections(config)[1]), "seed": config.seed}


def _inputs(run: Run) -> Mapping[str, Any]:
    return {"texts": _sections(run.config)[0].path}


def _is_there(run: Run, entry: Entry) -> bool:
    texts, messages = _sections(run.config)
    return is_written(messages, seed=run.config.seed, folder=texts.path.rpartition("/")[0])


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    texts, messages = _sections(run.config)
    step.say(f"{messages.rows:,} messages, {messages.spam:.0%} of them spam")
    write_messages(messages, seed=run.config.seed, path=texts.path)
    best = 1 - messages.overlap * min(messages.spam, 1 - messages.spam)
    return Result(
        outputs={"texts": texts.path},
        counts={"messages": messages.rows},
        summary=f"{messages.rows:,} messages in {texts.path}, of which at best {best:.1%} can be told right",
    )


GENERATE_MESSAGES = Stage("generate", ("ringmill.pipeline.messages",), _configuration, _inputs, _body, _is_there)
