"""Features of customers, published without a JVM: the table and the ledger's row are written by delta-rs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from handoff.tables import features_table, write_table
from ringmill.features.categories import OneHot
from ringmill.features.state import State
from ringmill.handoff.contract import Contract, Promise, Tensor
from ringmill.lake.ledger import Entry
from ringmill.pipeline.stage import Run

CONF = Path(__file__).resolve().parents[1] / "conf" / "default.yaml"
COUNTRY = OneHot(name="country", columns=("country",), values=("France", "Spain"))
STATE = State((("country", "string"),), (COUNTRY,), ("country = France",))
COLUMNS = {"row_id": "bigint", "x": "array<float>", "label_buy": "double", "label_spend": "double"}
CONTRACT = Contract(
    table="features/customers",
    columns=tuple(Promise(name, kind, False) for name, kind in COLUMNS.items()),
    inputs=(Promise("country", "string", True),),
    tensors=(Tensor("x", "x", (3,), "float32"),),
    features=("a", "b", "c"),
    state=STATE.hash,
    vocabularies=STATE.vocabularies,
)


def contract_of(state: State) -> Contract:
    """The manifest of features that `state` encoded."""
    return replace(CONTRACT, state=state.hash, vocabularies=state.vocabularies)


def publish_features(run: Run, state: State = STATE, contract: Contract = CONTRACT, **more: Any) -> Entry:
    """One more version of features/customers of 60 rows each, with that state and manifest; `more` of its row."""
    table = f"features/{run.config.features.name}"
    path = write_table(Path(run.lake.path(table)), features_table(60))
    version = DeltaTable(path).version()
    detail: dict[str, Any] = {"names": ["a", "b", "c"], "state": state.to_json(), "state_hash": state.hash}
    detail["manifest"] = contract.to_json()
    entry = Entry(f"r{version}", "p", "features", "published", "k", "c", {}, {}, {table: version}, detail=detail)
    run.ledger.append(entry := replace(entry, **more))
    return entry
