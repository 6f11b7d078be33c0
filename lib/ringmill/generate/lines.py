"""Orders → order lines as arrays: what was bought, how many, when, and when the shop's system knew of it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np

from ringmill.generate.catalogue import catalogue, countries
from ringmill.generate.customers import Customers, Ints, Orders, draw_customers, draw_orders, line_counts

DAY = 86_400
OPENS, OPEN_FOR = 8 * 3_600, 11 * 3_600
FIRST_CUSTOMER = 10_001
FIRST_ORDER = 500_001


@dataclass(frozen=True)
class Lines:
    """Arrays of one value per line. Times are seconds of local clock time since 1970."""

    line: Ints
    order: Ints
    customer: Ints
    country: Ints
    product: Ints
    quantity: Ints
    ordered: Ints
    known: Ints

    def take(self, index: Ints) -> Lines:
        return Lines(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def with_values(self, **values: Ints) -> Lines:
        return replace(self, **values)


@dataclass(frozen=True)
class Block:
    """A stretch of the shop's customers and of its lines, made alone and always the same."""

    number: int
    first_customer: int
    customers: int
    first_line: int
    lines: int


def blocks_of(customers: int, lines: int, *, lines_per_block: int) -> list[Block]:
    """Customers and lines cut into blocks of nearly equal size; together exactly all of both."""
    count = max(1, min(customers, lines, -(-lines // lines_per_block)))
    cuts = [(number * customers // count, number * lines // count) for number in range(count + 1)]
    return [
        Block(number, start[0], end[0] - start[0], start[1], end[1] - start[1])
        for number, (start, end) in enumerate(pairwise(cuts))
    ]


def draw_lines(rng: np.random.Generator, block: Block, *, days: int, scale: float, start: int) -> Lines:
    """The block's lines, exactly as many as it asks for, by customer and time. `start` is the first day since 1970."""
    customers = draw_customers(rng, block.customers, days, countries()[1])
    orders = draw_orders(rng, customers, scale, at_most=block.lines)
    order = np.repeat(np.arange(len(orders.customer)), line_counts(rng, len(orders.customer), block.lines))
    customer = orders.customer[order]
    ordered = _clock_times(rng, orders, days, start)
    known = ordered + rng.integers(60, 2 * 3_600, len(ordered))
    return Lines(
        line=block.first_line + np.arange(block.lines),
        # An order has a line at least, so the block's first line number leaves room for its order numbers.
        order=FIRST_ORDER + block.first_line + order,
        customer=FIRST_CUSTOMER + block.first_customer + customer,
        country=customers.country[customer],
        product=rng.choice(len(catalogue().shares), block.lines, p=catalogue().shares).astype(np.int64),
        quantity=_quantities(rng, customers, customer),
        ordered=ordered[order],
        known=known[order],
    )


def _clock_times(rng: np.random.Generator, orders: Orders, days: int, start: int) -> Ints:
    """The order's day, at a time between opening and closing: no time that a clock change skips or repeats."""
    day = np.minimum(orders.moment.astype(np.int64), days - 1)
    return (start + day) * DAY + OPENS + (rng.beta(2.0, 2.0, len(day)) * OPEN_FOR).astype(np.int64)


def _quantities(rng: np.random.Generator, customers: Customers, customer: Ints) -> Ints:
    """Lognormal around the customer's own level: a wholesaler's honest order may be as big as another's mistake."""
    drawn = np.exp(customers.quantity_level[customer] + rng.normal(0.0, 0.7, len(customer)))
    return np.maximum(1, np.round(drawn)).astype(np.int64)
