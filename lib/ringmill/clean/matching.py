"""Cancellation lines → the order lines whose pieces they take back, for one customer and product; plain Python.

Lines are taken up in the order in which they became known, so a link never rests on what was known later (law 2).
Instants are whole numbers, microseconds since 1970.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Line(NamedTuple):
    """An order or cancellation line. Fields up to `tie`, a number for the rest of the line, are the order among lines.

    `pieces` is above 0 on either; `superseded_at` is when the line's next version became known, or None.
    """

    happened_at: int
    known_at: int
    order_id: str
    price: float
    pieces: int
    tie: int
    is_cancellation: bool
    superseded_at: int | None = None


@dataclass
class Link:
    """Pieces of an order line (None: of none) that a cancellation line takes back, from `known_at` on."""

    cancellation: Line
    order: Line | None
    pieces: int
    known_at: int
    superseded_at: int | None = None


def match_cancellations(lines: Iterable[Line]) -> list[Link]:
    """Lines of one customer and product, in any order → links, then one for each cancellation's pieces left over.

    At each instant at which something became known, cancellation lines are taken by the time they happened, then by
    known time and id. Each takes pieces of orders that happened no later: first of the most recent line of the same
    price with just as many pieces left, else of the most recent line, and so on while pieces are left. An order that
    becomes known after its cancellation is linked then. When a line is superseded its links end, and what they held is
    free again at that instant, for the line's next version too. So the links that stand at an instant are those that
    matching only what was known by then gives, and no line gives back more than it sold.

    A link without an order says what is left over after all lines, on a cancellation line that still stands.
    """
    matching = _Matching(sorted(lines, key=lambda line: line[:6]))
    for instant in matching.instants():
        matching.step(instant)
    return matching.links + matching.left_over()


class _Matching:
    """Lines by rank, their place in the order of `Line`; open ones are those with pieces left."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        self.times = [line.happened_at for line in lines]
        self.left = [0] * len(lines)
        self.orders: list[int] = []
        self.alike: defaultdict[tuple[float, int], list[int]] = defaultdict(list)
        self.cancellations: list[int] = []
        self.links: list[Link] = []
        self.held: defaultdict[int, list[tuple[Link, int]]] = defaultdict(list)
        self.coming: defaultdict[int, list[int]] = defaultdict(list)
        self.going: defaultdict[int, list[int]] = defaultdict(list)
        for rank, line in enumerate(lines):
            if line.superseded_at is not None:
                if line.superseded_at <= line.known_at:
                    continue  # never the version that stood
                self.going[line.superseded_at].append(rank)
            self.coming[line.known_at].append(rank)

    def instants(self) -> list[int]:
        return sorted(self.coming.keys() | self.going.keys())

    def step(self, instant: int) -> None:
        freed = [rank for gone in self.going[instant] for rank in self._end(gone, instant)]
        for rank in self.coming[instant]:
            self._set_left(rank, self.lines[rank].pieces)
        changed = freed + self.coming[instant]
        orders = [rank for rank in changed if not self.lines[rank].is_cancellation]
        # Any other cancellation found no order when it was looked at last, and no new one is old enough for it.
        first = bisect_left(self.times, self.times[min(orders)]) if orders else len(self.lines)
        waiting = set(self.cancellations[bisect_left(self.cancellations, first) :]) | set(changed)
        for rank in sorted(waiting):
            if self.lines[rank].is_cancellation and self.left[rank]:
                self._match(rank, instant)

    def left_over(self) -> list[Link]:
        lines = ((self.lines[rank], self.left[rank]) for rank in self.cancellations)
        return [Link(line, None, pieces, line.known_at) for line, pieces in lines]

    def _match(self, cancellation: int, instant: int) -> None:
        line = self.lines[cancellation]
        end = bisect_right(self.times, line.happened_at)
        while pieces := self.left[cancellation]:
            alike = self.alike[line.price, pieces]
            place = bisect_left(alike, end)
            among = alike if place else self.orders
            place = place or bisect_left(among, end)
            if not place:
                return
            order = among[place - 1]
            taken = min(pieces, self.left[order])
            link = Link(line, self.lines[order], taken, instant)
            self.links.append(link)
            self.held[cancellation].append((link, order))
            self.held[order].append((link, cancellation))
            self._set_left(order, self.left[order] - taken)
            self._set_left(cancellation, pieces - taken)

    def _end(self, gone: int, instant: int) -> list[int]:
        """End a line and its links; returns the lines that have pieces again."""
        freed = []
        for link, other in self.held.pop(gone, []):
            if link.superseded_at is None:
                link.superseded_at = instant
                self._set_left(other, self.left[other] + link.pieces)
                freed.append(other)
        self._set_left(gone, 0)
        return [rank for rank in freed if self.left[rank]]

    def _set_left(self, rank: int, pieces: int) -> None:
        line, before = self.lines[rank], self.left[rank]
        self.left[rank] = pieces
        some = self.cancellations if line.is_cancellation else self.orders
        if before and not pieces:
            del some[bisect_left(some, rank)]
        elif pieces and not before:
            insort(some, rank)
        if not line.is_cancellation:
            if before:
                alike = self.alike[line.price, before]
                del alike[bisect_left(alike, rank)]
            if pieces:
                insort(self.alike[line.price, pieces], rank)
