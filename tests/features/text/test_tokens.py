"""What a token is: against a tokeniser written character by character, and by laws that hold for any text."""

import unicodedata
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringmill.features.text.tokens import Tokenising, folded, plain_words

WORDS = Tokenising("text", "text", "words", True, "drop", (), (1, 1))
# Characters that Unicode has assigned by the version that Python knows: Arrow and RE2 know later ones.
KNOWN = st.characters(exclude_categories=["Cs", "Cn"])
HARD = "aZß'’ʼ-_ \t\n\u00a0\u2028\x1f1½日本カーがﬁİıΣς\u0301\u0345😀👍🏽👨\u200d👩🇫🇷▁,.£+©™"
TEXT = st.text(st.sampled_from(HARD) | KNOWN, max_size=30)


def way(**changed):
    return Tokenising(**{**vars(WORDS), **changed})


def tokens(texts, **changed):
    """Lists of tokens by row."""
    found = way(**changed).of(pa.array(texts, pa.string()))
    names = found.distinct.to_pylist()
    rows = [[] for _ in texts]
    for row, which in zip(found.row.tolist(), found.which.tolist(), strict=True):
        rows[row].append(names[which])
    return rows


def is_alone(char):
    name = unicodedata.name(char, "")
    own = ("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA LETTER", "KATAKANA LETTER", "HANGZHOU NUMERAL")
    return name.startswith(own)


def reference(text, *, keep=False):
    """Words and symbols, one character after the other; of scripts without spaces only the letters of `is_alone`."""
    text = unicodedata.normalize("NFKC", text)
    found, word = [], ""
    chars = [*("'" if char in "’ʼ" else char for char in text), " "]
    for char, following in pairwise(chars):
        kind, alone = unicodedata.category(char), bool(word) and is_alone(word[0])
        joins = char == "'" and unicodedata.category(following)[0] in "LN" and not is_alone(following)
        if kind[0] in "LN":
            if alone or is_alone(char):
                found, word = found + [word] * bool(word), ""
            word += char
        elif word and (kind[0] == "M" or (joins and not alone)):
            word += char
        else:
            found, word = found + [word] * bool(word), ""
            tone = "\U0001f3fb" <= char <= "\U0001f3ff"
            if kind == "So" or (keep and kind[0] in "PS" and not tone):
                found.append(char)
    return found + [word] * bool(word)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don’t STOP!", ["don't", "stop"]),
        ("l'été, 2nd naïve", ["l'été", "2nd", "naïve"]),
        ("e\u0301te\u0301", ["été"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("'quoted' rock'n'roll a''b", ["quoted", "rock'n'roll", "a", "b"]),
        ("1,000.50 a_b x-y", ["1", "000", "50", "a", "b", "x", "y"]),
        ("日本語 is カー", ["日", "本", "語", "is", "カー"]),
        ("ok😀👍🏽👨\u200d👩", ["ok", "😀", "👍", "👨", "👩"]),
        ("a🏽b a'🏽 a'\u0301b a\u0301'-'\u0301b", ["a", "b", "a", "a", "b", "á", "b"]),
        ("ﬁne ① Ⅳ", ["fine", "1", "iv"]),
        ("ΣΊΣΥΦΟΣ ς", ["σίσυφοσ", "σ"]),
        ("\u0301lone", ["lone"]),
        (" \t\u00a0\u2028\x1f", []),
        (None, []),
    ],
)
def test_a_word_holds_letters_marks_digits_and_apostrophes_between_them(text, expected):
    assert tokens([text]) == [expected]


def test_without_case_folding_words_keep_their_case():
    assert tokens(["Straße STOP"], casefold=False) == [["Straße", "STOP"]]


def test_punctuation_that_is_kept_is_a_token_a_mark():
    assert tokens(["Well... £5, can't!"], punctuation="keep") == [["well", ".", ".", ".", "£", "5", ",", "can't", "!"]]


def test_characters_stand_alone_with_their_marks_and_white_space_between_them_is_one_of_them():
    assert tokens([" a  B\u0323\u0301\n-c "], tokens="characters") == [["a", "▁", "ḅ\u0301", "▁", "c"]]
    assert tokens(["a - b"], tokens="characters") == [["a", "▁", "b"]]
    assert tokens(["a - b"], tokens="characters", punctuation="keep") == [["a", "▁", "-", "▁", "b"]]


