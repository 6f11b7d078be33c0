"""Messages from a grammar: the same bytes from the same seed, and the overlap that is stated."""

from __future__ import annotations

import pytest

from ringmill.config.texts import Messages
from ringmill.generate.messages import HAM, SPAM, is_written, message, write_messages

PLAIN = Messages(rows=300, spam=0.3, overlap=0, copies=0)


def drawn(messages: Messages, *, seed: int = 3) -> list[tuple[str, str]]:
    return [message(number, messages, seed=seed) for number in range(messages.rows)]


def test_the_file_holds_each_message_by_its_seed_and_number(tmp_path):
    path = str(tmp_path / "a" / "messages.tsv")
    write_messages(PLAIN, seed=3, path=path)
    lines = (tmp_path / "a" / "messages.tsv").read_text(encoding="utf-8").split("\n")
    assert [tuple(line.split("\t")) for line in lines[:-1]] == drawn(PLAIN)
    assert drawn(PLAIN.model_copy(update={"rows": 40})) == drawn(PLAIN)[:40]
    assert drawn(PLAIN, seed=4) != drawn(PLAIN)
    assert is_written(PLAIN, seed=3, folder=str(tmp_path / "a"))
    assert not is_written(PLAIN, seed=4, folder=str(tmp_path / "a"))


def test_without_overlap_no_text_is_of_both_classes_and_spam_has_its_share():
    found = drawn(PLAIN)
    by_class = {label: {text for other, text in found if other == label} for label in (HAM, SPAM)}
    assert not by_class[HAM] & by_class[SPAM]
    assert 0.2 < sum(label == SPAM for label, _ in found) / 300 < 0.4
    assert all("<" not in text and "\t" not in text and text for _, text in found)


@pytest.mark.parametrize(("changed", "shared"), [({"overlap": 1.0}, True), ({"copies": 0.9}, False)])
def test_what_overlaps_is_said_by_either_class_and_copies_repeat_a_message_with_its_label(changed, shared):
    found = drawn(PLAIN.model_copy(update=changed))
    starts = {label: {text.split()[0] for other, text in found if other == label} for label in (HAM, SPAM)}
    assert bool(starts[HAM] & starts[SPAM] - {"FREE"}) or not shared
    if not shared:
        assert len(set(found)) < 120
        assert len({text for _, text in found}) == len(set(found))
