"""Files with texts: with and without a header and quotes, lines of JSON, torn lines, and labels from people."""

import pytest

from conftest import at_hand
from ringmill.config.texts import Texts
from ringmill.errors import InputError
from ringmill.lake.texts import read_texts

pytestmark = pytest.mark.spark

TABBED = {"delimiter": "\t", "quote": "", "columns": ("label", "text")}


def rows(spark, path, **how):
    found = read_texts(spark, Texts(name="notes", path=str(path), **how)).collect()
    return sorted(
        ((row["text"], row["label"], row["torn"], row["reviewed"], row["source_file"]) for row in found), key=repr
    )


def test_a_header_names_the_columns_and_quotes_hold_ends_of_lines(spark, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text('id,label,text\n1, ham ,"one ""two""\nthree"\n2,,four\n3,spam\n', encoding="utf-8")
    assert rows(spark, file) == [
        ("four", None, None, False, "a.csv"),
        ('one "two"\nthree', "ham", None, False, "a.csv"),
        (None, None, "3,spam", False, "a.csv"),
    ]


def test_without_quotes_they_are_part_of_the_text_and_other_ends_of_lines_too(spark, tmp_path):
    (tmp_path / "a.tsv").write_bytes(b'ham\t"quoted, \xe2\x80\xa8 still\nspam\tcaf\xe9\nham\nham\ta\tb\n')
    assert rows(spark, tmp_path, **TABBED) == [
        ('"quoted, \u2028 still', "ham", None, False, "a.tsv"),
        ("café", "spam", None, False, "a.tsv"),
        (None, None, "ham", False, "a.tsv"),
        (None, None, "ham\ta\tb", False, "a.tsv"),
    ]


def test_files_whose_headers_differ_are_not_mixed_up_and_a_byte_order_mark_is_no_text(spark, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbflabel,text\nham,one\n")
    assert rows(spark, tmp_path) == [("one", "ham", None, False, "a.csv")]
    (tmp_path / "b.csv").write_text("text,label\ntwo,ham\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"b\.csv[\s\S]*columns text, label; in .*a\.csv they are label, text"):
        rows(spark, tmp_path)
    (tmp_path / "c.tsv").write_bytes(b'label\ttext\r\nham\t"one\r\n')
    found = rows(spark, tmp_path / "c.tsv", delimiter="\t", quote="")
    assert found == [('"one', "ham", None, False, "c.tsv")]
    (tmp_path / "plain.tsv").write_bytes(b"\xef\xbb\xbfham\tone\n")
    assert rows(spark, tmp_path / "plain.tsv", **TABBED) == [("one", "ham", None, False, "plain.tsv")]


def test_lines_of_json_and_a_file_without_labels(spark, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"body": "one\\ntwo", "class": 1}\n{"body": nothing}\n', encoding="utf-8")
    how = {"format": "jsonl", "text": "body"}
    assert rows(spark, tmp_path, label="class", **how) == [
        ("one\ntwo", "1", None, False, "a.jsonl"),
        (None, None, '{"body": nothing}', False, "a.jsonl"),
    ]
    assert rows(spark, tmp_path, label=None, **how)[0] == ("one\ntwo", None, None, False, "a.jsonl")


def test_labels_from_people_stand_beside_those_of_the_files(spark, tmp_path):
    (tmp_path / "a.tsv").write_text("ham\tone\n", encoding="utf-8")
    (tmp_path / "reviewed.csv").write_text("label,text\nspam,one\n", encoding="utf-8")
    found = rows(spark, tmp_path / "a.tsv", reviewed=str(tmp_path / "reviewed.csv"), **TABBED)
    assert found == [("one", "ham", None, False, "a.tsv"), ("one", "spam", None, True, "reviewed.csv")]


def test_what_is_not_there_is_named(spark, tmp_path):
    with pytest.raises(InputError, match="There is no raw input"):
        rows(spark, tmp_path / "nothing")
    (tmp_path / "a.csv").write_text("label,txt\nham,one\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"missing: text[\s\S]*'text' may be 'txt'"):
        rows(spark, tmp_path / "a.csv")


def test_the_sms_spam_collection_has_5574_messages(spark, sms_spam):
    how = Texts(name="sms", path=str(at_hand("sms_spam/SMSSpamCollection")), **TABBED)
    found = {(row["label"], row["text"]) for row in read_texts(spark, how).collect()}
    assert found == set(sms_spam) and len(sms_spam) == 5_574
