"""conf/shapes.yaml: large pictures of two classes from end to end, with attention and dilated kernels and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringmill.config import load
from ringmill.pipeline.run import run_all

CONF = Path(__file__).resolve().parents[2] / "conf" / "shapes.yaml"
QUICK = ["train.launcher=local", "images.generate={rows: 90, classes: 2, noise: 10}", "train.epochs=3"]

pytestmark = [pytest.mark.spark, pytest.mark.ring, pytest.mark.long]


@pytest.mark.parametrize("options", [(), ("train.model.attention=none", "train.model.dilation=1")], ids=["all", "none"])
def test_large_pictures_are_made_up_learnt_by_two_ranks_and_reported(spark, tmp_path, options):
    config = load(CONF, [*QUICK, *options], warehouse=str(tmp_path))
    entries = {entry.stage: entry for entry in run_all(config, session=spark)}
    assert entries["images"].counts["clean"] == 90
    assert tuple(entries["images"].detail["tensor"]["shape"]) == (320, 320, 3)
    trained = entries["train"]
    assert trained.laws["law 4"]["rows_seen_in_each_epoch"] == [entries["images"].counts["train"]]
    assert trained.laws["law 8"] == {"bytes_written_while_reading": 0}
    test = trained.detail["metrics"]["test"]
    assert set(test["per_class"]) == {"0", "1"} and test["rows"] == entries["images"].counts["test"]
    assert entries["score"].counts == {"images": 90}
    page = Path(entries["report"].detail["path"]).read_text(encoding="utf-8")
    assert "What the large pictures show" in page and "What is taken for what" in page
