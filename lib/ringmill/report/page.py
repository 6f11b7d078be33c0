"""Sections → one self-contained HTML page: no request leaves the browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from plotly.offline import get_plotlyjs


@dataclass(frozen=True)
class Card:
    """One headline figure."""

    value: str
    label: str


@dataclass(frozen=True)
class Grid:
    """A table; cells are text, columns named in `numbers` are set flush right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[str] = ()


@dataclass(frozen=True)
class Block:
    """A part of a section: a sentence, then a table or a figure or neither."""

    text: str = ""
    title: str = ""
    grid: Grid | None = None
    figure: str = ""


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block]
    anchor: str = field(default="")


def render(*, title: str, subtitle: str, cards: Sequence[Card], sections: Sequence[Section]) -> str:
    """The page as HTML text; all text is escaped, figures are inserted as they are."""
    folder = Path(__file__).parent
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((folder / "page.html").read_text(encoding="utf-8"))
    return template.render(
        title=title,
        subtitle=subtitle,
        cards=cards,
        sections=sections,
        style=(folder / "page.css").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
    )
