"""The stage images from a YAML: what the ledger holds, and that nothing is made again while nothing changed."""

from __future__ import annotations

import pytest

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


def test_a_table_of_images_may_not_be_called_like_the_table_of_customers(tmp_path):
    with pytest.raises(ConfigError, match="images"):
        configured(tmp_path, CONF + SECTION.replace("{name}", "customers"))


def test_without_a_section_the_stage_says_what_is_missing(tmp_path):
    with pytest.raises(ConfigError, match="images"):
        IMAGES.configuration(configured(tmp_path, CONF))