def test_n_grams_are_neighbours_of_one_row():
    assert tokens(["a b c", "d", None, "e f"], ngrams=(2, 2)) == [["a b", "b c"], [], [], ["e f"]]
    assert tokens(["a b"], ngrams=(1, 2)) == [["a", "b", "a b"]]
    assert tokens(["ab c"], tokens="characters", ngrams=(2, 3)) == [["ab", "b▁", "▁c", "ab▁", "b▁c"]]


def test_stop_words_are_compared_folded_and_leave_no_gap_in_n_grams():
    stops = plain_words(["The", "DON’T"])
    assert stops == ("don't", "the")
    assert tokens(["Don't eat THE cake"], stop_words=stops, ngrams=(1, 2)) == [["eat", "cake", "eat cake"]]
    assert tokens(["Don't eat THE cake"], stop_words=stops, casefold=False) == [["eat", "cake"]]


def test_items_of_lists_are_tokens_as_they_are_and_one_that_is_null_keeps_its_place():
    lists = pa.array([["P 1", None, "p 1", ""], None, []], pa.list_(pa.string()))

    def of(found):
        return found.distinct.take(pa.array(found.which)).to_pylist(), found.row.tolist()

    assert of(WORDS.of(lists)) == (["P 1", "", "p 1", ""], [0, 0, 0, 0])
    assert of(WORDS.of(lists).named()) == (["P 1", "p 1"], [0, 0])
    assert of(way(ngrams=(2, 2)).of(lists)) == (["P 1 p 1"], [0])


@settings(max_examples=300, deadline=None)
@given(text=TEXT, keep=st.booleans())
def test_tokens_are_those_of_a_tokeniser_that_goes_character_by_character(text, keep):
    # Of the scripts without spaces the letters alone: their further characters' names have no common beginning.
    scripts = ("HIRAGANA", "KATAKANA", "IDEOGRAPH", "CJK", "VIETNAMESE", "OLD CHINESE", "HENTAIGANA")
    chars = unicodedata.normalize("NFKC", text)
    plain = "".join(char for char in chars if not unicodedata.name(char, "").startswith(scripts) or is_alone(char))
    found = tokens([plain], casefold=False, punctuation="keep" if keep else "drop")
    assert found == [reference(plain, keep=keep)]


def test_messages_give_the_tokens_of_a_tokeniser_that_goes_character_by_character(sms_spam):
    texts = [text for _, text in sms_spam]
    assert tokens(texts, casefold=False) == [reference(text) for text in texts]


WAYS = st.fixed_dictionaries(
    {
        "tokens": st.sampled_from(["words", "characters"]),
        "casefold": st.booleans(),
        "punctuation": st.sampled_from(["keep", "drop"]),
        "ngrams": st.sampled_from([(1, 1), (1, 3), (2, 2)]),
        "stop_words": st.sampled_from([(), ("a", "日")]),
    }
)


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(st.none() | TEXT, max_size=8), cut=st.integers(0, 8), how=WAYS)
def test_law_9_a_row_has_the_same_tokens_whatever_rows_are_beside_it(texts, cut, how):
    assert tokens(texts, **how) == tokens(texts[:cut], **how) + tokens(texts[cut:], **how)


@settings(max_examples=150, deadline=None)
@given(text=TEXT, how=WAYS)
def test_no_token_is_empty_or_holds_white_space(text, how):
    for token in tokens([text], **{**how, "ngrams": (1, 1)})[0]:
        assert token
        assert not any(char.isspace() for char in token)


@settings(max_examples=150, deadline=None)
@given(text=TEXT, punctuation=st.sampled_from(["keep", "drop"]))
def test_tokens_of_tokens_are_these_tokens(text, punctuation):
    once = tokens([text], punctuation=punctuation)[0]
    assert tokens([" ".join(once)], punctuation=punctuation)[0] == once


def test_folding_twice_changes_no_character_that_folding_once_has_made():
    chars = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    once = folded(pa.array(chars))
    assert once.equals(folded(once))
    pairs = [char + mark for char in np.random.default_rng(1).choice(chars, 20_000) for mark in "\u0345\u0301"]
    once = folded(pa.array(pairs))
    assert once.equals(folded(once))
