"""The train split's rows and a feature set → the frozen state: one job per family of entries and level.

An entry whose columns are outputs of entries before it is of a higher level: its statistics are taken from the rows as
the parts so far make them. All else is fitted from the rows as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import DataType, DoubleType, StructField, StructType

from ringmill.config.extraction import Lda, Pca, TruncatedSvd
from ringmill.config.features import (
    Bins,
    BoxCox,
    Calendar,
    Combination,
    Cross,
    FeatureEntry,
    Frequency,
    Hashed,
    Holidays,
    Missing,
    OneHot,
    Ordinal,
    Scaling,
    Target,
)
from ringmill.config.lifetime import LifetimeFeatures
from ringmill.config.selection import SelectionStep
from ringmill.config.text import TENSOR, HashedText, Tfidf, TokenIds
from ringmill.config.text import Sequence as SequenceEntry
from ringmill.errors import ConfigError
from ringmill.features.apply import Encoder, everything
from ringmill.features.extraction.fit import fit_dense, fit_sparse
from ringmill.features.fit_categories import fit_categories
from ringmill.features.fit_lifetime import fit_lifetime
from ringmill.features.fit_numbers import fit_numbers
from ringmill.features.fit_plain import fit_calendar, fit_combined, fit_holidays, fit_missing
from ringmill.features.fit_sequences import fit_sequences
from ringmill.features.fit_targets import FOLD, fit_targets
from ringmill.features.fit_text import fit_text
from ringmill.features.lists import SPARK, Listed, Listing
from ringmill.features.selection.choice import Choice
from ringmill.features.selection.fit import select
from ringmill.features.state import Part, State

# By Spark's name of a type its name in Arrow, in which the state keeps it.
ARROW = {
    "double": "double",
    "float": "float",
    "bigint": "int64",
    "int": "int32",
    "smallint": "int16",
    "tinyint": "int8",
    "boolean": "bool",
    "string": "string",
    "date": "date32[day]",
    "timestamp": "timestamp[us, tz=UTC]",
    "array<int>": "list<element: int32>",
    "array<bigint>": "list<element: int64>",
    "array<double>": "list<element: double>",
    "array<float>": "list<element: float>",
    "array<string>": "list<element: string>",
}


def fit(train: DataFrame, entries: Sequence[FeatureEntry], *, columns: Sequence[str], zone: str = "UTC") -> State:
    """Rows of the train split → the state of the feature set, which may read `columns` of them.

    `zone` is that of calendar entries that name none. Entries of kind target need the column `fold` (see `fit_targets`)
    and the column of their label besides.

    Raises:
        ConfigError: an entry names a column that is neither among them nor an output of an entry before it, or two
            outputs have one name.
    """
    entries = [entry if getattr(entry, "zone", zone) else entry.model_copy(update={"zone": zone}) for entry in entries]
    types = {name: ARROW.get(kind, kind) for name, kind in train.dtypes if name in set(columns)}
    fitted: dict[int, Sequence[Part]] = {}
    rows = train
    while waiting := [place for place in range(len(entries)) if place not in fitted]:
        level = [place for place in waiting if _known(types, fitted, place).issuperset(entries[place].columns)]
        if not level or level[0] != waiting[0]:
            known = _known(types, fitted, waiting[0])
            absent = next(name for name in entries[waiting[0]].columns if name not in known)
            raise ConfigError.unknown_input(f"features.set.{waiting[0]}.columns", absent, known)
        for place in level:
            lists = _lists(fitted)
            made = {listed.name: f"list<element: {listed.type}>" for listed in lists}
            _check(place, entries[place], made | types, train)
            _check_terms(place, entries[place], {listed.name: listed.terms for listed in lists})
        fitted |= dict(zip(level, _fit_level(rows, [entries[place] for place in level]), strict=True))
        _check_names(fitted, set(train.columns) - set(types))
        _check_lists(fitted, train.columns)
        if len(fitted) < len(entries):
            rows = train.mapInArrow(*_with_outputs(train, _state(types, entries, fitted)))
    return _state(types, entries, fitted)


Family = Callable[[DataFrame, Sequence[Any]], list[Sequence[Part]]]


def _fit_level(rows: DataFrame, entries: Sequence[FeatureEntry]) -> list[Sequence[Part]]:
    """Parts of each entry; every family looks at the rows once, whatever the number of its entries."""
    found: dict[int, Sequence[Part]] = {}
    for kinds, family in FAMILIES.items():
        own = [place for place, entry in enumerate(entries) if isinstance(entry, kinds)]
        if own:
            found |= dict(zip(own, family(rows, [entries[place] for place in own]), strict=True))
    return [found[place] for place in range(len(entries))]


FAMILIES: Mapping[tuple[type[Any], ...], Family] = {
    (Scaling, BoxCox, Bins): fit_numbers,
    (OneHot, Ordinal, Hashed, Frequency, Cross): fit_categories,
    (Target,): fit_targets,
    (Missing,): fit_missing,
    (Combination,): fit_combined,
    (LifetimeFeatures,): fit_lifetime,
    (Calendar,): fit_calendar,
    (Holidays,): fit_holidays,
    (Pca, Lda): fit_dense,
    (TruncatedSvd,): fit_sparse,
    (Tfidf, HashedText, TokenIds): fit_text,
    (SequenceEntry,): fit_sequences,
}

NUMBERS = ("double", "float", "int64", "int32", "int16", "int8", "bool")
CATEGORIES = (*NUMBERS, "string")
LISTS = ("list<element: int32>", "list<element: int64>", "list<element: double>", "list<element: float>")
TEXTS = ("string", "list<element: string>")
MOMENTS = ("date32[day]", "timestamp[us, tz=UTC]")
# By kind of entry the types that it takes; any other takes all.
TAKES: Mapping[tuple[type[Any], ...], tuple[str, tuple[str, ...]]] = {
    (Scaling, BoxCox, Bins, Combination, LifetimeFeatures): ("numbers or truth values", NUMBERS),
    (OneHot, Ordinal, Hashed, Frequency, Cross, Target): ("texts, whole numbers or truth values", CATEGORIES),
    (Pca, Lda): ("numbers or truth values", NUMBERS),
    (TruncatedSvd,): ("lists of whole numbers and of numbers", LISTS),
    (SequenceEntry,): ("lists of numbers", LISTS),
    (Tfidf, HashedText, TokenIds): ("texts or lists of texts", TEXTS),
    (Calendar, Holidays): ("instants or dates", MOMENTS),
}


def _check(place: int, entry: FeatureEntry, types: Mapping[str, str], train: DataFrame) -> None:
    """Raises ConfigError: the entry names a column of a type that it does not take, or a label that is not there."""
    key = f"features.set.{place}"
    for kinds, (expected, taken) in TAKES.items():
        if not isinstance(entry, kinds):
            continue
        for name in entry.columns:
            if types.get(name, "double") not in taken:
                raise ConfigError.bad_value(key, f"{key}.columns", expected, f"{name}, a {types.get(name, 'number')}")
    if isinstance(entry, Target) and entry.label not in train.columns:
        labels = [name for name in train.columns if name.startswith("label")]
        raise ConfigError.unknown_input(f"{key}.label", entry.label, labels)


def _check_terms(place: int, entry: FeatureEntry, terms: Mapping[str, int]) -> None:
    """Raises ConfigError: the entry reads sparse rows of an earlier one, which have more terms than it names."""
    if isinstance(entry, TruncatedSvd) and (found := terms.get(entry.columns[0], 0)) > entry.terms:
        key = f"features.set.{place}"
        raise ConfigError.bad_value(key, f"{key}.terms", f"at least the {found:,} terms of its rows", entry.terms)


def _known(types: Mapping[str, str], fitted: Mapping[int, Sequence[Part]], place: int) -> set[str]:
    """What an entry may read: the columns, and the outputs of entries before it."""
    before = [part for earlier in fitted if earlier < place for part in fitted[earlier]]
    names = {name for part in before for name in part.names}
    return set(types) | names | {listed.name for listed in _lists({0: before})}


def _lists(fitted: Mapping[int, Sequence[Part]]) -> list[Listed]:
    """The columns of lists that the parts make."""
    parts = (part for place in sorted(fitted) for part in fitted[place])
    return [listed for part in parts if isinstance(part, Listing) for listed in part.lists]


def _check_names(fitted: Mapping[int, Sequence[Part]], taken: set[str]) -> None:
    """Raises ConfigError: two outputs have one name, or one has that of a column that no entry may read."""
    names = [name for parts in fitted.values() for part in parts for name in part.names]
    if twice := sorted({name for name in names if names.count(name) > 1 or name in taken}):
        expected = "a name of its own for each output, unlike labels and keys"
        raise ConfigError.bad_value("features.set", "features.set", expected, ", ".join(twice))


def _check_lists(fitted: Mapping[int, Sequence[Part]], taken: Sequence[str]) -> None:
    """Raises ConfigError: a column of lists has the name of another, or is a tensor whose name no column may have."""
    lists = _lists(fitted)
    names = ["x", *taken, *(listed.name for listed in lists)]
    for listed in lists:
        if names.count(listed.name) > 1 or (listed.shape and not re.fullmatch(TENSOR, listed.name)):
            expected = f"a name of its own for each column of lists, and for a tensor one of {TENSOR}"
            raise ConfigError.bad_value("features.set", "features.set", expected, listed.name)


def _state(types: Mapping[str, str], entries: Sequence[FeatureEntry], fitted: Mapping[int, Sequence[Part]]) -> State:
    parts = [part for place in sorted(fitted) for part in fitted[place]]
    read = {name for part in parts for name in part.reads if name in types}
    kept = [name for place in sorted(fitted) if entries[place].keep for part in fitted[place] for name in part.names]
    own = {place: fitted[place] for place in fitted if entries[place].keep}
    tensors = tuple(listed.name for listed in _lists(own) if listed.shape)
    return State(tuple(sorted((name, types[name]) for name in read)), tuple(parts), tuple(kept), tensors)


def _with_outputs(train: DataFrame, state: State) -> tuple[Encoder, StructType]:
    """For `mapInArrow`: the rows with the parts' outputs behind their columns, where no column has the name already."""
    names = [name for name in state.outputs if name not in train.columns]
    return _joined(train, state, train.columns, names, [*state.lists])


