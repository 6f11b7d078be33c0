"""Texts made alike: one function per step of a rule's `text`, Column → Column; no Python runs per row.

Null stays null, and a text of which nothing is left becomes null, as a cell of white space does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from ringmill.clean.parse import trimmed
from ringmill.config.rules import Rule

SPACE = r"[\s\p{Z}]+"
# Java methods that Spark's own JARs hold: SQL has no function for either.
_COMPOSE = ("com.ibm.icu.text.Normalizer", "compose")
_UNESCAPE = ("org.apache.commons.text.StringEscapeUtils", "unescapeHtml4")


def normalised(rule: Rule) -> Column:
    """The value of the rule's column after all steps of its `text`, in their order."""
    steps = _steps(rule.stop_words)
    whole = reduce(lambda text, step: steps[step](text), rule.text, F.col(str(rule.column)))
    return trimmed(whole)


def _steps(stop_words: tuple[str, ...]) -> Mapping[str, Callable[[Column], Column]]:
    return {
        "whitespace": lambda text: F.trim(F.regexp_replace(text, SPACE, " ")),
        "nfc": lambda text: _composed(text, compatible=False),
        "nfkc": lambda text: _composed(text, compatible=True),
        "html": lambda text: F.when(text.contains("&"), _called(_UNESCAPE, text)).otherwise(text),
        "lower": lambda text: F.lower(_as_it_is(text)),
        "upper": lambda text: F.upper(_as_it_is(text)),
        "punctuation": lambda text: F.trim(F.regexp_replace(F.regexp_replace(text, r"\p{P}+", " "), SPACE, " ")),
        "stop_words": lambda text: without_words(text, stop_words),
    }


def _as_it_is(text: Column) -> Column:
    # Spark's optimizer takes lower(upper(text)) for lower(text), which differs for 'ﬁ' and 'ß': it sees no such pair
    # through a concatenation of one.
    return F.concat(text)


def without_words(text: Column, words: tuple[str, ...]) -> Column:
    """The text without these words, whole ones in any case; what stays is joined by single spaces."""
    dropped = [word.lower() for word in words]
    return F.array_join(F.filter(F.split(text, SPACE), lambda word: ~F.lower(word).isin(dropped)), " ")


def _composed(text: Column, *, compatible: bool) -> Column:
    # ASCII is composed already: only other texts, which have more bytes than characters, are worth a call.
    call = _called(_COMPOSE, text, F.lit(compatible))
    return F.when(F.octet_length(text) > F.char_length(text), call).otherwise(text)


def _called(method: tuple[str, str], text: Column, *more: Column) -> Column:
    """What the method makes of the text; the text as it is where the method fails, as on '&#9999999;', which is no
    character."""
    # A call is evaluated for a null too, where a Java method would fail.
    call = F.try_reflect(*map(F.lit, method), F.coalesce(text, F.lit("")), *more)
    return F.when(text.isNotNull(), F.coalesce(call, text))
