"""The stage images from a YAML: what the ledger holds, and that nothing is made again while nothing changed."""

from __future__ import annotations

import gc

import pytest
from py4j.finalizer import ThreadSafeFinalizer

from pictures import file_of, picture
from ringmill.config import load
from ringmill.errors import ConfigError
from ringmill.features.images.state import ImageState
from ringmill.pipeline.images import IMAGES
from ringmill.pipeline.stage import Run, execute

CONF = """
pipeline: pictures
warehouse: {folder}/warehouse
raw:
  path: {folder}/raw.csv
  columns: {{order_id: order, product_id: product, quantity: pieces, unit_price: price, customer_id: customer,
    ordered_at: at}}
features: {{train_cutoffs: [2024-03-01]}}
"""
SECTION = """
images:
  name: {name}
  path: {folder}/pictures
  labels: folder
  decoding: {{height: 16, width: 12}}
  normalise: zscore
  shares: [0.6, 0.2, 0.2]
"""


def configured(folder, text):
    path = folder / "images.yaml"
    path.write_text(text.format(folder=folder, name="pets"), encoding="utf-8")
    return load(path)


@pytest.mark.spark
def test_laws_1_2_and_3_images_are_published_once_with_their_state(spark, tmp_path):
    for n in range(12):
        path = tmp_path / "pictures" / "ab"[n % 2] / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_of(picture(20, 20, seed=n), "PNG"))
    (tmp_path / "pictures" / "a" / "empty.png").touch()
    config = configured(tmp_path, CONF + SECTION)
    first = execute(IMAGES, Run(config, session=spark))
    assert first.outcome == "published"
    assert (first.counts["clean"], first.counts["rejected"], first.counts["empty_file"]) == (12, 1, 1)
    assert first.counts["train"] + first.counts["validation"] + first.counts["test"] == 12
    assert first.laws["law 2"] == {"kind": "group", "contents_in_two_splits": 0}
    state = ImageState.from_json(first.detail["state"])
    assert state.hash == first.detail["state_hash"] and state.classes == ("a", "b")

    again = execute(IMAGES, Run(config, session=spark))
    assert (again.outcome, again.outputs) == ("unchanged", first.outputs)
    # A name is part of what came in, even where the bytes are the same.
    (tmp_path / "pictures" / "a" / "0.png").rename(tmp_path / "pictures" / "b" / "0.png")
    moved = execute(IMAGES, Run(config, session=spark))
    assert (moved.outcome, moved.outputs) == ("published", {"features/pets": first.outputs["features/pets"] + 1})


@pytest.mark.spark
def test_a_stage_leaves_nothing_behind_in_the_jvm_though_the_collector_never_comes_of_itself(spark, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(file_of(picture(20, 20, seed=1), "PNG"))
    config = configured(tmp_path, CONF + SECTION.replace("  labels: folder\n", ""))
    held = ThreadSafeFinalizer.finalizers  # one of each object of the JVM's that Python holds
    gc.collect()
    gc.disable()
    try:
        before = len(held)
        assert execute(IMAGES, Run(config, session=spark)).outcome == "published"
        assert len(held) < before + 20
    finally:
        gc.enable()


@pytest.mark.spark
def test_laws_1_and_2_files_of_their_own_are_the_test_split_and_never_learnt_from(spark, tmp_path):
    for n in range(14):
        # Numbers 8 to 13 are test files; 2 of them have the bytes of a training file, and 2 those of each other.
        content = file_of(picture(20, 20, seed={8: 0, 9: 1, 11: 10}.get(n, n)), "PNG")
        path = tmp_path / ("tests" if n >= 8 else "pictures") / "ab"[n % 2] / f"{n % 8}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "tests" / "a" / "torn.png").write_bytes(content[:-40])
    own = SECTION.replace("[0.6, 0.2, 0.2]", "[0.6, 0.4, 0]") + "  test_path: {folder}/tests\n"
    run = Run(configured(tmp_path, CONF + own), session=spark)
    entry = execute(IMAGES, run)
    counts = entry.counts
    assert (counts["test"], counts["train"] + counts["validation"]) == (6, 6)
    assert (counts["rejected"], counts["in_test"], counts["torn_image"]) == (3, 2, 1)
    assert entry.laws["law 1"] == {"raw": 15, "clean": 12, "rejected": 3}
    assert entry.laws["law 2"] == {"kind": "group", "contents_in_two_splits": 0}
    rows = {
        row["image_id"]: row for row in run.lake.read(spark, "features/pets", entry.outputs["features/pets"]).collect()
    }
    assert {name for name, row in rows.items() if row["split"] == "test"} == {
        f"test:{'ab'[n % 2]}/{n}.png" for n in range(6)
    }
    copied = rows["a/0.png"]
    assert (copied["status"], copied["reasons"], copied["split"], copied["pixels"]) == (
        "rejected",
        ["in_test"],
        None,
        None,
    )


def test_a_table_of_images_may_not_be_called_like_the_table_of_customers(tmp_path):
    with pytest.raises(ConfigError, match="images"):
        configured(tmp_path, CONF + SECTION.replace("{name}", "customers"))


def test_without_a_section_the_stage_says_what_is_missing(tmp_path):
    with pytest.raises(ConfigError, match="images"):
        IMAGES.configuration(configured(tmp_path, CONF))
