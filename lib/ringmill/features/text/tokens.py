"""Texts → tokens, whole batches at a time: Arrow's Unicode functions do the work, Python sees distinct tokens alone.

Texts are brought to NFKC; ’ and ʼ count as '. A token is

- a word: letters, marks and digits, with single apostrophes between them (don't, l'été, 2nd, naïve);
- one character of a script without spaces (Han, Hiragana, Katakana), with the marks that follow it;
- one emoji or other pictorial symbol (category So); joiners, variation selectors and skin tones are dropped;
- with punctuation kept, each other mark of the categories P and S.

As characters: each character of these with the marks that follow it, and ▁ for a run of white space between them.
White space, controls and marks that follow nothing are no tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ringmill.features.columns_of import Columns

# A control, hence in no token: it may stand between them.
BREAK = "\x1f"
SPACE = "▁"
APOSTROPHES = "[\u2019\u02bc]"
ALONE = r"[\p{Han}\p{Hiragana}\p{Katakana}][\p{M}\x{30fc}]*"
WORD = r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:'[\p{L}\p{N}][\p{L}\p{M}\p{N}]*)*"
SYMBOL = r"\p{So}"
# What no token of words holds where punctuation is dropped.
BESIDE = r"[^\p{L}\p{M}\p{N}\p{So}]+"
# What lies between words and symbols: all but an apostrophe that joins two words, and marks that follow a character.
BETWEEN = r"[^\p{L}\p{M}\p{N}\p{So}'][^\p{L}\p{N}\p{So}]*|'[^\p{L}\p{N}\p{So}]+|^[^\p{L}\p{N}\p{So}]+|'$"
MARK = r"[\p{P}\p{Sc}\p{Sk}\p{Sm}]"
# Skin tones are of category Sk.
TONE = r"[\x{1f3fb}-\x{1f3ff}]"
# What follows a symbol and is in no token.
DROPPED = r"[\x{200d}\x{fe0e}\x{fe0f}\x{1f3fb}-\x{1f3ff}]"
WHITE = r"[\p{Z}\x09-\x0d\x1c-\x1f\x{85}]+"


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of some rows: the distinct ones, and of each that occurs its row (ascending) and which it is."""

    rows: int
    distinct: pa.Array
    row: NDArray[np.int64]
    which: NDArray[np.int64]

    def where(self, kept: NDArray[np.bool_]) -> Tokens:
        return Tokens(self.rows, self.distinct, self.row[kept], self.which[kept])

    def named(self) -> Tokens:
        """Without the empty token."""
        empty = self.distinct.index("").as_py()
        return self if empty < 0 else self.where(self.which != empty)


@dataclass(frozen=True)
class Tokenising:
    """How a column becomes tokens; the fields that all parts of text share. `stop_words` are folded."""

    refuses_null: ClassVar[bool] = False
    column: str
    name: str
    tokens: str
    casefold: bool
    punctuation: str
    stop_words: tuple[str, ...]
    ngrams: tuple[int, int]

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.column,)

    def tokens_of(self, columns: Columns) -> Tokens:
        return self.of(columns.array(self.column))

    def of(self, texts: pa.Array) -> Tokens:
        """(rows) texts or lists of texts → their terms; null has none. See the module's head.

        A null or empty item of a list keeps its place as the empty token, so that places stay those of other lists.
        """
        first, last = self.ngrams
        if pa.types.is_list(texts.type):
            found = _encoded(texts)
            found = found if last == 1 else found.named()
        else:
            found = split(texts, tokens=self.tokens, punctuation=self.punctuation)
            found = _merged(found, folded(found.distinct)) if self.casefold else found
        if self.stop_words:
            stops = pc.is_in(folded(found.distinct), pa.array(self.stop_words, pa.string()))
            found = found.where(~stops.to_numpy(zero_copy_only=False)[found.which])
        joint = "" if self.tokens == "characters" else " "
        return found if last == 1 else _together([_grams(found, n, joint) for n in range(first, last + 1)])


def split(texts: pa.Array, *, tokens: str, punctuation: str) -> Tokens:
    """(rows) texts → their tokens, in NFKC but not folded.

    The search for tokens sees each distinct run without white space once, which makes it several times faster.
    """
    texts = pc.replace_substring_regex(pc.utf8_normalize(texts, form="NFKC"), APOSTROPHES, "'")
    if tokens == "characters":
        spaced = pc.utf8_trim(pc.replace_substring_regex(texts, WHITE, " "), " ")
        runs = _encoded(pc.split_pattern(pc.replace_substring(spaced, " ", f"{SPACE} "), " ")).named()
        marks = f"|{MARK}" if punctuation == "keep" else ""
        found = _matches(runs.distinct, rf"(?:[\p{{L}}\p{{N}}]|{SYMBOL}{marks})\p{{M}}*")
        return _spaced(_expanded(runs, found))
    runs = _encoded(pc.utf8_split_whitespace(texts)).named()
    if punctuation == "keep":
        alone = pc.replace_substring_regex(runs.distinct, f"({ALONE})", rf"{BREAK}\1{BREAK}")
        return _expanded(runs, _matches(alone, f"{WORD}|{SYMBOL}|{MARK}"))
    alone = pc.replace_substring_regex(runs.distinct, f"({ALONE}|{SYMBOL})", rf"{BREAK}\1{BREAK}")
    return _expanded(runs, _pieces(pc.replace_substring_regex(alone, BETWEEN, BREAK)))


