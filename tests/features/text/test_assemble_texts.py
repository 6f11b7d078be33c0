"""Lines → rows of features/<name>: each text once, the label that counts, laws 1 and 2, and a vocabulary of train."""

import pytest
from pyspark.sql import functions as F

from ringmill.config.text import TextAugmentation
from ringmill.config.texts import Cleaning, Texts
from ringmill.errors import InputError
from ringmill.features.state import State
from ringmill.features.text.assemble import assemble_texts
from ringmill.features.text.fit import fit_texts
from ringmill.features.text.parts import TokenIds
from ringmill.features.text.state import TextState, encode, encoder
from ringmill.pipeline.examples import known_ids
from ringmill.train.vary_words import KnownIds

pytestmark = pytest.mark.spark

RAW = "text string, label string, torn string, reviewed boolean, source_file string"


def section(**changes):
    return Texts(name="notes", path="unused", **{"tokens": {"length": 4}, **changes})


def lines(*rows):
    """(text, label) or (text, label, reviewed)."""
    return [(text, label, None, *(more or [False]), "a.csv") for text, label, *more in rows]


def assembled(spark, *rows, **changes):
    raw = spark.createDataFrame(lines(*rows), RAW)
    return assemble_texts(raw, section(**changes), seed=5).collect()


def by_line(rows):
    """By what came in; of equal lines the one that counts."""
    ordered = sorted(rows, key=lambda row: row["status"] == "clean")
    return {(row["text"] if row["raw"] is None else row["raw"], row["label"], row["reviewed"]): row for row in ordered}


def test_law_1_of_equal_texts_one_is_clean_and_the_others_name_it(spark):
    rows = assembled(spark, ("Win now", "spam"), ("win  now", "spam"), ("hello", "ham"), ("", "ham"), ("hello", None))
    found = by_line(rows)
    assert {key: row["status"] for key, row in found.items()} == {
        ("Win now", "spam", False): "clean",
        ("win  now", "spam", False): "duplicate",
        ("hello", "ham", False): "clean",
        ("", "ham", False): "rejected",
        ("hello", None, False): "duplicate",
    }
    first, copy = found["Win now", "spam", False], found["win  now", "spam", False]
    assert copy["duplicate_of"] == first["row_id"] and copy["row_id"] is None and copy["split"] is None
    assert first["duplicate_of"] is None and first["split"] in ("train", "validation", "test")
    assert found["", "ham", False]["content_hash"] is None


def test_the_commonest_label_of_a_text_counts_and_of_equals_the_first(spark):
    found = assembled(spark, *[("a", "x")] * 2, ("a", "y"), ("b", "y"), ("b", "x"), ("c", None))
    clean = {row["text"]: row for row in found if row["status"] == "clean"}
    assert {text: row["label"] for text, row in clean.items()} == {"a": "x", "b": "x", "c": None}
    assert clean["c"]["split"] is None and len(found) == 6


def test_what_people_say_counts_more_than_the_files(spark):
    found = assembled(
        spark, *[("a", "x")] * 3, ("A ", "y", True), ("new", "x", True), ("b", "x"), ("b", "x", True), ("d", None, True)
    )
    reviewed = {row["raw"] or row["text"]: row for row in found if row["reviewed"]}
    assert {text: (row["status"], row["relabelled"]) for text, row in reviewed.items()} == {
        "A ": ("clean", True),
        "new": ("clean", False),
        "b": ("clean", False),
        "d": ("rejected", False),
    }
    assert reviewed["d"]["reasons"] == ["no_label"]
    assert {row["status"] for row in found if row["label"] == "x" and row["text"] == "a"} == {"duplicate"}


def test_stratified_shares_hold_within_each_label_and_an_added_line_moves_two_of_its_label_at_most(spark):
    rows = [(f"message {place}", "spam" if place % 5 == 0 else "ham") for place in range(100)]
    rows += [*rows[:30], ("nobody said", None)]
    shares, counts = (0.6, 0.25, 0.15), {"ham": (48, 20, 12), "spam": (12, 5, 3)}

    def splits(*lines):
        found = assembled(spark, *lines, shares=shares, stratify=True)
        return {(row["label"], row["text"]): row["split"] for row in found if row["status"] == "clean"}

    before = splits(*rows)
    assert before.pop((None, "nobody said")) is None
    for label, expected in counts.items():
        own = [split for (its, _), split in before.items() if its == label]
        assert tuple(map(own.count, ("train", "validation", "test"))) == expected
    for place in range(3):
        after = splits(*rows, (f"one more {place}", "spam"))
        moved = [key for key in before if after[key] != before[key]]
        assert len(moved) <= 2 and all(label == "spam" for label, _ in moved)


