"""Raw texts → clean ones: what is taken for nothing, what is refused and why."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringmill.config.texts import Cleaning
from ringmill.features.text.clean import clean, cleaned
from ringmill.features.text.tokens import Tokenising, alike, split


def cleaned_rows(texts, *, torn=None, **how):
    batch = pa.record_batch(
        {
            "label": pa.array(["a"] * len(texts)),
            "text": pa.array(texts, pa.string()),
            "torn": pa.array(torn or [None] * len(texts), pa.string()),
        }
    )
    return clean(batch, Cleaning(**how)).to_pylist()


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        ("  two\t words \r\n", "two words"),
        ("e\u0301te\u0301", "été"),
        ("a\x00b\x07c", "a b c"),
        ("a\u00a0\u2003b", "a b"),
        ("\ufeffzero\u200bwidth", "zerowidth"),
        ("👩\u200d🚀 \U0001f44d\U0001f3fd", "👩\u200d🚀 \U0001f44d\U0001f3fd"),
        ("\u2028 \t", ""),
        (None, ""),
    ],
)
def test_a_clean_text_is_composed_and_has_single_spaces(came, expected):
    assert cleaned(pa.array([came], pa.string())).to_pylist() == [expected]


def test_what_is_no_text_is_rejected_with_its_reasons_and_kept_as_it_came():
    rows = cleaned_rows(["ok", "", " \t ", None, "bad \ufffd", "😊", None], torn=[None] * 6 + ["torn"])
    assert [row["reasons"] for row in rows] == [
        [],
        ["empty_text"],
        ["empty_text"],
        ["empty_text"],
        ["not_utf8"],
        [],
        ["torn_line"],
    ]
    assert [row["status"] for row in rows] == ["clean", *["rejected"] * 4, "clean", "rejected"]
    assert [row["text"] for row in rows] == ["ok", None, None, None, None, "😊", None]
    assert [row["raw"] for row in rows] == [None, "", " \t ", None, "bad \ufffd", None, "torn"]


@pytest.mark.parametrize("characters", [2**20, 11])
def test_a_long_text_is_rejected_or_cut_as_configured(characters):
    (rejected,) = cleaned_rows(["é" * characters], longest=10)
    assert (rejected["reasons"], len(rejected["raw"])) == (["too_long"], characters)
    (cut,) = cleaned_rows(["é" * characters], longest=10, too_long="cut")
    assert (cut["status"], cut["text"], len(cut["raw"])) == ("clean", "é" * 10, characters)
    (kept,) = cleaned_rows(["é" * 10], longest=10)
    assert (kept["status"], kept["raw"]) == ("clean", None)


def test_texts_are_compared_whatever_their_case_and_form():
    keys = {row["key"] for row in cleaned_rows(["Win £5 ①", "WIN  £5 1", "win £5 1\n"])}
    assert keys == {"win £5 1"}


@pytest.mark.parametrize(
    "texts",
    [
        ("don't worry", "don\u2019t worry", "DON\u02bcT worry"),
        ("ok \U0001f44d", "ok \U0001f44d\U0001f3fd"),
        ("i \u2764 u", "i \u2764\ufe0f u"),
        ("straße", "STRASSE"),
        ("👩\u200d🚀", "👩🚀"),
    ],
)
def test_law_2_texts_that_are_one_input_for_a_model_are_compared_as_one(texts):
    assert len({row["key"] for row in cleaned_rows(list(texts))}) == 1
    for tokens in ("words", "characters"):
        found = split(alike(pa.array(texts)), tokens=tokens, punctuation="keep")
        rows = [found.distinct.take(pa.array(found.which[found.row == row])).to_pylist() for row in range(len(texts))]
        assert rows.count(rows[0]) == len(rows)


@settings(deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
    case=st.sampled_from([str.upper, str.title, str]),
)
def test_law_2_tokens_of_folded_texts_with_one_key_are_the_same(text, case):
    rows = cleaned_rows([text, case(text)])
    if rows[0]["key"] is None or rows[0]["key"] != rows[1]["key"]:
        return
    how = Tokenising("text", "t", "words", True, "keep", (), (1, 1))
    one, other = (how.of(pa.array([row["text"]])) for row in rows)
    assert one.distinct.take(pa.array(one.which)).to_pylist() == other.distinct.take(pa.array(other.which)).to_pylist()


def test_near_repeats_have_one_group_and_keys_of_their_own():
    rows = cleaned_rows(
        ["Free prize!", "free  prize", "FREE\u00a0PRIZE \u2026", "free-prize", "free prize 😊", "prize free"]
    )
    assert [row["group"] for row in rows] == [*["freeprize"] * 4, "freeprize😊", "prizefree"]
    assert len({row["key"] for row in rows}) == 6
    marks = cleaned_rows(["...", "?", "£", ""])
    assert [row["group"] for row in marks] == ["...", "?", "£", None]


@settings(deadline=None)
@given(text=st.text(st.characters(exclude_categories=("Cs",)), max_size=12), mark=st.sampled_from(list("!?.,;-'\"£+ ")))
def test_law_2_texts_that_are_one_input_without_punctuation_are_in_one_group(text, mark):
    rows = cleaned_rows([text, f"{text} {mark}"])
    if all(row["key"] for row in rows) and any(letter.isalnum() for letter in text):
        assert rows[0]["group"] == rows[1]["group"]


@pytest.mark.parametrize("text", ["\u200d", "\ufe0f\u200d", "\u00ad", "\u0301"])
def test_what_nobody_can_see_is_no_text(text):
    assert [row["reasons"] for row in cleaned_rows([text])] == [["empty_text"]]
