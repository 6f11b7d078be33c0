"""Images through Spark into their table and back: laws 1, 2 and 9 on files, good and bad, of both sizes."""

from __future__ import annotations

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F

from pictures import file_of, picture, with_size
from ringmill.config.images import Decoding, Images
from ringmill.errors import InputError
from ringmill.features.images.assemble import assemble_images
from ringmill.features.images.decode import decode
from ringmill.features.images.encode import encode
from ringmill.features.images.fit import fit_images
from ringmill.features.images.stored import pixels_of
from ringmill.features.images.table import images_table
from ringmill.handoff.manifest import pin
from ringmill.lake.images import read_images
from ringmill.lake.tables import Lake

pytestmark = pytest.mark.spark
LARGE = Decoding(height=320, width=320)
GOOD = {f"{'cat' if n % 2 else 'dog'}/{n}.jpg": file_of(picture(340, 400, seed=n), "JPEG") for n in range(20)}
BAD = {
    "cat/empty.png": (b"", "empty_file"),
    "cat/torn.jpg": (GOOD["cat/1.jpg"][:-2_000], "torn_image"),
    "dog/text.png": (b"no image\n", "unknown_format"),
    "dog/huge.png": (with_size(file_of(picture(8, 8), "PNG"), 60_000, 60_000), "too_large"),
}
COPY = "dog/copy of 1.jpg"
# The same pixels in other files.
SAME = {f"dog/turned {n}.png": file_of(picture(320, 320, seed=100 + n), "PNG") for n in range(6)}
SAME |= {f"cat/turned {n}.bmp": file_of(picture(320, 320, seed=100 + n), "BMP") for n in range(6)}


@pytest.fixture(scope="module")
def section(tmp_path_factory):
    base = tmp_path_factory.mktemp("pictures")
    bad = {name: content for name, (content, _) in BAD.items()}
    for name, content in {**GOOD, **SAME, COPY: GOOD["cat/1.jpg"], **bad}.items():
        (base / name).parent.mkdir(exist_ok=True)
        (base / name).write_bytes(content)
    shares = (0.5, 0.25, 0.25)
    return Images(
        name="pets", path=str(base), labels="folder", decoding=LARGE, normalise="zscore", row_group_mb=1, shares=shares
    )


@pytest.fixture(scope="module")
def written(spark, section, tmp_path_factory):
    """The lake, the table and its version."""
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    table = images_table(section)
    raw = read_images(spark, section)
    version = lake.write(assemble_images(raw.images, section, seed=3, shape=raw.raw), table, run_id="1")
    return lake, table, version


@pytest.fixture(scope="module")
def rows(spark, written):
    lake, table, version = written
    return {row["image_id"]: row for row in lake.read(spark, table.path, version).collect()}


def test_law_1_every_file_is_a_row_and_bad_ones_keep_their_reason(rows):
    assert set(rows) == {*GOOD, *SAME, *BAD, COPY}
    for name, (_, reason) in BAD.items():
        row = rows[name]
        assert (row["status"], row["reasons"], row["pixels"], row["split"]) == ("rejected", [reason], None, None)
    good = [rows[name] for name in (*GOOD, COPY)]
    assert all(row["status"] == "clean" and row["reasons"] == [] for row in good)
    assert {row["split"] for row in good} == {"train", "validation", "test"}
    assert len({row["row_id"] for row in rows.values()}) == len(rows)


def test_law_2_copies_of_a_file_are_in_one_split(rows):
    assert rows[COPY]["split"] == rows["cat/1.jpg"]["split"]
    assert rows[COPY]["content_hash"] == rows["cat/1.jpg"]["content_hash"]
    assert rows[COPY]["row_id"] != rows["cat/1.jpg"]["row_id"]


