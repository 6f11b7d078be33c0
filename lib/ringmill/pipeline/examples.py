"""What the stages of a pipeline of examples alone, which reads no orders, must know of the kind of its examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ringmill.config.images import Images
from ringmill.config.models import Config
from ringmill.config.text import TextAugmentation
from ringmill.config.texts import Texts
from ringmill.errors import ConfigError
from ringmill.train.vary_words import KnownIds

if TYPE_CHECKING:
    from ringmill.features.images.state import ImageState
    from ringmill.features.text.state import TextState
    from ringmill.handoff.columns import Input


@dataclass(frozen=True)
class Kind:
    """`stage` prepares the examples, which are called `one` and `many`; `tensor` is what the model sees of them.

    `state` reads the frozen state that the stage published, `x` says how its tensor stands in the table, and `known`
    what training must know of the state to vary texts.
    """

    stage: str
    one: str
    many: str
    tensor: str
    state: Callable[[Mapping[str, Any]], ImageState | TextState]
    x: Callable[[Any], Input]
    known: Callable[[Any, TextAugmentation], KnownIds]

    @property
    def state_file(self) -> str:
        """Of the state in a model's folder."""
        return f"{self.stage}.json"


def section_of(config: Config) -> Images | Texts:
    """The section with the examples. Raises ConfigError where the pipeline reads orders."""
    if config.examples is None:
        raise ConfigError.bad_value(f"pipeline {config.pipeline}", "images", "a section 'images' or 'texts'", None)
    return config.examples


def kind_of(config: Config) -> Kind:
    """Of which kind the examples are. Raises ConfigError, as `section_of`."""
    return KINDS[type(section_of(config))]


def known_ids(state: TextState, how: TextAugmentation) -> KnownIds:
    """What varies texts, by the ids of a vocabulary; a word that is not in it has no synonyms.

    Raises:
        ConfigError: a word with synonyms, or one of them, is not one token; or no mark is in the vocabulary.
    """
    if how.punctuation and not any(state.id_of(mark) > 1 for mark in how.marks):
        expected = "marks in the vocabulary: texts.tokens with punctuation: keep, and texts that hold them"
        raise ConfigError.bad_value("train", "train.text_augmentation.marks", expected, how.marks)
    synonyms = []
    for word, others in how.synonyms.items():
        own, *found = (state.id_of(each) for each in (word, *others))
        if not all((own, *found)):
            raise ConfigError.bad_value("train", "train.text_augmentation.synonyms", "one token each", (word, *others))
        if own > 1:
            synonyms.append((own, *found))
    return KnownIds(tuple(synonyms), tuple(number for mark in how.marks if (number := state.id_of(mark)) > 1))


def _image_state(tree: Mapping[str, Any]) -> ImageState:
    from ringmill.features.images.state import ImageState

    return ImageState.from_json(tree)


def _pixels(state: Any) -> Input:
    from ringmill.handoff.columns import Input

    return Input("pixels", state.decoding.shape, "uint8", mean=state.mean, scale=state.scale)


def _text_state(tree: Mapping[str, Any]) -> TextState:
    from ringmill.features.text.state import TextState

    return TextState.from_json(tree)


def _ids(state: Any) -> Input:
    from ringmill.handoff.columns import Input

    return Input("ids", (state.length,), "int32", ids=state.ids)


KINDS: dict[type, Kind] = {
    Images: Kind("images", "image", "images", "pixels", _image_state, _pixels, lambda state, how: KnownIds()),
    Texts: Kind("texts", "text", "texts", "ids", _text_state, _ids, known_ids),
}
