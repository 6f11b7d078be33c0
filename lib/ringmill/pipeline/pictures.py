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


def _files(images: Images) -> list[tuple[str, str]]:
    """Images and labels, and those of the test split where they have files of their own."""
    named = ((images.path, images.label_path), (images.test_path, images.test_label_path))
    return [(pictures, labels) for pictures, labels in named if pictures and labels]


def _inputs(run: Run) -> Mapping[str, Any]:
    images, _ = _sections(run.config)
    return {"files": _files(images)}


def _is_there(run: Run, entry: Entry) -> bool:
    images, pictures = _sections(run.config)
    return is_written(pictures, images.decoding, seed=run.config.seed, files=_files(images))


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    images, pictures = _sections(run.config)
    files = _files(images)
    rows = pictures.rows + (pictures.test_rows if images.test_path else 0)
    step.say(f"{rows:,} shapes of {pictures.classes} kinds, {' × '.join(map(str, images.decoding.shape))}")
    write_pictures(pictures, images.decoding, seed=run.config.seed, files=files)
    summary = f"{rows:,} rendered shapes of {pictures.classes} kinds in {images.path.rpartition('/')[0]}"
    return Result(outputs={"files": files}, counts={"images": rows}, summary=summary)


GENERATE_PICTURES = Stage("generate", ("ringmill.pipeline.pictures",), _configuration, _inputs, _body, _is_there)
