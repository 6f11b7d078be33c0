"""A pipeline of images alone: no orders, its own default input, and what cannot stand beside each other."""

from pathlib import Path

import pytest

from ringmill.config import load
from ringmill.errors import ConfigError
from ringmill.train.build import settings_of

CONF = Path(__file__).resolve().parents[2] / "conf"

ALONE = """
pipeline: shapes
warehouse: lake
images:
  name: shapes
  format: idx
  path: '{warehouse}/raw/train-images.gz'
  labels: file
  label_path: '{warehouse}/raw/train-labels.gz'
  decoding: {height: 8, width: 8, channels: 1}
  generate: {rows: 10}
train: {task: {kind: classes}, model: {kind: cnn, filters: [4]}}
"""
RAW = """
raw:
  path: orders.csv
  columns: {order_id: o, product_id: p, quantity: q, unit_price: u, customer_id: c, ordered_at: t}
"""
FEATURES = "features: {train_cutoffs: [2024-05-01]}\n"


def written(tmp_path, text):
    path = tmp_path / "conf.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_images_alone_are_a_pipeline_and_orders_are_asked_for_in_vain(tmp_path):
    config = load(written(tmp_path, ALONE), warehouse="/lake")
    assert config.examples is config.images
    assert (config.images.path, config.images.label_path) == ("/lake/raw/train-images.gz", "/lake/raw/train-labels.gz")
    for name in ("raw", "features"):
        with pytest.raises(ConfigError, match=f"'{name}'[\\s\\S]*pipeline shapes"):
            getattr(config, name)


def test_the_large_pictures_are_two_classes_for_a_model_with_attention_and_dilated_kernels():
    config = load(CONF / "shapes.yaml", warehouse="/lake")
    assert config.images.decoding.shape == (320, 320, 3)
    assert (config.images.generate.classes, config.train.task.label) == (2, "label")
    assert config.images.label_path == "/lake/raw/labels-idx1-ubyte.gz"
    model = settings_of(config.train.model)
    assert (model.attention, model.dilation) == ("channels", 2)
    assert 320 // 2 ** len(model.filters) == 10
    without = load(CONF / "shapes.yaml", ["train.model.attention=none", "train.model.dilation=1"])
    assert settings_of(without.train.model) == model.model_copy(update={"attention": "none", "dilation": 1})
    own = load(CONF / "shapes.yaml", raw="/data/mine").images
    assert (own.path, own.label_path, own.generate) == (
        "/data/mine/images-idx4-ubyte.gz",
        "/data/mine/labels-idx1-ubyte.gz",
        None,
    )


def test_files_of_the_test_split_are_replaced_with_the_others(tmp_path):
    more = (
        "  test_path: '{warehouse}/t.gz'\n  test_label_path: '{warehouse}/tl.gz'\n  shares: [0.9, 0.1, 0]\n  decoding"
    )
    path = written(tmp_path, ALONE.replace("  decoding", more))
    made, given = load(path, warehouse="/lake").images, load(path, raw="/data").images
    assert (made.test_path, made.test_label_path) == ("/lake/t.gz", "/lake/tl.gz")
    assert (given.test_path, given.test_label_path) == ("/data/t.gz", "/data/tl.gz")


def test_a_folder_from_the_command_replaces_the_generated_files_by_those_of_the_same_names(tmp_path):
    config = load(written(tmp_path, ALONE), raw="/data/mnist/")
    paths = (config.images.path, config.images.label_path, config.images.generate)
    assert paths == ("/data/mnist/train-images.gz", "/data/mnist/train-labels.gz", None)
    files = ALONE.replace("idx", "files").replace("  generate: {rows: 10}\n", "")
    assert load(written(tmp_path, files), raw="/data/pets").images.path == "/data/pets"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ALONE + FEATURES, "'raw' and 'features'"),
        ("pipeline: a\nwarehouse: b\n", "'raw' and 'features'"),
        (ALONE.replace("kind: classes", "kind: purchase"), "kind 'classes'"),
        (ALONE + RAW + FEATURES, "kind 'purchase' beside"),
        (ALONE.replace("labels: file", "labels: none").replace("  label_path", "  #"), "labels: file with 'generate'"),
        (ALONE.replace("kind: classes", "kind: clases"), "train.task"),
        (ALONE + "generate: {lines: 9}\n", "images.generate"),
    ],
)
def test_sections_that_do_not_fit_are_refused(tmp_path, text, words):
    with pytest.raises(ConfigError, match=words):
        load(written(tmp_path, text))


def test_a_misspelt_section_is_named_with_the_nearest_one(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'features'"):
        load(written(tmp_path, ALONE + "feature: {}\n"))
    with pytest.raises(ConfigError, match=r"images\.generate\.row[\s\S]*did you mean 'rows'"):
        load(written(tmp_path, ALONE.replace("rows: 10", "row: 10")))