def _joined(
    train: DataFrame, state: State, kept: Sequence[str], names: Sequence[str], lists: Sequence[Listed] = ()
) -> tuple[Encoder, StructType]:
    """For `mapInArrow`: the columns `kept` of the rows, then the outputs `names` and the columns of `lists`."""
    places = {name: place for place, name in enumerate(state.outputs)}
    fold = FOLD if FOLD in train.columns else None

    def encode(batches: Any) -> Any:
        for batch in batches:
            matrix, made = everything(batch, state, fold=fold, lists=[listed.name for listed in lists])
            columns = {name: batch.column(name) for name in kept}
            columns |= {name: pa.array(np.ascontiguousarray(matrix[:, places[name]])) for name in names}
            columns |= {listed.name: made[listed.name] for listed in lists}
            yield pa.RecordBatch.from_pydict(columns)

    numbers = (StructField(name, DoubleType()) for name in names)
    return encode, StructType([*(train.schema[name] for name in kept), *numbers, *map(field_of, lists)])


def field_of(listed: Listed) -> StructField:
    """A column of lists in Spark's schema."""
    kind = DataType.fromDDL(f"array<{SPARK[listed.type]}>")
    return StructField(listed.name, kind, nullable=False)


def choose(
    train: DataFrame, state: State, steps: Sequence[SelectionStep], *, seed: int, where: str
) -> tuple[State, list[Choice]]:
    """Rows of the train split and the state fitted on them → the state that keeps what all steps keep, and why."""
    choices = select(train.mapInArrow(*_with_x(train, state)), state.kept, steps, seed=seed, where=where)
    return replace(state, kept=reduce(lambda names, choice: choice.apply(names), choices, state.kept)), choices


def _with_x(train: DataFrame, state: State) -> tuple[Encoder, StructType]:
    """For `mapInArrow`: the rows with the columns of x in place of columns of their names."""
    return _joined(train, state, [name for name in train.columns if name not in state.kept], state.kept)
