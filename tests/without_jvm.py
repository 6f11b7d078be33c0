"""What encodes, run in another process, in which PySpark and its gateway cannot be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa

from ringmill.features.state import State

PROGRAM = """
import json, sys
sys.modules |= {"pyspark": None, "py4j": None}
import pyarrow as pa

folder, setup = sys.argv[1:]
with open(f"{folder}/tree.json") as file:
    names = {"tree": json.load(file)}
exec(setup, names)
with pa.ipc.open_file(f"{folder}/rows.arrow") as file:
    batches = [file.get_batch(place) for place in range(file.num_record_batches)]
table = pa.Table.from_batches(list(names["encode"](iter(batches))))
with pa.ipc.new_file(f"{folder}/done.arrow", table.schema) as file:
    file.write_table(table)
"""
OF_A_STATE = """
import pyarrow as pa
from ringmill.features.apply import tensors
from ringmill.features.state import State

state = State.from_json(tree["state"])

def encode(batches):
    for batch in batches:
        x, beside = tensors(batch, state, fold=tree["fold"] or None)
        flat = pa.array(x.ravel(), pa.float32())
        lists = pa.FixedSizeListArray.from_arrays(flat, x.shape[1])
        yield pa.record_batch({"row": batch.column(0), "x": lists, **beside})
"""


def mapped_without_jvm(rows: pa.Table, setup: str, tree: object, folder: Path, *, batch: int) -> pa.Table:
    """What a function for `mapInArrow` makes of batches of so many rows; `setup` is code that names it `encode` and
    reads its state, which is plain data, from `tree`."""
    (folder / "tree.json").write_text(json.dumps(tree))
    with pa.ipc.new_file(str(folder / "rows.arrow"), rows.schema) as file:
        file.write_table(rows, max_chunksize=batch)
    subprocess.run([sys.executable, "-c", PROGRAM, str(folder), setup], check=True)
    with pa.ipc.open_file(str(folder / "done.arrow")) as file:
        return file.read_all()


def encoded_without_jvm(rows: pa.Table, state: State, folder: Path, *, batch: int, fold: str = "") -> pa.Table:
    """The first column as `row`, x and the tensors beside it, as a frozen state makes them."""
    tree = {"state": state.to_json(), "fold": fold}
    return mapped_without_jvm(rows, OF_A_STATE, tree, folder, batch=batch)