def test_law_2_the_same_pixels_in_another_format_are_in_one_split(rows):
    for name in (name for name in SAME if name.endswith(".png")):
        other = name.replace("dog/", "cat/").replace(".png", ".bmp")
        assert rows[name]["split"] == rows[other]["split"], name
        assert rows[name]["content_hash"] == rows[other]["content_hash"]
        assert rows[name]["bytes"] != rows[other]["bytes"]
    assert len({rows[name]["split"] for name in SAME}) > 1


def test_stratified_shares_hold_within_each_label_and_law_2_holds_for_pixels_with_two_labels(spark, section):
    declared = section.model_copy(update={"stratify": True})
    raw = read_images(spark, declared)
    found = assemble_images(raw.images, declared, seed=3, shape=raw.raw).drop("pixels").collect()
    by_name = {row["image_id"]: row for row in found}
    assert set(by_name) == {*GOOD, *SAME, *BAD, COPY}
    assert {by_name[name]["split"] for name in BAD} == {None}
    # The pixels of SAME and of COPY have both labels; the first in order counts.
    contents = {row["content_hash"]: [] for row in found if row["status"] == "clean"}
    for row in found:
        if row["status"] == "clean":
            contents[row["content_hash"]].append(row)
    assert all(len({row["split"] for row in rows}) == 1 for rows in contents.values())
    for label, count, expected in (("cat", 16, (8, 4, 4)), ("dog", 10, (5, 2, 3))):
        own = [rows[0]["split"] for rows in contents.values() if min(row["label"] for row in rows) == label]
        assert len(own) == count
        assert tuple(map(own.count, ("train", "validation", "test"))) == expected


def test_added_images_move_none(spark, section, rows):
    raw = read_images(spark, section)
    fewer = raw.images.where(F.col("image_id").isin(*list(GOOD)[::2]))
    before = assemble_images(fewer, section, seed=3, shape=raw.raw).drop("pixels").collect()
    assert len(before) == 10
    assert {row["image_id"]: row["split"] for row in before} == {name: rows[name]["split"] for name in list(GOOD)[::2]}


def test_law_9_spark_and_a_plain_process_give_the_same_pixels(rows):
    batch = pa.RecordBatch.from_arrays([pa.array(list(GOOD.values()), pa.binary())], names=["content"])
    plain = encode(batch, LARGE).column("pixels").to_pylist()
    assert plain == [bytes(rows[name]["pixels"]) for name in GOOD]
    assert plain[0] == decode(GOOD["dog/0.jpg"], LARGE).tobytes()


