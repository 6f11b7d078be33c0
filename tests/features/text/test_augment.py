"""Varied texts: what each way of varying does, for which rows, and that seed, epoch and row id alone decide."""

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ringmill.config.text import TextAugmentation
from ringmill.errors import InputError
from ringmill.features.text.augment import augment, draws

TABLE = yaml.safe_load("""
column: text
synonym: 0.5
swap: 0.3
delete: 0.2
punctuation: 0.2
synonyms: {Good: [fine, great], cat: [feline]}
""")


def how(**chances):
    chances = {"synonym": 0, "swap": 0, "delete": 0, "punctuation": 0, **chances}
    return TextAugmentation.model_validate({**TABLE, **chances})


def varied(texts, way, *, splits=None, ids=None, seed=1, epoch=1):
    columns = {
        "text": pa.array(texts, pa.string()),
        "row_id": pa.array(list(range(len(texts))) if ids is None else ids, pa.int64()),
        "split": pa.array(["train"] * len(texts) if splits is None else splits, pa.string()),
    }
    return augment(pa.record_batch(columns), way, seed=seed, epoch=epoch).column("text").to_pylist()


def test_synonyms_come_from_the_table_and_marks_around_a_word_stay():
    found = {text for epoch in range(30) for text in varied(["(Good) CAT, bad"], how(synonym=1), epoch=epoch)}
    assert found == {"(fine) feline, bad", "(great) feline, bad"}


def test_words_change_places_with_their_next_and_none_moves_twice():
    found = {text for epoch in range(200) for text in varied(["a b c d"], how(swap=0.5), epoch=epoch)}
    assert found == {"a b c d", "b a c d", "a c b d", "a b d c", "b a d c"}
    assert varied(["a b c", "d"], how(swap=1)) == ["b a c", "d"]


def test_words_are_left_out_and_one_stays():
    assert varied(["a b c", "d", "", None], how(delete=1)) == ["a", "d", "", None]
    found = {text for epoch in range(99) for text in varied(["a b"], how(delete=0.5), epoch=epoch)}
    assert found == {"a b", "a", "b"}


def test_a_mark_follows_a_word():
    found = {text for epoch in range(99) for text in varied(["a b"], how(punctuation=1, marks="!?"), epoch=epoch)}
    assert found == {"a! b!", "a! b?", "a? b!", "a? b?"}


def test_nothing_is_varied_without_chances_and_a_text_keeps_its_white_space():
    assert varied([" a\t b ", "", None], how()) == [" a\t b ", "", None]


def test_validation_test_and_rows_without_a_split_keep_their_texts_and_scoring_is_refused():
    way, texts = how(delete=1, punctuation=1), ["a b c"] * 4
    assert varied(texts, way, splits=["validation", "test", None, "train"])[:3] == texts[:3]
    assert varied(texts, way, splits=["validation", "test", None, "train"])[3] != texts[3]
    with pytest.raises(InputError, match=r"row_id, split"):
        augment(pa.record_batch({"text": pa.array(["a b c"])}), way, seed=1, epoch=1)


TEXTS = st.lists(st.none() | st.text(st.sampled_from("ab ,\tGoodcat日"), max_size=20), max_size=8)


@settings(max_examples=100, deadline=None)
@given(texts=TEXTS, cut=st.integers(0, 8), seed=st.integers(0, 2**40), epoch=st.integers(0, 99), data=st.data())
def test_law_5_a_varied_text_depends_on_seed_epoch_and_row_id_alone(texts, cut, seed, epoch, data):
    way = TextAugmentation.model_validate(TABLE)
    ids = data.draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=len(texts), max_size=len(texts), unique=True))
    splits = data.draw(st.lists(st.sampled_from(["train", "test", None]), min_size=len(texts), max_size=len(texts)))
    order = data.draw(st.permutations(range(len(texts))))

    def by_id(places):
        part = [[column[place] for place in places] for column in (texts, splits, ids)]
        found = varied(part[0], way, splits=part[1], ids=part[2], seed=seed, epoch=epoch)
        return dict(zip(part[2], found, strict=True))

    whole = by_id(range(len(texts)))
    assert whole == by_id(order[:cut]) | by_id(order[cut:])
    assert all(whole[ids[at]] == texts[at] for at in range(len(texts)) if splits[at] != "train")


def test_draws_are_spread_evenly_and_another_seed_epoch_row_or_place_draws_anew():
    ids, place = np.arange(20_000, dtype=np.int64), np.zeros(20_000, np.int64)
    one = draws(1, 1, ids, place, 1)
    assert 0 <= one.min() < one.max() < 1
    # A hundred bins of 200: chi-squared with 99 degrees of freedom is above 180 once in a million times.
    counts = np.histogram(one, 100, (0, 1))[0]
    assert ((counts - 200) ** 2 / 200).sum() < 180
    for other in (draws(2, 1, ids, place, 1), draws(1, 2, ids, place, 1), draws(1, 1, ids, place + 1, 1)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.04
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.04
    # Written down once: another machine and another release draw the same.
    assert draws(7, 3, np.array([-5, 11]), np.array([0, 4]), 2).tolist() == [0.48476914530568127, 0.21769918905500496]


def test_chances_for_synonyms_need_a_table():
    with pytest.raises(ValidationError, match="synonyms"):
        TextAugmentation(column="text", synonym=0.1)
    with pytest.raises(ValidationError, match="at least for 'good'"):
        TextAugmentation(column="text", synonyms={"good": ()})
