"""Raw texts → clean ones: what is taken for nothing, what is refused and why."""

import pyarrow as pa
import pytest

from ringmill.config.texts import Cleaning
from ringmill.features.text.clean import clean, cleaned


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
