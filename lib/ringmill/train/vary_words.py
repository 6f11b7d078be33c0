"""What augmentation must know of a vocabulary's ids; ranks are told it, and need no tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class KnownIds:
    """`synonyms`: a token's id, and behind it those of what may stand in its place; `marks`: those of marks."""

    synonyms: tuple[tuple[int, ...], ...] = ()
    marks: tuple[int, ...] = ()

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Self:
        return cls(tuple(tuple(each) for each in tree["synonyms"]), tuple(tree["marks"]))
