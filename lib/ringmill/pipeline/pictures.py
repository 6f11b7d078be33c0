"""Stage generate of a pipeline of images: shapes, as images.generate says → idx files where `images` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringmill.config.images import Images, Pictures
from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.errors import ConfigError
from ringmill.generate.pictures import is_written, write_pictures
from ringmill.lake.ledger import Entry
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage


def _sections(config: Config) -> tuple[Images, Pictures]:
    if config.images is None or config.images.generate is None:
        raise ConfigError.bad_value(f"pipeline {config.pipeline}", "images", "a section with 'generate'", None)
    return config.images, config.images.generate


def _configuration(config: Config) -> Mapping[str, Any]:
    images, pictures = _sections(config)
    return {"pictures": dump(pictures), "decoding": dump(images.decoding), "seed": config.seed}


def _inputs(run: Run) -> Mapping[str, Any]:
    images, _ = _sections(run.config)
    return {"images": images.path, "labels": images.label_path}


def _is_there(run: Run, entry: Entry) -> bool:
    images, pictures = _sections(run.config)
    return is_written(pictures, images.decoding, seed=run.config.seed, folder=images.path.rpartition("/")[0])


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    images, pictures = _sections(run.config)
    step.say(f"{pictures.rows:,} shapes of {pictures.classes} kinds, {' × '.join(map(str, images.decoding.shape))}")
    paths = {"images": inputs["images"], "labels": inputs["labels"]}
    write_pictures(pictures, images.decoding, seed=run.config.seed, **paths)
    summary = f"{pictures.rows:,} rendered shapes of {pictures.classes} kinds in {paths['images'].rpartition('/')[0]}"
    return Result(outputs=paths, counts={"images": pictures.rows}, summary=summary)


GENERATE_PICTURES = Stage("generate", ("ringmill.pipeline.pictures",), _configuration, _inputs, _body, _is_there)
