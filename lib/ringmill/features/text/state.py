"""The frozen state of a set of texts: how they are cleaned, which tokens have an id, which classes there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa

from ringmill.config.texts import Cleaning
from ringmill.features.apply import tensors
from ringmill.features.frozen import Frozen
from ringmill.features.state import State
from ringmill.features.text.parts import TokenIds
from ringmill.hashing import digest

Encoder = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]
FIRST = 2  # the id of the vocabulary's first token; 0 is padding, 1 a token that is not in it


@dataclass(frozen=True)
class TextState(Frozen):
    """Plain data, fitted on the train split only: what training and scoring need besides the texts.

    `tokens` is a features' state with one part, `TokenIds` of the column text. `classes` are the labels of the train
    split, sorted.
    """

    cleaning: Cleaning
    tokens: State
    classes: tuple[str, ...]

    @property
    def part(self) -> TokenIds:
        (part,) = self.tokens.parts
        return cast(TokenIds, part)

    @property
    def length(self) -> int:
        """Ids of a text."""
        return self.part.length

    @property
    def ids(self) -> int:
        """How many different ids there are: all are below it."""
        return FIRST + len(self.part.values)

    @property
    def vocabularies(self) -> dict[str, str]:
        return {"label": digest(self.classes), **self.tokens.vocabularies}

    def id_of(self, word: str) -> int:
        """Of a word that is one token; 1 where the vocabulary has no such token, 0 where it is not just one."""
        found = self.part.of(pa.array([word])).named()
        if len(found.which) != 1:
            return 0
        (token,) = found.distinct.take(pa.array(found.which)).to_pylist()
        return FIRST + self.part.values.index(token) if token in self.part.values else 1

    def to_json(self) -> dict[str, Any]:
        return {
            "cleaning": self.cleaning.model_dump(),
            "tokens": self.tokens.to_json(),
            "classes": list(self.classes),
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> TextState:
        return cls(Cleaning(**tree["cleaning"]), State.from_json(tree["tokens"]), tuple(tree["classes"]))


def encode(texts: pa.Array, state: TextState) -> pa.Array:
    """(rows) clean texts → (rows) lists of `state.length` int32: the only implementation (law 9)."""
    _, found = tensors(pa.record_batch({"text": texts}), state.tokens)
    return found[state.part.name]


def encoder(state: TextState) -> Encoder:
    """For `mapInArrow`: a column `ids` behind the others, null where the text is."""

    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            texts = batch.column("text")
            ids = encode(texts, state)
            offsets = ids.offsets.to_numpy()
            kept = pa.ListArray.from_arrays(pa.array(offsets), ids.values, mask=texts.is_null())
            yield pa.record_batch({name: batch.column(name) for name in batch.schema.names} | {"ids": kept})

    return each
