"""The frozen state of a feature set: plain data with a hash, fitted on the train split only (law 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Protocol, cast

from ringmill.errors import InputError
from ringmill.features.calendar import Calendar, Holidays
from ringmill.features.categories import Frequency, Hashed, OneHot, Ordinal, Target
from ringmill.features.columns_of import Columns, Matrix
from ringmill.features.combine import Combined
from ringmill.features.extraction.autoencoder import AutoencoderPart
from ringmill.features.extraction.parts import LdaPart, PcaPart, TruncatedSvdPart
from ringmill.features.frozen import Frozen
from ringmill.features.lifetime import LifetimeValue
from ringmill.features.lists import Listed, Listing
from ringmill.features.scaling import Bins, BoxCox, Missing, Scaled
from ringmill.features.sequences import Sequence
from ringmill.features.text.parts import HashedText, Tfidf, TokenIds
from ringmill.hashing import digest


class Part(Protocol):
    """One fitted step: a frozen dataclass of plain data, found in JSON by its kind.

    One that makes columns of lists is a `Listing` besides.
    """

    kind: ClassVar[str]

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it takes: of the batch, or outputs of parts before it."""

    @property
    def refuses_null(self) -> bool:
        """Whether a null among what it reads is an error."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its output columns."""

    def apply(self, columns: Columns) -> Matrix:
        """(rows) → (rows, len(names)) float64, finite."""


PARTS = (
    PcaPart,
    LdaPart,
    TruncatedSvdPart,
    AutoencoderPart,
    Scaled,
    BoxCox,
    Bins,
    Missing,
    OneHot,
    Ordinal,
    Hashed,
    Frequency,
    Target,
    Calendar,
    Holidays,
    Combined,
    LifetimeValue,
    Tfidf,
    HashedText,
    TokenIds,
    Sequence,
)
KINDS: Mapping[str, type[Any]] = {part.kind: part for part in PARTS}


@dataclass(frozen=True)
class State(Frozen):
    """Everything that `apply` needs.

    `inputs` are the columns of the batch that the parts read, each with the Arrow type it was fitted on. A part may
    read the outputs of parts before it. `kept` are the names of the model's x, in its order; `tensors` those of the
    columns of lists that are written beside x.
    """

    inputs: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]
    kept: tuple[str, ...]
    tensors: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of x."""
        return self.kept

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of all outputs of all parts, kept or not."""
        return tuple(name for part in self.parts for name in part.names)

    @property
    def lists(self) -> tuple[Listed, ...]:
        """All columns of lists that parts make, tensors or not."""
        return tuple(listed for part in self.parts if isinstance(part, Listing) for listed in part.lists)

    @property
    def beside(self) -> tuple[Listed, ...]:
        """The tensors beside x, in the parts' order."""
        return tuple(listed for listed in self.lists if listed.name in self.tensors)

    @property
    def vocabularies(self) -> dict[str, str]:
        """SHA-256 of the texts that each part with a vocabulary knows, by the part's name and kind."""
        known = {f"{getattr(part, 'name', part.kind)} ({part.kind})": _texts(part) for part in self.parts}
        return {name: digest(texts) for name, texts in known.items() if texts is not None}

    def to_json(self) -> dict[str, Any]:
        parts = [{"kind": part.kind, **asdict(cast(Any, part))} for part in self.parts]
        return {"inputs": dict(self.inputs), "parts": parts, "kept": list(self.kept), "tensors": list(self.tensors)}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> State:
        """What `to_json` gave. Raises InputError where it is of another release: other keys, or an unknown kind."""
        kinds, keys = {str(part["kind"]) for part in tree.get("parts", ())}, {field.name for field in fields(cls)}
        strange = sorted((tree.keys() - keys) | (kinds - KINDS.keys()))
        if strange := [*strange, *(f"no {name}" for name in sorted(keys - tree.keys()))]:
            known = f"inputs, parts, kept and tensors, of the kinds {', '.join(KINDS)}"
            raise InputError.differs("the features' frozen state", "x", known, ", ".join(strange))
        return cls(
            inputs=tuple(sorted(tree["inputs"].items())),
            parts=tuple(_part(part) for part in tree["parts"]),
            kept=tuple(tree["kept"]),
            tensors=tuple(tree["tensors"]),
        )


def _texts(part: Part) -> tuple[str, ...] | None:
    """Its vocabulary; None where it has none."""
    values = getattr(part, "values", None)
    return values if isinstance(values, tuple) and all(isinstance(value, str) for value in values) else None


def _part(tree: Mapping[str, Any]) -> Part:
    kind: Any = KINDS[tree["kind"]]
    given = {name: _frozen(value) for name, value in tree.items() if name != "kind"}
    try:
        return cast(Part, kind(**given))
    except TypeError as error:
        where, received = "the features' frozen state", ", ".join(given) or "nothing"
        known = ", ".join(sorted(field.name for field in fields(kind)))
        expected = f"for a part of the kind {tree['kind']}: {known}"
        raise InputError.differs(where, "x", expected, received) from error


def _frozen(value: Any) -> Any:
    """JSON has lists where the parts have tuples."""
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
