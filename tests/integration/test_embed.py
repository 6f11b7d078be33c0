"""The stage embed: an autoencoder of the ring, its encoder frozen as plain data, and every row's code.

The warehouse is composed without cleaning: the features' table and the ledger are written by delta-rs.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from handoff.tables import write_table
from ringmill.config import load
from ringmill.errors import ConfigError
from ringmill.features.apply import apply
from ringmill.features.scaling import Scaled
from ringmill.features.state import State
from ringmill.handoff.columns import Input
from ringmill.handoff.contract import Contract, Promise, Tensor
from ringmill.lake.ledger import Entry
from ringmill.pipeline.embed import EMBED
from ringmill.pipeline.stage import Run, execute
from ringmill.train.run import plan
from train.runs import spec_of

CONF = Path(__file__).resolve().parents[2] / "conf" / "default.yaml"
SETTINGS = [
    "train.launcher=local",
    "embeddings={name: codes, code: 1, hidden: [16], epochs: 25, batch: 32, learning_rate: 0.01}",
]
MEASURES = ("a", "b", "c")
STATE = State(
    tuple((name, "double") for name in MEASURES),
    tuple(Scaled(name, f"{name} scaled", False, 1.0, 2.0, None) for name in MEASURES),
    tuple(f"{name} scaled" for name in MEASURES),
)
COLUMNS = {"row_id": "bigint", "x": "array<float>", "label_buy": "double", "label_spend": "double"}


def measured(rows: int = 400) -> pa.Table:
    """Rows that lie near a bent line: one number says of each nearly all, but no straight one does."""
    draw = np.random.default_rng(8)
    along = draw.uniform(-2, 2, rows)
    values = np.stack([along, np.abs(along), 0.5 * along], axis=1) + draw.normal(0, 0.02, (rows, 3))
    table = pa.table({name: 2 * values[:, place] + 1 for place, name in enumerate(MEASURES)})
    x = np.concatenate([apply(batch, STATE) for batch in table.to_batches()])
    return pa.table(
        {
            **{name: table[name] for name in MEASURES},
            "row_id": pa.array(draw.permutation(rows) * 31, pa.int64()),
            "customer_id": [f"c{place}" for place in range(rows)],
            "cutoff": pa.array([date(2024, 3, 1)] * rows, pa.date32()),
            "x": pa.array(list(x), pa.list_(pa.float32())),
            "label_buy": np.ones(rows),
            "label_spend": np.ones(rows),
            "split": np.array(["train", "train", "validation", "test"])[np.arange(rows) % 4],
        }
    )


def published(folder: Path, rows: pa.Table, spark: Any) -> tuple[Run, Entry]:
    """A run whose features are these rows, and the entry of its stage embed."""
    run = Run(load(CONF, SETTINGS, warehouse=str(folder)), session=spark)
    table = f"features/{run.config.features.name}"
    write_table(Path(run.lake.path(table)), rows)
    contract = Contract(
        table=table,
        columns=tuple(Promise(name, kind, False) for name, kind in COLUMNS.items()),
        inputs=(),
        tensors=(Tensor("x", "x", (3,), "float32"),),
        features=STATE.names,
        state=STATE.hash,
        vocabularies={},
    )
    detail = {"names": STATE.names, "state": STATE.to_json(), "state_hash": STATE.hash, "manifest": contract.to_json()}
    run.ledger.append(replace(Entry("r", "p", "features", "published", "k", "c", {}, {}, {table: 0}), detail=detail))
    return run, execute(EMBED, run)


def shifted(rows: pa.Table) -> pa.Table:
    """The same train rows, others in validation and test."""
    factor = np.where(np.array(rows["split"].to_pylist()) == "train", 1.0, -7.0)
    x = np.array(rows["x"].to_pylist()) * factor[:, None]
    place = rows.schema.get_field_index("x")
    return rows.set_column(place, "x", pa.array(list(x), pa.list_(pa.float32())))


def with_pca(x: np.ndarray) -> float:
    """The mean squared error of one principal component."""
    centred = x - x.mean(axis=0)
    values = np.linalg.svd(centred, compute_uv=False)
    return float((values[1:] ** 2).sum() / x.size)


@pytest.mark.spark
@pytest.mark.ring
def test_law_9_an_autoencoder_is_fitted_on_train_alone_frozen_and_gives_every_row_the_same_code_anywhere(
    spark: Any, tmp_path: Path
) -> None:
    rows = measured()
    run, entry = published(tmp_path / "one", rows, spark)
    # What other splits hold changes neither the weights nor which epoch's are kept.
    _, other = published(tmp_path / "other", shifted(rows), spark)
    assert entry.detail["state_hash"] == other.detail["state_hash"]
    assert entry.detail["metrics"]["test"] != other.detail["metrics"]["test"]

    table = DeltaTable(run.lake.path("embeddings/codes"), version=entry.outputs["embeddings/codes"]).to_pyarrow_table()
    assert table.num_rows == rows.num_rows == sum(entry.counts.values())
    state = State.from_json(json.loads(json.dumps(entry.detail["state"])))
    assert state.hash == entry.detail["state_hash"] and state.names == ("codes 1",)
    # Spark wrote the codes from x, by batches of its own; here they come of the measures, one row at a time too.
    (batch,) = rows.combine_chunks().to_batches()
    outside = dict(zip(rows["row_id"].to_pylist(), apply(batch, state)[:, 0].tolist(), strict=True))
    inside = {row["row_id"]: row["embedding"] for row in table.to_pylist()}
    assert inside == {row: [code] for row, code in outside.items()}
    assert apply(batch.slice(5, 1), state)[0, 0] == apply(batch, state)[5, 0]

    train = np.array(rows.filter(pa.compute.field("split") == "train")["x"].to_pylist())
    assert entry.detail["metrics"]["train"]["squared_error"] < 0.5 * with_pca(train)
    assert execute(EMBED, run).outcome == "unchanged"

    # The codes are a table to train on in turn, in place.
    version, x = entry.outputs["embeddings/codes"], Input("embedding", (1,))
    spec = spec_of(run.lake.path("embeddings/codes"), tmp_path / "run", ranks=2, version=version, x=x)
    assert plan(spec)[1].manifests["train"].rows == entry.counts["train"]


def test_embeddings_have_a_name_of_their_own_and_the_task_its_model() -> None:
    with pytest.raises(ConfigError, match="other than features"):
        load(CONF, ["embeddings={name: customers}"])
    for setting in ("train.model={kind: autoencoder}", "train.task={kind: reconstruction}"):
        with pytest.raises(ConfigError, match="only with it"):
            load(CONF, [setting])