def test_row_groups_hold_as_many_images_as_are_read_at_once(written, section):
    lake, table, version = written
    assert section.rows_per_group == 3
    manifest = pin(lake.path(table.path), version, split="train")
    assert manifest.rows > 3
    for file in manifest.files:
        footer = pq.ParquetFile(file.path).metadata
        sizes = [footer.row_group(place).num_rows for place in range(footer.num_row_groups)]
        assert sizes == [3] * (file.rows // 3) + [file.rows % 3] * (file.rows % 3 > 0)


def test_the_setting_of_row_groups_is_for_that_write_alone(spark, written):
    assert spark.conf.get("parquet.block.row.count.limit", None) is None
    assert spark.conf.get("parquet.block.size", None) is None


def test_a_row_group_is_read_as_one_tensor_without_a_copy(written, rows):
    lake, table, version = written
    file = pin(lake.path(table.path), version, split="train").files[0]
    group = pq.ParquetFile(file.path).read_row_group(0, columns=["image_id", "pixels"])
    column = group["pixels"].combine_chunks()
    tensor = pixels_of(column, LARGE.shape)
    assert np.shares_memory(tensor, np.frombuffer(column.buffers()[2], np.uint8))
    assert [each.tobytes() for each in tensor] == [
        bytes(rows[name]["pixels"]) for name in group["image_id"].to_pylist()
    ]


def test_the_moments_that_spark_fits_on_train_are_numpys(spark, written, rows, section):
    lake, table, version = written
    images = lake.read(spark, table.path, version)
    state = fit_images(images, section)
    held = [row["pixels"] for row in rows.values() if row["split"] == "train"]
    train = np.stack([np.frombuffer(each, np.uint8).reshape(LARGE.shape) for each in held])
    assert np.allclose(state.mean, train.mean(axis=(0, 1, 2), dtype=np.float64), rtol=1e-12)
    assert np.allclose(state.scale, train.std(axis=(0, 1, 2), dtype=np.float64), rtol=1e-12)
    assert state.classes == ("cat", "dog")


def test_poisoned_validation_and_test_rows_leave_the_state_unchanged(spark, written, section):
    lake, table, version = written
    images = lake.read(spark, table.path, version)
    elsewhere = F.coalesce(F.col("split") != "train", F.lit(True))
    poisoned = images.withColumn("pixels", F.when(elsewhere, F.unhex(F.lit("07"))).otherwise(F.col("pixels")))
    poisoned = poisoned.withColumn("label", F.when(elsewhere, "poison").otherwise(F.col("label")))
    assert fit_images(poisoned, section).hash == fit_images(images, section).hash


def test_partitions_do_not_change_the_state(spark, written, section):
    lake, table, version = written
    images = lake.read(spark, table.path, version)
    assert fit_images(images.repartition(5), section).hash == fit_images(images.coalesce(1), section).hash


def test_unit_scales_by_255_and_a_channel_without_spread_by_1(spark, section):
    level = bytes([7] * 12)
    images = spark.createDataFrame(
        [(level, None, "clean", "train")], "pixels binary, label string, status string, split string"
    )
    flat = section.model_copy(update={"decoding": Decoding(height=2, width=2)})
    state = fit_images(images, flat)
    assert (state.mean, state.scale, state.classes) == ((7.0,) * 3, (1.0,) * 3, ())
    unit = fit_images(images, flat.model_copy(update={"normalise": "unit"}))
    assert (unit.mean, unit.scale) == ((0.0,) * 3, (255.0,) * 3)


def test_without_an_image_in_train_nothing_is_fitted(spark, section):
    images = spark.createDataFrame([], "pixels binary, label string, status string, split string")
    with pytest.raises(InputError, match="at least one image"):
        fit_images(images, section)


def test_a_table_that_is_written_holds_its_columns_and_types(written):
    lake, table, version = written
    fields = DeltaTable(lake.path(table.path), version=version).schema().fields
    found = {field.name: field.type for field in fields}
    assert tuple(found) == table.names
    assert found["pixels"].type == "binary" and found["row_id"].type == "long"


def test_fashion_mnist_comes_through_as_a_plain_reading_of_its_bytes_with_the_moments_of_these(spark, fashion_mnist):
    small = Decoding(height=28, width=28, channels=1)
    section = Images(
        name="fashion",
        path=str(fashion_mnist / "t10k-images-idx3-ubyte.gz"),
        format="idx",
        labels="file",
        label_path=str(fashion_mnist / "t10k-labels-idx1-ubyte.gz"),
        decoding=small,
        shares=(1, 0, 0),
        normalise="zscore",
    )
    raw = read_images(spark, section)
    images = assemble_images(raw.images, section, seed=1, shape=raw.raw).persist()
    state = fit_images(images, section)
    table = images.select("image_id", "pixels").toArrow()
    images.unpersist()
    order = np.argsort([int(name.rpartition("#")[2]) for name in table["image_id"].to_pylist()])
    plain = read_plain(section.path)
    assert np.array_equal(pixels_of(table["pixels"].combine_chunks(), small.shape)[order], plain)
    assert np.allclose([*state.mean, *state.scale], [plain.mean(), plain.std()], rtol=1e-12)
    assert state.classes == tuple("0123456789")


def read_plain(path):
    with gzip.open(path) as file:
        return np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 28, 28, 1)