def test_law_2_the_split_hangs_on_the_content_and_added_lines_move_none(spark):
    rows = [(f"message {place}", "ham") for place in range(60)]
    before = {row["text"]: row["split"] for row in assembled(spark, *rows)}
    after = assembled(spark, *rows, *((text.upper(), "spam", True) for text, _ in rows[:9]), ("more", "ham"))
    clean = [row for row in after if row["status"] == "clean"]
    assert {row["text"].lower(): row["split"] for row in clean if row["text"] != "more"} == before
    assert set(before.values()) == {"train", "validation", "test"}


@pytest.mark.parametrize("stratify", [False, True])
def test_law_2_texts_that_differ_by_punctuation_case_and_white_space_alone_are_in_one_split(spark, stratify):
    places = range(30)
    rows = [(f"Free prize {place}!", "spam") for place in places]
    rows += [(f"{space}free  prize... {place}", "spam") for place in places for space in ("", "- ")]
    found = assembled(spark, *rows, ("?!", "ham"), ("!?", "ham"), ("", "ham"), stratify=stratify)
    clean = [row for row in found if row["status"] == "clean"]
    assert len({row["row_id"] for row in clean}) == len(clean) == 92
    by_group = {}
    for row in clean:
        by_group.setdefault(row["group_hash"], set()).add(row["split"])
    # Marks alone are no near repeats of each other.
    assert len(by_group) == 32 and all(len(splits) == 1 for splits in by_group.values())
    assert set.union(*by_group.values()) == {"train", "validation", "test"}
    assert by_line(found)["", "ham", False]["group_hash"] is None


def test_law_9_the_vocabulary_is_of_the_train_split_and_spark_s_ids_are_those_of_one_process(spark):
    rows = [(f"word{place} again 😊", "ham" if place % 2 else "spam") for place in range(40)]
    texts = assemble_texts(spark.createDataFrame(lines(*rows, ("", "x"), ("late", None)), RAW), section(), seed=5)
    texts = texts.persist()
    state = fit_texts(texts, section(tokens={"length": 4, "size": 3}))
    train = {row["text"].split()[0] for row in texts.where("split = 'train'").collect()}
    assert state.part.values[:2] == ("again", "😊") and state.part.values[2] in train
    assert (state.classes, state.ids, state.length) == (("ham", "spam"), 5, 4)
    assert TextState.from_json(state.to_json()) == state

    def fitted_with_poison(where):
        poison = {name: F.when(where, "poison poison poison").otherwise(F.col(name)) for name in ("text", "label")}
        return fit_texts(texts.withColumns(poison), section(tokens={"length": 4, "size": 3}))

    elsewhere = F.coalesce(F.col("split") != "train", F.lit(True))
    assert 3 < texts.where(elsewhere).count() < 30
    assert fitted_with_poison(elsewhere).hash == state.hash
    poisoned = fitted_with_poison(F.col("text") == texts.where("split = 'train'").first()["text"])
    assert poisoned.hash != state.hash and "poison poison poison" in poisoned.classes

    kept = texts.select("text", "status")
    found = kept.mapInArrow(encoder(state), "text string, status string, ids array<int>").toArrow()
    import pyarrow.compute as pc

    clean = found.filter(pc.equal(found["status"], "clean"))
    assert clean["ids"].to_pylist() == encode(clean["text"].combine_chunks(), state).to_pylist()
    assert pc.equal(found["status"], "rejected").to_pylist() == found["ids"].is_null().to_pylist()
    texts.unpersist()


def test_nothing_to_learn_from_is_said(spark):
    texts = assemble_texts(spark.createDataFrame(lines(("", "ham"), ("a", None)), RAW), section(), seed=5)
    with pytest.raises(InputError, match=r"at least one text with a label[\s\S]*why lines were rejected"):
        fit_texts(texts, section())


def knowing(*words, punctuation):
    part = TokenIds("text", "ids", "words", True, punctuation, (), (1, 1), words, 4, "end", "end")
    return TextState(Cleaning(), State((("text", "string"),), (part,), (), ("ids",)), ("a", "b"))


def test_a_word_has_the_id_of_its_one_token():
    state = knowing("again", "£5", punctuation="drop")
    assert [state.id_of(word) for word in ("Again", "other", "two words", "!")] == [2, 1, 0, 0]


def test_training_varies_by_the_ids_of_the_words_and_marks_that_the_vocabulary_holds():
    state = knowing("win", "prize", "!", "gain", punctuation="keep")
    synonyms = {"Win": ("gain", "unheard"), "absent": ("prize",), "prize": ("win",)}
    how = TextAugmentation(synonym=0.1, punctuation=0.1, marks="?!", synonyms=synonyms)
    assert known_ids(state, how) == KnownIds(synonyms=((2, 5, 1), (3, 2)), marks=(4,))