def folded(texts: pa.Array) -> pa.Array:
    """Texts in NFKC, by Unicode's full case folding; done twice, it changes nothing more."""
    once = pa.array([text.casefold() for text in texts.to_pylist()], pa.string())
    twice = [text.casefold() for text in pc.utf8_normalize(once, form="NFKC").to_pylist()]
    return pc.utf8_normalize(pa.array(twice, pa.string()), form="NFKC")


def alike(texts: pa.Array) -> pa.Array:
    """(rows) texts → what they are compared by: equal where case, form, apostrophes, and the joiners, variation
    selectors and skin tones of symbols are all that differs, as no tokenising of folded texts tells them apart."""
    plain = pc.replace_substring_regex(pc.utf8_normalize(texts, form="NFKC"), APOSTROPHES, "'")
    return folded(pc.replace_substring_regex(plain, rf"({SYMBOL}){DROPPED}+", r"\1"))


def bare(keys: pa.Array) -> pa.Array:
    """(rows) of `alike` → what near repeats have in common: all but punctuation, signs and white space, or all of a
    text that has nothing else."""
    left = pc.replace_substring_regex(keys, BESIDE, "")
    return pc.if_else(pc.equal(left, ""), keys, left)


def plain_words(words: Sequence[str]) -> tuple[str, ...]:
    """Stop words as tokens are compared with them: each once, in the order of their code points."""
    texts = pc.utf8_normalize(pa.array(list(words), pa.string()), form="NFKC")
    return tuple(sorted(set(folded(pc.replace_substring_regex(texts, APOSTROPHES, "'")).to_pylist())))


def _matches(runs: pa.Array, pattern: str) -> Tokens:
    """(runs) texts → the pieces that match, and nothing of what lies between."""
    toneless = pc.replace_substring_regex(runs, TONE, BREAK)
    # Most runs are one word, which a match finds far sooner than a replacement.
    odd = pc.invert(pc.match_substring_regex(toneless, f"^(?:{pattern})$"))
    broken = pc.replace_substring_regex(toneless.filter(odd), f"(?s)({pattern})|.", rf"\1{BREAK}")
    return _pieces(pc.replace_with_mask(toneless, odd, broken))


def _pieces(runs: pa.Array) -> Tokens:
    """(runs) texts → what lies between their breaks."""
    return _encoded(pc.split_pattern(runs, BREAK)).named()


def _expanded(runs: Tokens, pieces: Tokens) -> Tokens:
    """Runs by row, and pieces by distinct run → pieces by row."""
    counts = np.bincount(pieces.row, minlength=len(runs.distinct))
    starts, lengths = np.cumsum(counts) - counts, counts[runs.which]
    ends = np.cumsum(lengths)
    inside = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
    which = pieces.which[np.repeat(starts[runs.which], lengths) + inside]
    return Tokens(runs.rows, pieces.distinct, np.repeat(runs.row, lengths), which)


def _spaced(tokens: Tokens) -> Tokens:
    """Without ▁ where a row begins or ends, and with one where several stand together."""
    space = tokens.which == tokens.distinct.index(SPACE).as_py()
    follows = np.r_[False, tokens.row[1:] == tokens.row[:-1]] if len(space) else space
    tokens = tokens.where(~(space & (~follows | np.r_[False, space[:-1]][: len(space)])))
    space = tokens.which == tokens.distinct.index(SPACE).as_py()
    followed = np.r_[tokens.row[1:] == tokens.row[:-1], False] if len(space) else space
    return tokens.where(~space | followed)


def _encoded(lists: pa.Array) -> Tokens:
    lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    row = np.repeat(np.arange(len(lists)), lengths)
    encoded = lists.flatten().fill_null("").dictionary_encode()
    which = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Tokens(len(lists), encoded.dictionary.cast(pa.string()), row, which)


def _merged(tokens: Tokens, names: pa.Array) -> Tokens:
    """Tokens under other names, of which some may be equal."""
    encoded = names.dictionary_encode()
    places = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Tokens(tokens.rows, encoded.dictionary, tokens.row, places[tokens.which])


def _grams(tokens: Tokens, n: int, joint: str) -> Tokens:
    """Runs of n tokens of one row, joined."""
    if n == 1:
        return tokens
    count = max(len(tokens.row) - n + 1, 0)
    first = np.flatnonzero(tokens.row[:count] == tokens.row[n - 1 : n - 1 + count])
    pieces = [tokens.distinct.take(pa.array(tokens.which[first + place])) for place in range(n)]
    encoded = pc.binary_join_element_wise(*pieces, joint).dictionary_encode()
    which = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Tokens(tokens.rows, encoded.dictionary, tokens.row[first], which)


def _together(found: Sequence[Tokens]) -> Tokens:
    """Terms of several lengths as one; within a row the shorter ones first."""
    starts = np.cumsum([0, *(len(each.distinct) for each in found)])
    row = np.concatenate([each.row for each in found])
    which = np.concatenate([each.which + start for each, start in zip(found, starts[:-1], strict=True)])
    order = np.argsort(row, kind="stable")
    names = pa.concat_arrays([each.distinct for each in found])
    return _merged(Tokens(found[0].rows, names, row[order], which[order]), names)
