"""Vocabularies and weights that Spark fits: scikit-learn's on real messages, frozen, the same bits everywhere."""

import json
from collections import Counter
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from ringmill.config.features import FeatureEntry
from ringmill.config.text import Language
from ringmill.errors import ConfigError
from ringmill.features.apply import apply, encoder, everything, tensors
from ringmill.features.fit import field_of, fit
from ringmill.features.state import State
from ringmill.features.text.tokens import Tokenising
from without_jvm import encoded_without_jvm

pytestmark = pytest.mark.spark
SCHEMA = "row_id bigint, text string, products array<string>, gaps array<double>, sums array<double>, split string"
COLUMNS = ("text", "products", "gaps", "sums")
TRAIN = (
    (1, "The cat, the dog", ["P", "Q"], [None, 3.0], [1.0, 3.0], "train"),
    (2, "a DOG", ["Q"], [5.0], [5.0], "train"),
    (3, None, None, None, None, "train"),
    (4, "", [], [], [], "train"),
)


def entries(*trees):
    return TypeAdapter(tuple[FeatureEntry, ...]).validate_python(trees)


def batch_of(frame):
    return frame.toArrow().combine_chunks().to_batches()[0]


ALL = entries(
    {"kind": "tfidf", "columns": ["text"], "size": 3, "stop_languages": ["english"], "ngrams": [1, 2]},
    {"kind": "tfidf", "columns": ["products"], "idf": False, "norm": "none"},
    {"kind": "tfidf", "columns": ["text"], "name": "sparse", "output": "lists", "stop_words": ["the"]},
    {"kind": "truncated_svd", "columns": ["sparse indices", "sparse values"], "terms": 9, "components": 1},
    {"kind": "zscore", "columns": ["svd 1"], "name": "topic"},
    {"kind": "hashed_text", "columns": ["text"], "buckets": 4, "tokens": "characters"},
    {"kind": "token_ids", "columns": ["text", "products"], "length": 3, "size": 2},
    {"kind": "token_ids", "columns": ["text"], "name": "often_ids", "length": 2, "minimum_count": 2},
    {"kind": "token_ids", "columns": ["text"], "name": "unseen", "length": 2, "keep": False},
    {"kind": "sequence", "columns": ["gaps", "sums"], "name": "orders", "length": 2, "null": -9.0},
)


@pytest.fixture(scope="module")
def train(spark):
    return spark.createDataFrame(TRAIN, SCHEMA).persist()


@pytest.fixture(scope="module")
def state(train):
    return fit(train, ALL, columns=COLUMNS)


