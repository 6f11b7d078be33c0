"""Stage embed: features/<name> → an autoencoder trained by the ring, and embeddings/<name>, each row's code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import embeddings_table
from ringmill.lake.ledger import Entry
from ringmill.pipeline.prepared import prepared
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.pipeline.train import (
    check_manifest,
    checkpoints_of,
    features_row,
    launcher_of,
    model_holds,
    say,
)
from ringmill.pipeline.trained import found_at, tidy
from ringmill.train.build import modules

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from ringmill.features.extraction.autoencoder import AutoencoderPart
    from ringmill.features.state import State
    from ringmill.train.spec import TrainSpec

MODULES = ("ringmill.pipeline.embed", "ringmill.train.rank", *modules())


def _configuration(config: Config) -> Mapping[str, Any]:
    section = config.embeddings
    return {"embeddings": dump(section), "train": dump(section.train_of(config.train)), "seed": config.seed}


def _inputs(run: Run) -> Mapping[str, Any]:
    return prepared(run, "features", run.config.features.name)


def _spec(run: Run, inputs: Mapping[str, Any], *, features: int) -> TrainSpec:
    from ringmill.train.spec import TrainSpec

    section, table = run.config.embeddings, f"features/{run.config.features.name}"
    return TrainSpec(
        table=run.lake.path(table),
        version=inputs[table],
        folder=run.lake.path(f"models/{section.name}/{run.run_id}"),
        train=section.train_of(run.config.train),
        seed=run.config.seed,
        features=features,
        run_id=run.run_id,
        checkpoints=checkpoints_of(run, {**inputs, "embeddings": dump(section)}, section.name, code=MODULES),
    )


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from ringmill.features.extraction.autoencoder import AutoencoderPart
    from ringmill.features.state import State
    from ringmill.train.results import FROZEN
    from ringmill.train.run import train

    section = run.config.embeddings
    features = features_row(run, inputs)
    state = State.from_json(features.detail["state"])
    spec = _spec(run, inputs, features=len(state.names))
    check_manifest(spec, features)
    step.say(f"starting {spec.train.ranks} ranks")
    trained = train(spec, launcher_of(run), on_progress=lambda line: say(step, line))
    tree = json.loads((trained.folder / FROZEN).read_text(encoding="utf-8"))
    part = AutoencoderPart.of(section.name, state.names, tree)
    step.say("embedding every row")
    rows = run.lake.read(run.spark, f"features/{run.config.features.name}", spec.version)
    table = embeddings_table(section.name)
    version = run.lake.write(with_embedding(rows, part), table, run_id=run.run_id)
    manifest, frozen = trained.manifest, with_code(state, part)
    error = manifest["metrics"]["test"]["squared_error"]
    return Result(
        outputs={table.path: version, "model": run.run_id},
        counts=manifest["plan"]["rows"],
        summary=f"{len(state.names)} features to {section.code}, mean squared error {error:.4f} on the test split",
        laws={f"law {number}": proof for number, proof in manifest["laws"].items()},
        detail={
            **found_at(run, spec),
            "metrics": manifest["metrics"],
            "state": frozen.to_json(),
            "state_hash": frozen.hash,
        },
    )


def with_code(state: State, part: AutoencoderPart) -> State:
    """The features' state with the encoder behind its parts: applied to measures it gives the embeddings."""
    return replace(state, parts=(*state.parts, part), kept=part.names, tensors=())


def with_embedding(rows: DataFrame, part: AutoencoderPart) -> DataFrame:
    """Rows of features/<name> → their keys, labels and split, with embedding, list<float>, in the place of x."""
    from pyspark.sql.types import ArrayType, FloatType, StructField, StructType

    from ringmill.features.extraction.autoencoder import embedder

    kept = rows.select("row_id", "customer_id", "cutoff", "label_buy", "label_spend", "split", "x")
    embedding = StructField("embedding", ArrayType(FloatType(), containsNull=False), nullable=False)
    return kept.mapInArrow(embedder(part), StructType([*kept.schema.fields[:-1], embedding]))


def _is_there(run: Run, entry: Entry) -> bool:
    return model_holds(run, entry, "manifest.json")


EMBED = Stage("embed", MODULES, _configuration, _inputs, _body, _is_there, tidy)
