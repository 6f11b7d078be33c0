"""What the ledger keeps of a table of one's own, and what is opened."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ringmill.config import Config, load
from ringmill.pipeline.augment import AUGMENT
from ringmill.pipeline.stage import Run
from ringmill.pipeline.train_table import TRAIN_TABLE, pinned, table_spec


def run_of(tmp_path: Path, password: str) -> Run:
    table = {"name": "mine", "path": f"s3://me:{password}@host/rows", "shape": [3]}
    return Run(Config.model_validate({"pipeline": "own", "warehouse": str(tmp_path / "w"), "table": table}))


def test_a_stages_key_has_no_password_and_the_table_is_opened_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def table(path: str, *, version: int | None) -> SimpleNamespace:
        opened.append(path)
        return SimpleNamespace(version=lambda: 3, metadata=lambda: SimpleNamespace(id="x"))

    monkeypatch.setattr("ringmill.pipeline.train_table.DeltaTable", table)
    before, after = (run_of(tmp_path, password) for password in ("hush", "other"))
    try:
        assert pinned(before) == pinned(after) == {"table": "s3://host/rows", "version": 3, "id": "x"}
        assert TRAIN_TABLE.configuration(before.config) == TRAIN_TABLE.configuration(after.config)
        assert "hush" not in str(TRAIN_TABLE.configuration(before.config))
        assert opened == ["s3://me:hush@host/rows", "s3://me:other@host/rows"]
        assert table_spec(before, pinned(before), "mine").table == "s3://me:hush@host/rows"
    finally:
        before.close()
        after.close()


def test_rows_that_are_made_of_one_label_are_no_result_for_another(tmp_path: Path) -> None:
    conf = Path(__file__).resolve().parents[2] / "conf" / "augment.yaml"
    by_label = [
        AUGMENT.configuration(load(conf, [f"train.task={{kind: classes, label: {name}}}"], warehouse=str(tmp_path)))
        for name in ("label", "other")
    ]
    assert by_label[0] != by_label[1]
