"""Warehouses that are no folder of this host: what is refused, and who wins where no lock can be held."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ringmill.config import load
from ringmill.errors import RaceLost, WarehouseError
from ringmill.lake.ledger import Ledger
from ringmill.lake.paths import local
from ringmill.lake.tables import Lake
from ringmill.pipeline import stage as stages
from ringmill.pipeline.history import ledger_of
from ringmill.pipeline.run import configured, print_plan, run_all, run_stages
from ringmill.pipeline.stage import Result, Run, Stage, execute

CONF = Path(__file__).parents[2] / "conf"
S3 = "s3://bucket/shop"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("file:///data/wh", "/data/wh"),
        ("file://localhost/data/wh", "/data/wh"),
        ("file:/data/my%20wh", "/data/my wh"),
        ("file://host/data", "file://host/data"),
        ("s3://b/w", "s3://b/w"),
        ("data/wh", "data/wh"),
    ],
)
def test_a_file_uri_of_this_host_is_a_path(given: str, path: str) -> None:
    assert local(given) == path


def test_a_warehouse_that_is_named_by_a_uri_and_by_its_path_is_one(tmp_path: Path) -> None:
    roots = []
    for name in (str(tmp_path), tmp_path.as_uri()):
        run = Run(load(CONF / "default.yaml", warehouse=name))
        roots.append(run.lake.root)
        run.close()
    assert roots == [str(tmp_path)] * 2
    assert configured(CONF / "default.yaml", raw=None, warehouse=tmp_path.as_uri(), settings=()).warehouse == roots[0]
    (tmp_path / "ledger").mkdir()
    assert ledger_of(tmp_path.as_uri()).lake.root == roots[0]


@pytest.mark.parametrize(
    "starts",
    [
        lambda: run_all(load(CONF / "default.yaml", warehouse=S3)),
        lambda: run_stages(load(CONF / "default.yaml", warehouse=S3), ["score"]),
        lambda: run_stages(load(CONF / "default.yaml", warehouse=S3), ["report"]),
        lambda: run_stages(load(CONF / "augment.yaml", warehouse=S3), ["train_weighted"]),
        lambda: print_plan(load(CONF / "default.yaml", warehouse=S3), "train"),
    ],
)
def test_stages_with_files_are_refused_before_anything_starts_where_the_warehouse_is_no_folder(
    starts: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stages, "_emit", pytest.fail)
    with pytest.raises(WarehouseError, match=r"files in folders[\s\S]*a path that all hosts share"):
        starts()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("was_there", [False, True])
def test_law_3_without_locks_who_publishes_second_has_lost(
    was_there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "_absolute", lambda root: root)
    config = load(CONF / "default.yaml", warehouse=tmp_path.as_uri())
    first, slow, fast = (Run(config) for _ in range(3))

    def body(run: Run, *given: object) -> Result:
        if run is slow:
            execute(stage, fast)
        return Result({"t": 1}, {}, "")

    stage = Stage("x", ("ringmill.mixing",), lambda config: {}, lambda run: {"of": run.run_id}, body)
    if was_there:
        execute(stage, first)
    with pytest.raises(RaceLost, match=f"run {fast.run_id} published it meanwhile"):
        execute(stage, slow)
    assert Ledger(Lake(str(tmp_path))).resolve("x").run_id == fast.run_id
    assert not (tmp_path / "locks").exists()
    assert execute(stage, Run(config)).outcome == "published"  # once more, after what the other published
