"""Stage score of a pipeline of images: every clean image + the current model → scores/<pipeline>."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringmill.config.models import Config
from ringmill.contracts import image_scores_table
from ringmill.errors.runs import other_decoding
from ringmill.lake.ledger import Entry
from ringmill.pipeline.examples import section_of
from ringmill.pipeline.prepared import check_state
from ringmill.pipeline.progress import Step
from ringmill.pipeline.promote import model_to_score_with
from ringmill.pipeline.score import check_each_once
from ringmill.pipeline.stage import Result, Run, Stage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

KEYS = ("row_id", "image_id", "label", "split")
# Of pixels: a process more costs seconds to start, and tells so many in longer than that.
BYTES_PER_SCORER = 2**28


def _configuration(config: Config) -> Mapping[str, Any]:
    return {}


def _inputs(run: Run) -> Mapping[str, Any]:
    name = section_of(run.config).name
    table = f"features/{name}"
    return {table: run.ledger.resolve("images").outputs[table], "model": model_to_score_with(run, name)}


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from ringmill.score.images import STATE

    model, table = Path(run.lake.path(inputs["model"])), f"features/{section_of(run.config).name}"
    kept = json.loads((model / STATE).read_text(encoding="utf-8"))
    check_state(run, inputs["model"], kept)
    _check_decoding(run.ledger.resolve("images"), kept, where=str(model))
    classes = json.loads((model / "manifest.json").read_text(encoding="utf-8"))["classes"]
    images = run.lake.read(run.spark, table, inputs[table]).where("status = 'clean'").select(*KEYS, "pixels")
    expected = images.count()
    step.say(f"scoring {expected:,} images")
    scores = image_scores_table(run.config.pipeline)
    version = run.lake.write(_scored(run, images, model, expected, kept), scores, run_id=run.run_id)
    written = run.lake.read_arrow(scores.path, version, ["image_id"])
    check_each_once(written, expected, where=scores.path, key="image_id", many="images")
    return Result(
        outputs={scores.path: version},
        counts={"images": expected},
        summary=f"{expected:,} images",
        detail={"classes": classes},
    )


def _check_decoding(prepared: Entry, kept: Mapping[str, Any], *, where: str) -> None:
    """A model sees pixels as those that it learnt from were made (law 9).

    Raises:
        InputError: the images were decoded in another way since.
    """
    known, found = kept["decoding"], prepared.detail["state"]["decoding"]
    # How large a picture may be decides which are decoded, and no pixel.
    if any(known.get(key) != found.get(key) for key in {*known, *found} - {"largest_pixels"}):
        raise other_decoding(where, known, found)


def _scored(run: Run, images: DataFrame, model: Path, rows: int, kept: Mapping[str, Any]) -> DataFrame:
    from pyspark.sql import functions as F

    from ringmill.features.images.state import ImageState
    from ringmill.score.batches import CLASS_SCORES, scored
    from ringmill.score.images import images_at_once, in_parts

    decoding = ImageState.from_json(kept).decoding
    at_once = images_at_once(decoding.shape)
    tasks = min(run.spark.sparkContext.defaultParallelism, 1 + rows * decoding.bytes // BYTES_PER_SCORER)
    answers = images.coalesce(tasks).mapInArrow(
        in_parts(at_once, scored(str(model), str(run.log_folder), keys=KEYS, answer=CLASS_SCORES)),
        "row_id bigint, image_id string, label string, split string, predicted string, probabilities array<double>",
    )
    return answers.withColumns({"probability": F.array_max("probabilities"), "model_run": F.lit(model.name)})


SCORE_IMAGES = Stage(
    "score", ("ringmill.pipeline.score_images", "ringmill.score.scorer"), _configuration, _inputs, _body
)
