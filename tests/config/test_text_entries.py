"""Entries that read texts and lists, as a YAML list gives them; what they refuse."""

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from ringmill.config.features import FeatureEntry

SET = """
- {kind: tfidf, columns: [note], size: 500, minimum_count: 2, ngrams: [1, 2], stop_languages: [english, german]}
- {kind: hashed_text, columns: [note], buckets: 64, tokens: characters, ngrams: [3, 3], output: lists, name: shape}
- {kind: token_ids, columns: [note, title], length: 40, punctuation: keep, casefold: false}
- {kind: sequence, columns: [last_orders_gap_days, last_orders_spend], name: orders, length: 10, log1p: true}
"""


def entries(text):
    return TypeAdapter(tuple[FeatureEntry, ...]).validate_python(yaml.safe_load(text))


def test_a_yaml_list_gives_the_entries():
    tfidf, hashed, ids, sequence = entries(SET)
    assert (tfidf.ngrams, tfidf.stop_languages, tfidf.norm, tfidf.output) == (
        (1, 2),
        ("english", "german"),
        "l2",
        "columns",
    )
    assert (hashed.tokens, hashed.name) == ("characters", "shape")
    assert [ids.name_of(column) for column in ids.columns] == ["note_ids", "title_ids"]
    assert (sequence.truncate, sequence.pad, sequence.mask, sequence.null) == ("start", "end", True, None)


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        ("{kind: tfidf, columns: [note], ngrams: [2, 1]}", "'ngrams' from a least to a greatest"),
        ("{kind: tfidf, columns: [note], ngrams: [0, 1]}", "'ngrams' from a least to a greatest"),
        ("{kind: tfidf, columns: [note], stop_languages: [latin]}", "danish"),
        ("{kind: token_ids, columns: [note], length: 0}", "length"),
        ("{kind: token_ids, columns: [note], length: 3, name: My ids}", "a 'name' that a column may have"),
        ("{kind: token_ids, columns: [note, title], length: 3, name: ids}", "column"),
        ("{kind: sequence, columns: [a], length: 3}", "name"),
        ("{kind: hashed_text, columns: [note]}", "buckets"),
        ("{kind: token_ids, columns: [note], length: 3, ngrams: [1, 2]}", "ngrams"),
    ],
)
def test_what_an_entry_refuses(entry, match):
    with pytest.raises(ValidationError, match=match):
        entries(f"- {entry}")
