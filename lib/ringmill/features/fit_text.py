"""The train split's texts → parts with their vocabularies: one grouped count for all entries.

Texts become tokens where they lie, by the code that encodes them later; the driver receives the vocabularies, and
never more terms than they hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from ringmill.config.text import HashedText, Tfidf, TokenIds
from ringmill.features.fit_boxcox import column_of
from ringmill.features.fit_numbers import rounded
from ringmill.features.state import Part
from ringmill.features.text.parts import HashedText as HashedTextPart
from ringmill.features.text.parts import Tfidf as TfidfPart
from ringmill.features.text.parts import TokenIds as TokenIdsPart
from ringmill.features.text.tokens import Tokenising, plain_words

TextEntry = Tfidf | HashedText | TokenIds
Counted = list[tuple[str, int]]
# of: which vocabulary; term: null counts the rows of all; count: how often it occurs; rows: in how many of them.
SCHEMA = "of int, term string, count bigint, rows bigint"


def fit_text(train: DataFrame, entries: Sequence[TextEntry]) -> list[Sequence[Part]]:
    """One action, none where nothing but hashes is asked for. Null counts as a row without tokens."""
    ways = {
        (place, column): _tokenising(train, entry, column)
        for place, entry in enumerate(entries)
        for column in entry.columns
    }
    fitted = {key: (way, entry) for key, way in ways.items() if not isinstance(entry := entries[key[0]], HashedText)}
    rows, vocabularies = _count(train, fitted)
    parts: list[list[Part]] = [[] for _ in entries]
    for (place, column), way in ways.items():
        parts[place].append(_part(entries[place], way, rows, vocabularies.get((place, column), [])))
    return list(parts)


def _tokenising(train: DataFrame, entry: TextEntry, column: str) -> Tokenising:
    return Tokenising(
        column=column,
        name=entry.name_of(column),
        tokens=entry.tokens,
        casefold=entry.casefold,
        punctuation=entry.punctuation,
        stop_words=_stop_words(train, entry),
        ngrams=(1, 1) if isinstance(entry, TokenIds) else entry.ngrams,
    )


def _stop_words(train: DataFrame, entry: TextEntry) -> tuple[str, ...]:
    """The languages' lists are Spark ML's; they become part of the state, so that applying asks no JVM."""
    found = list(entry.stop_words)
    if entry.stop_languages:
        from pyspark.ml.feature import StopWordsRemover

        for language in entry.stop_languages:
            found += StopWordsRemover.loadDefaultStopWords(language)
    return plain_words(found)


def _part(entry: TextEntry, way: Tokenising, rows: int, vocabulary: Counted) -> Part:
    shared = asdict(way)
    values = tuple(term for term, _ in vocabulary)
    if isinstance(entry, HashedText):
        return HashedTextPart(**shared, norm=entry.norm, output=entry.output, buckets=entry.buckets, seed=entry.seed)
    if isinstance(entry, TokenIds):
        return TokenIdsPart(**shared, values=values, length=entry.length, truncate=entry.truncate, pad=entry.pad)
    idf = tuple(rounded(math.log((1 + rows) / (1 + having)) + 1) for _, having in vocabulary) if entry.idf else ()
    return TfidfPart(**shared, norm=entry.norm, output=entry.output, values=values, idf=idf)


Key = tuple[int, str]


def _count(
    train: DataFrame, fitted: Mapping[Key, tuple[Tokenising, Tfidf | TokenIds]]
) -> tuple[int, dict[Key, Counted]]:
    """The rows, and of each vocabulary its terms, the most frequent first, with the rows that have them."""
    found: dict[Key, Counted] = {key: [] for key in fitted}
    if not fitted:
        return 0, found
    keys, ways, entries = list(fitted), [way for way, _ in fitted.values()], [entry for _, entry in fitted.values()]
    columns = dict.fromkeys(way.column for way in ways)
    partial = train.select(*map(column_of, columns)).mapInArrow(_counting(ways), SCHEMA)
    counts = partial.groupBy("of", "term").agg(F.sum("count").alias("count"), F.sum("rows").alias("rows"))
    least = F.element_at(F.array(*(F.lit(entry.minimum_count) for entry in entries)), F.col("of") + 1)
    size = F.element_at(F.array(*(F.lit(entry.size) for entry in entries)), F.col("of") + 1)
    # The row of null comes first, one place before the terms. A literal bound lets tasks drop terms before the shuffle.
    in_order = Window.partitionBy("of").orderBy(F.col("term").isNotNull(), F.desc("count"), "term")
    ranked = counts.where(F.col("term").isNull() | (F.col("count") >= least)).withColumn(
        "rank", F.row_number().over(in_order)
    )
    most = 1 + max(entry.size for entry in entries)
    total = 0
    for row in ranked.where(F.col("rank") <= most).where(F.col("rank") <= size + 1).orderBy("of", "rank").collect():
        if row["term"] is None:
            total = row["rows"]
        else:
            found[keys[row["of"]]].append((row["term"], row["rows"]))
    return total, found


def _counting(ways: Sequence[Tokenising]) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def counted(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for of, way in enumerate(ways):
                yield _counts(of, way, batch.column(way.column))

    return counted


def _counts(of: int, way: Tokenising, texts: pa.Array) -> pa.RecordBatch:
    """(rows) texts → a record per distinct term, and one for the rows."""
    tokens = way.of(texts).named()
    terms = len(tokens.distinct)
    counts = np.bincount(tokens.which, minlength=terms)
    pairs = np.unique(tokens.row * max(terms, 1) + tokens.which)
    rows = np.bincount(pairs % max(terms, 1), minlength=terms)
    present = counts > 0
    records = {
        "of": pa.array(np.full(1 + present.sum(), of, np.int32)),
        "term": pa.concat_arrays([pa.nulls(1, pa.string()), tokens.distinct.filter(pa.array(present))]),
        "count": pa.array(np.r_[len(texts), counts[present]], pa.int64()),
        "rows": pa.array(np.r_[len(texts), rows[present]], pa.int64()),
    }
    return pa.record_batch(records)
