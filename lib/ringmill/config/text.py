"""Entries of a feature set that read texts, or lists with one item per order, oldest first."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from ringmill.config.entry import Entry
from ringmill.config.rules import Section

Language = Literal[
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "hungarian",
    "italian",
    "norwegian",
    "portuguese",
    "russian",
    "spanish",
    "swedish",
    "turkish",
]
# A tensor is a column of the table, and Delta takes no other characters.
TENSOR = "[a-z][a-z0-9_]*"


class Text(Entry):
    """What is a token, for all entries that read texts (features/text/tokens.py says it in full).

    The items of a column of lists are its tokens as they are, stop words taken out.
    """

    tokens: Literal["words", "characters"] = "words"
    casefold: bool = Field(True, description="whether 'Straße' and 'STRASSE' are one token")
    punctuation: Literal["drop", "keep"] = Field("drop", description="'keep': each mark is a token")
    stop_languages: tuple[Language, ...] = Field((), description="whose most common words are no tokens")
    stop_words: tuple[str, ...] = Field((), description="further words that are no tokens")


class Grams(Text):
    """Texts as weights of their terms: tokens, or n-grams of neighbouring tokens.

    `output: columns` makes a column of x per term; `lists` the columns '{name} indices' and '{name} values', for
    entries that read sparse rows, such as truncated_svd.
    """

    ngrams: tuple[int, int] = Field((1, 1), description="the least and the greatest number of tokens in a term")
    norm: Literal["l2", "none"] = Field("l2", description="'l2': a row's squares add up to 1, or it is all 0")
    output: Literal["columns", "lists"] = "columns"

    @model_validator(mode="after")
    def _in_order(self) -> Grams:
        if not 1 <= self.ngrams[0] <= self.ngrams[1] <= 10:
            raise ValueError("'ngrams' from a least to a greatest number of tokens, both between 1 and 10")
        return self


class Tfidf(Grams):
    """A term's count in the row, times its rarity among the rows: ln((1 + rows) / (1 + rows with it)) + 1.

    As scikit-learn's TfidfVectorizer, given the same tokens. The vocabulary holds the `size` terms that occur most
    often in the train split (of equally frequent ones the first by code points), each at least `minimum_count` times.
    Null is a text without tokens.
    """

    kind: Literal["tfidf"]
    size: int = Field(1_000, ge=1)
    minimum_count: int = Field(1, ge=1)
    idf: bool = Field(True, description="false: counts alone")


class HashedText(Grams):
    """How often a row has terms of each bucket, by a hash that is the same everywhere; nothing is fitted."""

    kind: Literal["hashed_text"]
    buckets: int = Field(ge=2, le=1_048_576)
    seed: int = Field(0, ge=0)


class Padded(Entry):
    """What makes a tensor of its own beside x: rows of `length`, longer ones cut, shorter ones filled with 0."""

    length: int = Field(ge=1, le=65_536)
    pad: Literal["end", "start"] = "end"

    @model_validator(mode="after")
    def _names_a_tensor(self) -> Padded:
        if not re.fullmatch(TENSOR, self.name_of("column")):
            raise ValueError(f"a 'name' that a column may have: {TENSOR}")
        return self


class TokenIds(Padded, Text):
    """A row's tokens as whole numbers, a tensor (rows, length) of int32: 0 is padding, 1 a token out of the vocabulary.

    The vocabulary is chosen as tfidf's is, its most frequent token being 2. Of a longer row `truncate` says which end
    is cut off.
    """

    kind: Literal["token_ids"]
    name: str = "{column}_ids"
    size: int = Field(10_000, ge=1)
    minimum_count: int = Field(1, ge=1)
    truncate: Literal["end", "start"] = "end"


class Sequence(Padded):
    """Columns of lists of numbers, one item per order, as a tensor (rows, length, columns) of float32.

    `mask` adds the tensor {name}_mask (rows, length) of int8: 1 where there is an order, 0 where there is padding.
    With `log1p` the logarithm of 1 + x stands for x, negative numbers counting as 0; `zscore` then subtracts the mean
    of the train split's items and divides by their deviation. Of a longer row `truncate` says which end is cut off.
    """

    kind: Literal["sequence"]
    name: str = Field(min_length=1)
    log1p: bool = False
    scale: Literal["zscore", "none"] = "zscore"
    null: float | None = Field(None, description="what a null item comes out as, after scaling; default: an error")
    truncate: Literal["end", "start"] = "start"
    mask: bool = True

    @property
    def is_per_column(self) -> bool:
        return False


class TextAugmentation(Section):
    """What training does to the tokens of a text anew in every epoch; all off by default. Chances are per token.

    In this order: synonyms, unknown tokens, swaps, deletions, marks. `synonyms` by word: what may stand in its place;
    each is one token, as texts become tokens.
    """

    synonym: float = Field(0.0, ge=0, le=1, description="chance that a word with synonyms becomes one of them")
    unknown: float = Field(0.0, ge=0, le=1, description="chance of becoming a token out of the vocabulary")
    swap: float = Field(
        0.0, ge=0, le=1, description="chance that a token changes places with the next; none moves twice"
    )
    delete: float = Field(0.0, ge=0, le=1, description="chance that a token is left out; a text keeps one at least")
    punctuation: float = Field(
        0.0, ge=0, le=1, description="chance that a mark follows a token; needs tokens with punctuation: keep"
    )
    marks: str = Field(".,;:!?-", min_length=1, description="those in the vocabulary are used")
    synonyms: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def is_on(self) -> bool:
        return bool(self.synonym or self.unknown or self.swap or self.delete or self.punctuation)

    @model_validator(mode="after")
    def _has_synonyms(self) -> TextAugmentation:
        if self.synonym and not self.synonyms:
            raise ValueError("'synonyms', where 'synonym' is above 0")
        if empty := sorted(word for word, others in self.synonyms.items() if not others):
            raise ValueError(f"a synonym at least for '{empty[0]}'")
        return self
