"""Stage images: image files or idx files → features/<name>, one row per image, with the state that normalises them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ringmill.config.images import Images
from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import Table
from ringmill.errors import ConfigError, LawError
from ringmill.pipeline.progress import Step
from ringmill.pipeline.split_proof import prove_contents
from ringmill.pipeline.stage import Result, Run, Stage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from ringmill.features.images.state import ImageState
    from ringmill.handoff.contract import Contract
    from ringmill.lake.images import RawImages

WHERE = "images"


def _section(config: Config) -> Images:
    if config.images is None:
        raise ConfigError.bad_value(config.pipeline, WHERE, "a section with name, path and decoding", None)
    return config.images


def _configuration(config: Config) -> Mapping[str, Any]:
    return {WHERE: dump(_section(config)), "seed": config.seed}


def _inputs(run: Run) -> Mapping[str, Any]:
    """What was read, as law 3 compares it: every image's name, label and bytes, in one pass over the files."""
    from ringmill.lake.images import digest_of_images, read_images

    raw = read_images(run.spark, _section(run.config))
    run.kept[WHERE] = raw
    return {WHERE: digest_of_images(raw.images), "count": raw.rows}


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from ringmill.features.images.assemble import assemble_images
    from ringmill.features.images.fit import fit_images
    from ringmill.features.images.table import images_table

    section, raw = _section(run.config), _kept(run)
    table = images_table(section)
    step.say(f"{raw.rows:,} images to {' × '.join(map(str, section.decoding.shape))}")
    images = assemble_images(raw.images, section, seed=run.config.seed, shape=raw.raw)
    version = run.lake.write(images, table, run_id=run.run_id)
    written = run.lake.read(run.spark, table.path, version)
    counts = _counts(written, raw.rows, where=table.path)
    step.say("fitting on the train split")
    state = fit_images(written, section)
    return Result(
        outputs={table.path: version},
        counts=counts,
        summary=f"{counts['clean']:,} images, {counts['rejected']:,} rejected, {counts['train']:,} to train on",
        laws={
            "law 1": {"raw": raw.rows, "clean": counts["clean"], "rejected": counts["rejected"]},
            "law 2": prove_contents(written, by="content_hash", where=table.path),
        },
        detail={
            "state": state.to_json(),
            "state_hash": state.hash,
            "manifest": manifest_of(table, state).to_json(),
            "tensor": {"column": "pixels", "shape": section.decoding.shape, "dtype": "uint8"},
            "rows_per_group": section.rows_per_group,
        },
    )


def manifest_of(table: Table, state: ImageState) -> Contract:
    """What the table promises: its columns, and the bytes of a picture."""
    from ringmill.handoff.contract import Contract, Tensor

    return Contract.of(
        table,
        Tensor("pixels", "pixels", state.decoding.shape, "uint8"),
        state=state.hash,
        vocabularies=state.vocabularies,
    )


def _kept(run: Run) -> RawImages:
    found: RawImages = run.kept[WHERE]
    return found


def _counts(written: DataFrame, rows: int, *, where: str) -> dict[str, int]:
    """Rows by status, split and reason.

    Raises:
        LawError: clean and rejected images are not as many as were read.
    """
    by = ("status", "split", "reasons")
    found = written.groupBy(*by).count().collect()
    counts = dict.fromkeys(("clean", "rejected", "train", "validation", "test"), 0)
    for row in found:
        for name in (row["status"], row["split"], *row["reasons"]):
            if name is not None:
                counts[name] = counts.get(name, 0) + row["count"]
    if counts["clean"] + counts["rejected"] != rows:
        received = f"{counts['clean']:,} clean + {counts['rejected']:,} rejected"
        raise LawError.broken("Law 1", where, f"{rows:,} images", received)
    return counts


IMAGES = Stage("images", ("ringmill.pipeline.images",), _configuration, _inputs, _body)
