"""Rows of one value alone, and rows of other tables besides: read in place, whatever the layout of the files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from handoff.tables import read_rows, write_table
from ringmill.errors import InputError
from ringmill.handoff.columns import Columns, Input, Label
from ringmill.handoff.manifest import Manifest, pin_splits
from ringmill.handoff.plan import RowRange
from ringmill.handoff.subset import Only
from ringmill.train.indexed import made_index, seen_rows
from ringmill.train.run import plan
from ringmill.train.spec import Job
from train.runs import spec_of

KINDS = ("b", "a", None, "a", "a", "b", "a", "b", "b", "a")
SPLITS = ("train", "test", "train", "train", "validation", "train", "train", "train", "test", "train")
X = Columns(Input("x", (2,)))


def rows(first: int = 0) -> pa.Table:
    return pa.table(
        {
            "row_id": pa.array(range(first, first + 10), pa.int64()),
            "x": pa.array([[float(row), -float(row)] for row in range(first, first + 10)], pa.list_(pa.float32())),
            "kind": pa.array(KINDS, pa.string()),
            "word": ["a"] * 10,
            "split": list(SPLITS),
        }
    )


def of(table: pa.Table, split: str, kind: str) -> list[int]:
    return [row["row_id"] for row in table.to_pylist() if (row["split"], row["kind"]) == (split, kind)]


def ids(manifest: Manifest) -> list[int]:
    everything = [RowRange(place, 0, file.rows) for place, file in enumerate(manifest.files)]
    found = read_rows(manifest, everything, X)
    assert found.x[:, 0].tolist() == found.row_id.tolist()
    return sorted(found.row_id.tolist())


@pytest.mark.parametrize("layout", ["apart", "mixed"])
def test_law_8_the_rows_of_one_value_are_read_in_place(layout: str, tmp_path: Path) -> None:
    parts = (rows(), rows(10))
    if layout == "apart":
        write_table(tmp_path / "table", *parts)
    else:
        for part in parts:
            write_deltalake(str(tmp_path / "table"), part, mode="append")
    more = {"version": 1, "features": 2, "task": {"kind": "adversarial"}, "model": {"kind": "gan"}}
    spec = spec_of(str(tmp_path / "table"), tmp_path / "run", ranks=2, only=Only("kind", "a"), **more)
    job, _ = plan(spec, indexing=made_index)
    for split in ("train", "validation", "test"):
        assert ids(job.manifests[split]) == sorted(of(parts[0], split, "a") + of(parts[1], split, "a"))
    assert job.plan.rows == 6
    # Places are of 4 bytes; what ranks are told reads the same.
    assert sum(file.stat().st_size for file in (tmp_path / "run" / "row_index").glob("*.places")) <= 4 * 2 * 6
    (tmp_path / "spec.json").write_bytes(job.to_bytes())
    assert Job.read(tmp_path / "spec.json") == job
    other = replace(spec, only=Only("word", "a"))
    assert plan(other, indexing=made_index)[0].fingerprint != job.fingerprint


def test_rows_of_another_table_come_into_the_train_split_alone(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table", rows())
    more = rows(100).set_column(4, "split", pa.array(["train"] * 7 + ["test"] * 3))
    added = write_table(tmp_path / "more", more)
    spec = spec_of(table, tmp_path / "run", ranks=1, features=2, added=((added, 0),))
    own = pin_splits(table, 0, ("train", "validation", "test"))
    found = seen_rows(own, spec)
    assert ids(found["train"]) == [*ids(own["train"]), *range(100, 107)]
    assert (found["validation"], found["test"]) == (own["validation"], own["test"])


def test_a_column_of_other_values_is_named(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table", rows())
    own = pin_splits(table, 0, ("train",))
    for column, words in (("x", "as text or as a whole number"), ("colour", "columns row_id, x, kind, word")):
        with pytest.raises(InputError, match=words):
            seen_rows(own, spec_of(table, tmp_path / "run", ranks=1, only=Only(column, "a")))


def test_the_label_is_decoded_beside_the_rows(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table", rows())
    own = pin_splits(table, 0, ("train",))
    found = seen_rows(own, spec_of(table, tmp_path / "run", ranks=1, only=Only("kind", "b")))["train"]
    labelled = Columns(X.x, (Label("class", "kind", "class", ("a", "b")),))
    everything = [RowRange(place, 0, file.rows) for place, file in enumerate(found.files)]
    assert read_rows(found, everything, labelled).labels["class"].tolist() == [1.0, 1.0, 1.0]