def test_every_kind_is_fitted_and_applied_as_it_says(train, state):
    x, beside = tensors(batch_of(train), state)
    found = dict(zip(state.names, x.T.tolist(), strict=True))
    # Without English stop words: cat dog, "cat dog"; dog. Of terms that occur once the first by code points stay.
    cat = np.array([np.log(5 / 2) + 1, np.log(5 / 2) + 1, np.log(5 / 3) + 1])
    cat /= np.linalg.norm(cat)
    assert found["text dog"] == pytest.approx([cat[2], 1.0, 0.0, 0.0])
    assert found["text cat"] == pytest.approx([cat[0], 0.0, 0.0, 0.0])
    assert found["text cat dog"] == pytest.approx([cat[1], 0.0, 0.0, 0.0])
    assert (found["products Q"], found["products P"]) == ([1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0])
    assert "topic" in found
    # the 2, dog 3; then the, dog, cat, a by count and code points.
    assert beside["text_ids"].to_pylist() == [[3, 1, 3], [1, 2, 0], [0, 0, 0], [0, 0, 0]]
    assert beside["products_ids"].to_pylist() == [[3, 2, 0], [2, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert beside["often_ids"].to_pylist() == [[3, 1], [1, 2], [0, 0], [0, 0]]
    # Gaps 3 and 5: mean 4, deviation 1; sums 1, 3 and 5: mean 3.
    far = float(np.float32(2 / np.sqrt(8 / 3)))
    assert beside["orders"].to_pylist() == [[-9.0, -far, -1.0, 0.0], [1.0, far, 0.0, 0.0], [0.0] * 4, [0.0] * 4]
    assert beside["orders_mask"].to_pylist() == [[1, 1], [1, 0], [0, 0], [0, 0]]
    assert set(state.tensors) == set(beside) == {"text_ids", "products_ids", "often_ids", "orders", "orders_mask"}


def test_law_9_in_spark_and_in_a_process_without_a_jvm_x_and_tensors_have_the_same_bits(spark, state, tmp_path):
    draw = np.random.default_rng(3)
    words = ["the", "cat", "DOG", "dog!", "😀", "日本", "Straße", "odd,"]

    def row(number):
        items = int(draw.integers(0, 5))
        text = None if draw.random() < 0.1 else " ".join(draw.choice(words, int(draw.integers(0, 7))))
        numbers = [float(each) for each in draw.lognormal(0, 3, items)]
        return number, text, [str(each) for each in draw.choice(["P", "Q", "R"], items)], numbers, numbers, "test"

    frame = spark.createDataFrame([row(number) for number in range(400)], SCHEMA).repartition(4).persist()
    frame.count()
    made = ["row_id", "x", *state.tensors]
    beside = ", ".join(f"{listed.name} {field_of(listed).dataType.simpleString()}" for listed in state.beside)
    encoded = frame.mapInArrow(encoder(state), f"{SCHEMA}, x array<float>, {beside}").select(made).toArrow()
    there = encoded_without_jvm(frame.toArrow(), state, tmp_path, batch=37).rename_columns({"row": "row_id"})

    def bits(table):
        columns = ([np.array(value).tobytes() for value in table[name].to_pylist()] for name in made)
        return {key: rest for key, *rest in zip(*columns, strict=True)}

    assert len(bits(there)) == 400
    assert bits(encoded) == bits(there)
    assert State.from_json(json.loads(json.dumps(state.to_json()))).hash == state.hash


def test_law_9_texts_of_validation_and_test_leave_the_states_hash_as_it_is(spark, train, state):
    poison = [(9, "poison the dog " * 50, ["Z"] * 9, [1e9] * 9, [1e9] * 9, split) for split in ("validation", "test")]
    every = train.unionByName(spark.createDataFrame(poison, SCHEMA)).repartition(3, "row_id")
    assert fit(every.where("split = 'train'"), ALL, columns=COLUMNS).hash == state.hash
    assert fit(every, ALL, columns=COLUMNS).hash != state.hash


def test_law_3_the_state_does_not_depend_on_how_rows_are_spread(spark):
    rows = [
        (n, f"word {n % 37} {'often ' * (n % 3)}", None, [0.1 * (-1) ** n * (1 + n % 493), 0.1], [0.1, 0.1], "train")
        for n in range(986)
    ]
    frame = spark.createDataFrame(rows, SCHEMA)
    trees = entries(
        {"kind": "tfidf", "columns": ["text"], "size": 20},
        {"kind": "sequence", "columns": ["gaps", "sums"], "name": "orders", "length": 2, "log1p": False},
    )
    states = [fit(spread, trees, columns=COLUMNS) for spread in (frame.coalesce(1), frame.repartition(7, "row_id"))]
    assert states[0] == states[1]
    assert states[0].parts[1].deviations[1] == 1.0


@pytest.fixture(scope="module")
def messages(spark, sms_spam):
    return spark.createDataFrame(pa.table({"text": [text for _, text in sms_spam]})).repartition(3).persist()


def test_tfidf_is_scikit_learns_on_real_messages_given_the_same_tokens(messages):
    trees = (
        {"minimum_count": 3, "ngrams": [1, 2], "stop_languages": ["english"], "name": "often", "size": 100_000},
        {"name": "all", "size": 100_000},
        {"name": "top", "size": 500},
    )
    texts = [{"kind": "tfidf", "columns": ["text"], "output": "lists", **tree} for tree in trees]
    svd = {"kind": "truncated_svd", "columns": ["top indices", "top values"], "terms": 500, "components": 4}
    state = fit(messages, entries(*texts, svd), columns=["text"])
    batch = batch_of(messages)
    _, lists = everything(batch, state, fold=None, lists=[listed.name for listed in state.lists])

    def compare(part, theirs, columns):
        known = theirs.get_feature_names_out().tolist()
        place = {term: at for at, term in enumerate(part.values)}
        assert set(known) == set(place)
        expected = columns.tocoo()
        of = np.array([place[term] for term in known])[expected.col]
        order = np.lexsort([of, expected.row])
        indices, values = (lists[f"{part.name} {what}"].flatten().to_numpy() for what in ("indices", "values"))
        np.testing.assert_array_equal(indices, of[order])
        np.testing.assert_allclose(values, expected.data[order], rtol=1e-11)

    def tokens_of(part):
        whole = part.of(batch.column("text"))
        names, rows = whole.distinct.to_pylist(), [[] for _ in range(whole.rows)]
        for row, which in zip(whole.row.tolist(), whole.which.tolist(), strict=True):
            rows[row].append(names[which])
        return rows

    often, every, top, svd = state.parts
    rows = tokens_of(every)
    assert len(rows) == 5_574
    theirs = TfidfVectorizer(analyzer=lambda row: row)
    compare(every, theirs, theirs.fit_transform(rows))
    # minimum_count counts occurrences, scikit-learn's min_df rows: the vocabulary is given to it.
    again = tokens_of(often)
    counts = CountVectorizer(analyzer=lambda row: row).fit(again)
    enough = np.asarray(counts.transform(again).sum(axis=0)).ravel() >= 3
    theirs = TfidfVectorizer(analyzer=lambda row: row, vocabulary=counts.get_feature_names_out()[enough].tolist())
    compare(often, theirs, theirs.fit_transform(again))
    theirs = TfidfVectorizer(analyzer=lambda row: row, vocabulary=list(top.values))
    weights = theirs.fit_transform(rows)
    compare(top, theirs, weights)
    reduced = TruncatedSVD(4, algorithm="arpack").fit(weights)
    np.testing.assert_allclose(np.abs(svd.components), np.abs(reduced.components_), atol=1e-6)
    occurrences = Counter(token for row in rows for token in row)
    in_order = sorted(occurrences, key=lambda token: (-occurrences[token], token))
    assert list(top.values) == in_order[:500]


def test_stop_words_of_a_language_are_plain_data_of_the_state(spark, train):
    words = ["blev", "het", "the", "olla", "aux", "und", "azok", "della", "ikke", "não", "или", "pero", "från", "çünkü"]
    languages = get_args(Language)
    assert len(languages) == len(words) == 14
    for language, word in zip(sorted(languages), words, strict=True):
        tree = {"kind": "token_ids", "columns": ["text"], "length": 2, "stop_languages": [language]}
        (part,) = fit(train, entries(tree), columns=COLUMNS).parts
        assert word in part.stop_words, language
    tree = {"kind": "token_ids", "columns": ["text"], "length": 2, "stop_languages": languages, "stop_words": ["Dog"]}
    (part,) = fit(train, entries(tree), columns=COLUMNS).parts
    assert {*words, "dog"} <= set(part.stop_words)
    assert part.values == ("cat",)
    assert isinstance(part, Tokenising)


def test_what_cannot_be_fitted_names_the_entry(train):
    def refused(match, *trees):
        with pytest.raises(ConfigError, match=match):
            fit(train, entries(*trees), columns=COLUMNS)

    refused(r"features\.set\.0[\s\S]*texts or lists of texts[\s\S]*gaps", {"kind": "tfidf", "columns": ["gaps"]})
    text = {"kind": "sequence", "columns": ["text"], "name": "t", "length": 2}
    refused(r"features\.set\.0[\s\S]*lists of numbers[\s\S]*text", text)
    taken = {"kind": "token_ids", "columns": ["text"], "length": 2, "name": "split"}
    refused(r"name of its own[\s\S]*split", taken)
    refused(r"name of its own[\s\S]*'x'", {**taken, "name": "x"})
    lists = {"kind": "tfidf", "columns": ["text"], "output": "lists"}
    refused(r"name of its own[\s\S]*text indices", lists, {**lists, "idf": False})
    late = {"kind": "truncated_svd", "columns": ["text indices", "text values"], "terms": 3, "components": 1}
    refused(r"features\.set\.0\.columns[\s\S]*text indices", late, lists)
    refused(r"features\.set\.1\.terms[\s\S]*at least the 4 terms", lists, late)


def test_an_all_null_train_split_gives_a_state_that_can_be_applied(spark):
    nothing = spark.createDataFrame([(1, None, None, None, None, "train")], SCHEMA)
    trees = [entry for entry in ALL if entry.kind not in ("truncated_svd", "zscore")]
    state = fit(nothing, trees, columns=COLUMNS)
    assert apply(batch_of(nothing), state).tolist() == [[0.0] * 4]


def test_a_vocabulary_of_characters_is_fitted_with_a_size_and_a_minimum_count(spark):
    rows = [(1, "abba Ça", None, None, None, "train"), (2, "bar", None, None, None, "train")]
    characters = {"kind": "token_ids", "columns": ["text"], "tokens": "characters", "length": 6}
    both = entries({**characters, "name": "often", "minimum_count": 2}, {**characters, "name": "two", "size": 2})
    train = spark.createDataFrame(rows, SCHEMA)
    state = fit(train, both, columns=COLUMNS)
    # a 4, b 3; the space, ç and r once each.
    assert [part.values for part in state.parts] == [("a", "b"), ("a", "b")]
    _, beside = tensors(batch_of(train), state)
    assert beside["often"].to_pylist() == beside["two"].to_pylist() == [[2, 3, 3, 2, 1, 1], [3, 2, 1, 0, 0, 0]]
