"""Parts that read texts and lists on a few rows, padding, and sparse rows as lists or as columns."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringmill.errors import InputError
from ringmill.features.apply import apply, encoder, tensors
from ringmill.features.categories import bucket
from ringmill.features.extraction.parts import TruncatedSvdPart
from ringmill.features.lists import padded
from ringmill.features.sequences import Sequence
from ringmill.features.state import State
from ringmill.features.text.parts import HashedText, Tfidf, TokenIds

HOW = {
    "column": "text",
    "name": "text",
    "tokens": "words",
    "casefold": True,
    "punctuation": "drop",
    "stop_words": (),
    "ngrams": (1, 1),
}
TYPES = {
    "text": pa.string(),
    "gaps": pa.list_(pa.float64()),
    "sums": pa.list_(pa.float64()),
}
GAPS = {"columns": ("gaps", "sums"), "name": "orders", "length": 3, "truncate": "start", "pad": "end", "log1p": False}
ORDERS = Sequence(**GAPS, means=(1.0, 0.0), deviations=(2.0, 1.0), null=-1.0, mask=True)


def batch_of(columns):
    return pa.record_batch({name: pa.array(values, TYPES[name]) for name, values in columns.items()})


def state_of(*parts, keep=True, **columns):
    inputs = {name: "string" if name == "text" else "list<element: double>" for name in columns}
    state = State(
        tuple(sorted(inputs.items())),
        parts,
        tuple(name for part in parts for name in part.names),
        tuple(each.name for part in parts if keep for each in getattr(part, "lists", ()) if each.shape),
    )
    assert State.from_json(json.loads(json.dumps(state.to_json()))) == state
    return state


def encoded(*parts, **columns):
    """x as lists, and the tensors as flat lists by name."""
    x, beside = tensors(batch_of(columns), state_of(*parts, **columns))
    return x.tolist(), {name: array.to_pylist() for name, array in beside.items()}


def test_counts_and_weights_of_the_vocabularys_terms():
    counts = Tfidf(**HOW, norm="none", output="columns", values=("b", "a"), idf=())
    assert encoded(counts, text=["a b A", "c", None, ""])[0] == [[1.0, 2.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    assert counts.names == ("text b", "text a")
    weights = Tfidf(**HOW, norm="l2", output="columns", values=("b", "a"), idf=(4.0, 1.5))
    assert encoded(weights, text=["a b A"])[0] == [pytest.approx([4 / 5, 3 / 5])]


def test_sparse_rows_are_lists_for_a_later_part_and_none_of_them_is_a_tensor():
    sparse = Tfidf(**HOW, norm="none", output="lists", values=("b", "a"), idf=(2.0, 1.0))
    svd = TruncatedSvdPart("svd", ("text indices", "text values"), 2, ((1.0, 10.0),), (1.0,), (1.0,), (1.0,))
    assert encoded(sparse, svd, text=["a b b", None]) == ([[14.0], [0.0]], {})
    state = state_of(sparse, svd, text=[])
    assert (state.names, [listed.name for listed in state.lists]) == (("svd 1",), ["text indices", "text values"])


def test_hashed_terms_are_counted_by_bucket():
    part = HashedText(**{**HOW, "ngrams": (1, 2)}, norm="none", output="columns", buckets=5, seed=3)
    expected = np.zeros(5)
    np.add.at(expected, [bucket(term, 5, 3) for term in ("a", "b", "a", "a b", "b a")], 1)
    assert encoded(part, text=["a b a", None])[0] == [expected.tolist(), [0.0] * 5]


@pytest.mark.parametrize(
    ("truncate", "pad", "expected"),
    [
        ("end", "end", [[3, 1, 2], [2, 0, 0], [0, 0, 0]]),
        ("start", "end", [[1, 2, 3], [2, 0, 0], [0, 0, 0]]),
        ("start", "start", [[1, 2, 3], [0, 0, 2], [0, 0, 0]]),
    ],
)
def test_token_ids_are_cut_and_padded_where_it_is_said(truncate, pad, expected):
    part = TokenIds(**HOW, values=("a", "b"), length=3, truncate=truncate, pad=pad)
    assert encoded(part, text=["b odd a b", "a", None]) == ([[], [], []], {"text": expected})


def test_a_sequence_is_scaled_padded_and_masked():
    found = encoded(ORDERS, gaps=[[9.0, 3.0, None, 5.0], [1.0], None], sums=[[0.0, 1.0, 2.0, 3.0], [7.0], None])[1]
    assert found["orders"] == [[1.0, 1.0, -1.0, 2.0, 2.0, 3.0], [0.0, 7.0, 0.0, 0.0, 0.0, 0.0], [0.0] * 6]
    assert found["orders_mask"] == [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    logarithms = Sequence(**{**GAPS, "log1p": True}, means=(0.0,) * 2, deviations=(1.0,) * 2, null=None, mask=False)
    found = encoded(logarithms, gaps=[[-3.0]], sums=[[np.expm1(2.0)]])[1]
    assert found == {"orders": [pytest.approx([0.0, 2.0, 0.0, 0.0, 0.0, 0.0])]}


def test_items_that_cannot_be_used_name_their_column():
    strict = Sequence(**GAPS, means=(0.0,) * 2, deviations=(1.0,) * 2, null=None, mask=True)
    for match, gaps in [
        ("'gaps'[\\s\\S]*1 nulls", [None]),
        ("'gaps'[\\s\\S]*1 NaN", [float("nan")]),
        ("'gaps'[\\s\\S]*float32", [1e60]),
        ("'sums'[\\s\\S]*as many items as 'gaps'[\\s\\S]*1 rows", [1.0, 2.0]),
    ]:
        with pytest.raises(InputError, match=match):
            encoded(strict, gaps=[gaps], sums=[[1.0]])


def test_scoring_needs_no_column_that_tensors_alone_are_made_of():
    state = state_of(
        Tfidf(**HOW, norm="l2", output="columns", values=("a",), idf=()), ORDERS, text=[], gaps=[], sums=[]
    )
    batch = batch_of({"text": ["a"]})
    assert apply(batch, state).tolist() == [[1.0]]
    with pytest.raises(InputError, match="gaps"):
        tensors(batch, state)


def test_the_encoder_writes_x_and_the_tensors_in_their_order():
    state = state_of(
        ORDERS, TokenIds(**{**HOW, "name": "ids"}, values=("a",), length=2, truncate="end", pad="end"), text=[], gaps=[]
    )
    batch = batch_of({"text": ["a"], "gaps": [[]], "sums": [[]]})
    (found,) = encoder(state)([batch])
    assert found.schema.names == ["text", "gaps", "sums", "x", "orders", "orders_mask", "ids"]
    assert found.column("ids").to_pylist() == [[2, 0]]
    assert [str(found.schema.field(name).type.value_type) for name in ("x", "orders", "orders_mask", "ids")] == [
        "float",
        "float",
        "int8",
        "int32",
    ]


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(1, 99), max_size=9), max_size=8),
    length=st.integers(1, 7),
    truncate=st.sampled_from(["start", "end"]),
    pad=st.sampled_from(["start", "end"]),
)
def test_padding_is_that_of_one_list_after_the_other(rows, length, truncate, pad):
    row = np.repeat(np.arange(len(rows)), [len(each) for each in rows]).astype(np.int64)
    values = np.array([value for each in rows for value in each], np.int32)
    expected = []
    for each in rows:
        cut = each[:length] if truncate == "end" else each[max(len(each) - length, 0) :]
        zeros = [0] * (length - len(cut))
        expected.append(cut + zeros if pad == "end" else zeros + cut)
    found = padded(len(rows), row, values, length=length, truncate=truncate, pad=pad)
    assert (found.shape, found.tolist()) == ((len(rows), length), expected)


ALL = (
    Tfidf(**HOW, norm="l2", output="columns", values=("b", "a", "日"), idf=(1.1, 2.3, 0.7)),
    Tfidf(**{**HOW, "name": "sparse"}, norm="l2", output="lists", values=("b", "a"), idf=(1.1, 2.3)),
    TruncatedSvdPart("svd", ("sparse indices", "sparse values"), 2, ((0.6, 0.8),), (1.0,), (1.0,), (1.0,)),
    HashedText(**{**HOW, "name": "h", "ngrams": (1, 2)}, norm="l2", output="columns", buckets=3, seed=0),
    TokenIds(
        **{**HOW, "name": "ids", "tokens": "characters"}, values=("a", "▁"), length=4, truncate="start", pad="end"
    ),
    ORDERS,
)
ROW = st.tuples(
    st.none() | st.text(st.sampled_from("ab日 ,'") | st.characters(exclude_categories=["Cs"]), max_size=9),
    st.none() | st.lists(st.none() | st.floats(-1e9, 1e9), max_size=5),
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, max_size=10), cut=st.integers(0, 10))
def test_law_9_a_rows_x_and_tensors_do_not_depend_on_the_rows_beside_it(rows, cut):
    def made(part):
        lists = [row[1] for row in part]
        return encoded(*ALL, text=[row[0] for row in part], gaps=lists, sums=lists)

    whole, (x, beside), (other, more) = made(rows), made(rows[:cut]), made(rows[cut:])
    assert whole == (x + other, {name: beside[name] + more[name] for name in beside})
