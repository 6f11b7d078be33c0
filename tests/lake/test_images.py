"""Image files through Spark's binary source, and idx files: each image once, with its bytes and its label."""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter

import numpy as np
import pytest
from pyspark.sql import functions as F

from pictures import file_of, picture, with_size
from ringmill.config.images import Decoding, Images
from ringmill.errors import InputError
from ringmill.lake.images import read_images

pytestmark = pytest.mark.spark
LARGE, SMALL = Decoding(height=320, width=320), Decoding(height=28, width=28, channels=1)
PNG = file_of(picture(20, 30), "PNG")
FILES = {
    "cat/a b+ü%20.png": PNG,
    "cat/a.jpeg": file_of(picture(400, 500), "JPEG"),
    "dog/deep/a.jpg": file_of(picture(400, 500), "JPEG")[:-500],
    "dog/empty.png": b"",
    "dog/text.png": b"image,label\n",
    "huge.png": with_size(PNG, 60_000, 60_000),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("pictures")
    for name, content in FILES.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_bytes(content)
    return base


def of(path, **options):
    return Images(**{"name": "pictures", "path": str(path), "decoding": LARGE, **options})


def test_each_file_is_a_row_with_its_bytes_and_its_folder_as_label(spark, folder):
    found = read_images(spark, of(folder, labels="folder"))
    assert found.rows == 6 and found.raw is None
    rows = {row["image_id"]: row for row in found.images.collect()}
    assert {name: row["content"] for name, row in rows.items()} == FILES
    assert {name: row["label"] for name, row in rows.items()} == {
        name: name.split("/")[-2] if "/" in name else None for name in FILES
    }
    assert all(row["bytes"] == len(FILES[name]) and row["source_file"] == name for name, row in rows.items())


def test_a_file_that_is_too_long_is_not_read(spark, folder, tmp_path):
    (tmp_path / "long.png").write_bytes(PNG + bytes(2**20))
    (tmp_path / "short.png").write_bytes(PNG)
    rows = read_images(spark, of(tmp_path, largest_file_mb=1)).images.collect()
    assert {row["image_id"]: row["content"] is None for row in rows} == {"long.png": True, "short.png": False}


def test_a_single_file_is_named_by_itself(spark, folder):
    rows = read_images(spark, of(folder / "cat" / "a.jpeg", labels="folder")).images.collect()
    assert [(row["image_id"], row["label"]) for row in rows] == [("a.jpeg", None)]


def test_a_glob_takes_what_matches_and_names_it_from_the_folder_before_it(spark, folder):
    rows = read_images(spark, of(folder / "*" / "a*")).images.select("image_id").collect()
    assert sorted(row[0] for row in rows) == ["cat/a b+ü%20.png", "cat/a.jpeg"]


def test_labels_come_from_a_file_where_one_is_named(spark, folder, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("label,image\nblack,cat/a.jpeg\nnone,not/there.png\n", encoding="utf-8")
    rows = read_images(spark, of(folder, labels="file", label_path=str(labels))).images.collect()
    assert len(rows) == 6
    assert {row["image_id"]: row["label"] for row in rows if row["label"]} == {"cat/a.jpeg": "black"}


def test_the_file_with_the_labels_is_no_image_where_it_lies_among_them(spark, tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "labels.csv").write_text("image,label\na.png,1\n", encoding="utf-8")
    found = read_images(spark, of(tmp_path, labels="file", label_path=str(tmp_path / "labels.csv")))
    assert [(row["image_id"], row["label"]) for row in found.images.collect()] == [("a.png", "1")]
    assert found.rows == 1


def test_a_folder_of_empty_files_alone_is_read(spark, tmp_path):
    (tmp_path / "a.png").touch()
    assert [(row["image_id"], bytes(row["content"])) for row in read_images(spark, of(tmp_path)).images.collect()] == [
        ("a.png", b"")
    ]


def test_a_file_with_two_labels_of_an_image_or_without_its_columns_is_refused(spark, folder, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("image,label\na.png,1\na.png,2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"2 labels of 'a\.png'"):
        read_images(spark, of(folder, labels="file", label_path=str(labels)))
    labels.write_text("picture,label\na.png,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="image"):
        read_images(spark, of(folder, labels="file", label_path=str(labels)))


@pytest.mark.parametrize("name", ["none", "empty"])
def test_a_folder_without_files_is_an_error(spark, tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no raw input"):
        read_images(spark, of(tmp_path / name))


def idx(folder, name="t10k"):
    return Images(
        name="fashion",
        path=str(folder / f"{name}-images-idx3-ubyte.gz"),
        format="idx",
        labels="file",
        label_path=str(folder / f"{name}-labels-idx1-ubyte.gz"),
        decoding=SMALL,
    )


def test_all_of_fashion_mnists_test_images_are_what_a_plain_reading_of_their_bytes_gives(spark, fashion_mnist):
    section = idx(fashion_mnist)
    with gzip.open(section.path) as images, gzip.open(section.label_path) as labels:
        pixels, classes = images.read()[16:], labels.read()[8:]
    # Four parts of the file, in four tasks.
    found = read_images(spark, section, partition_bytes=2 * 2**20)
    assert (found.rows, found.raw) == (10_000, (28, 28, 1))
    table = found.images.withColumn("part", F.spark_partition_id()).toArrow()
    assert Counter(table["part"].to_pylist()) == dict.fromkeys(range(4), 2_500)
    rows = {int(row["image_id"].rpartition("#")[2]): row for row in table.to_pylist()}
    assert sorted(rows) == list(range(10_000))
    digest = hashlib.sha256(b"".join(rows[place]["content"] for place in range(10_000))).hexdigest()
    assert digest == hashlib.sha256(pixels).hexdigest()
    assert [int(rows[place]["label"]) for place in range(10_000)] == list(classes)
    assert np.bincount([int(row["label"]) for row in rows.values()]).tolist() == [1_000] * 10
    assert rows[7]["image_id"] == "t10k-images-idx3-ubyte.gz#7"


def test_labels_that_are_fewer_than_images_and_images_of_two_channels_are_refused(spark, tmp_path):
    def written(name, shape):
        path = tmp_path / name
        sizes = np.array(shape, ">i4").tobytes()
        path.write_bytes(bytes([0, 0, 8, len(shape)]) + sizes + bytes(int(np.prod(shape))))
        return str(path)

    images, labels = written("images", (3, 2, 2)), written("labels", (2,))
    section = of(images, format="idx", labels="file", label_path=labels)
    with pytest.raises(InputError, match="3 labels, as many as images"):
        read_images(spark, section)
    with pytest.raises(InputError, match="one or three channels"):
        read_images(spark, of(written("two", (3, 2, 2, 2)), format="idx"))
