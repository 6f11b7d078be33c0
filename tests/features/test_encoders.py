"""Law 9 for what encodes besides feature sets: one set of bits in Spark and in a process without PySpark."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pictures import file_of, picture
from ringmill.config.images import Decoding
from ringmill.config.texts import Cleaning
from ringmill.features.extraction.autoencoder import AutoencoderPart, embedder
from ringmill.features.images.encode import encoder as image_encoder
from ringmill.features.order_state import LISTS, NUMBERS, OrderState
from ringmill.features.order_state import encoder as order_encoder
from ringmill.features.sequences import Sequence
from ringmill.features.state import State
from ringmill.features.text.parts import TokenIds
from ringmill.features.text.state import TextState
from ringmill.features.text.state import encoder as text_encoder
from without_jvm import mapped_without_jvm

pytestmark = pytest.mark.spark
ROWS = 500


def texts(rng):
    words = np.array(["hello", "PRIZE", "prize!", "Réunion", "ﬁn", "naïve", "42", "", "👍🏽", "don't"])
    found = [" ".join(rng.choice(words, int(rng.integers(0, 9)))) or None for _ in range(ROWS)]
    part = TokenIds(
        "text", "ids", "words", True, "keep", (), (1, 2), ("hello", "prize", "hello prize"), 5, "end", "end"
    )
    state = TextState(Cleaning(), State((("text", "string"),), (part,), (), ("ids",)), ("ham", "spam"))
    setup = "from ringmill.features.text.state import TextState, encoder; encode = encoder(TextState.from_json(tree))"
    return {"text": pa.array(found)}, text_encoder(state), "text string, ids array<int>", setup, state.to_json()


def orders(rng):
    counts = rng.integers(0, 6, ROWS)
    groups = [[str(name) for name in rng.choice(["CUP", "JUG", "PAN", "?"], count)] for count in counts]
    numbers = {
        name: [[None if rng.random() < 0.1 else float(rng.lognormal(0, 3)) for _ in range(count)] for count in counts]
        for name in NUMBERS
    }
    scale = Sequence(NUMBERS, "x", 3, "start", "start", True, (0.1, 0.2, 0.3, 0.4), (1.7, 1.1, 0.9, 3.3), 0.0, False)
    state = OrderState(("JUG", "CUP"), (9, 4), 3, scale)
    setup = (
        "from ringmill.features.order_state import OrderState, encoder; encode = encoder(OrderState.from_json(tree))"
    )
    lists = dict(zip(LISTS, [groups, *numbers.values()], strict=True))
    return (
        {
            name: pa.array(found, pa.list_(pa.float64() if name in NUMBERS else pa.string()))
            for name, found in lists.items()
        },
        order_encoder(state),
        "x array<float>",
        setup,
        state.to_json(),
    )


def images(rng):
    forms = [("PNG", {}), ("JPEG", {"quality": 80}), ("GIF", {}), ("BMP", {})]
    files = [
        file_of(picture(int(rng.integers(9, 60)), 33, seed=seed), *forms[seed % 4][:1], **forms[seed % 4][1])
        for seed in range(40)
    ]
    content = [*files, files[0][:50], b"", None]
    decoding = Decoding(height=20, width=24, channels=3, resize="fit", background=128)
    setup = (
        "from ringmill.config.images import Decoding\n"
        "from ringmill.features.images.encode import encoder\n"
        "encode = encoder(Decoding(**tree))"
    )
    schema = "status string, reasons array<string>, pixels binary"
    return {"content": pa.array(content, pa.binary())}, image_encoder(decoding), schema, setup, decoding.model_dump()


def codes(rng):
    layers = [
        {"kernel": rng.normal(size=shape).tolist(), "bias": rng.normal(size=shape[0]).tolist()}
        for shape in ((7, 5), (3, 7))
    ]
    names, tree = ("a", "b", "c", "d", "e"), {"layers": layers}
    x = rng.lognormal(0, 4, (ROWS, 5)).astype(np.float32)
    lists = pa.ListArray.from_arrays(np.arange(0, 5 * ROWS + 1, 5, dtype=np.int32), pa.array(x.ravel()))
    setup = (
        "from ringmill.features.extraction.autoencoder import AutoencoderPart, embedder\n"
        "encode = embedder(AutoencoderPart.of('code', tuple(tree['columns']), tree))"
    )
    encode = embedder(AutoencoderPart.of("code", names, tree))
    return {"x": lists}, encode, "embedding array<float>", setup, {**tree, "columns": names}


@pytest.mark.parametrize("case", [texts, orders, images, codes])
def test_law_9_in_spark_and_in_a_process_without_pyspark_every_encoder_gives_the_same_bits(spark, case, tmp_path):
    columns, encode, schema, setup, tree = case(np.random.Generator(np.random.Philox(8)))
    rows = len(next(iter(columns.values())))
    table = pa.table({"row": pa.array(range(rows), pa.int64()), **columns})
    there = mapped_without_jvm(table, setup, tree, tmp_path, batch=37).sort_by("row")
    frame = spark.createDataFrame(table).repartition(4)
    here = frame.mapInArrow(encode, f"row bigint, {schema}").toArrow().sort_by("row")
    assert here.column_names == there.column_names
    assert here.num_rows == there.num_rows == rows
    for name in here.column_names:
        # As text, in which every bit of a finite number is told, the sign of zero too.
        assert str(here[name].to_pylist()) == str(there[name].to_pylist()), name
    assert len({str(row) for row in here[here.column_names[-1]].to_pylist()}) > 20
