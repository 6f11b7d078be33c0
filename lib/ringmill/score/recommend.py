"""Customers with what they have bought → their lists of products; and how good lists would have been, in Spark's
workers, by Arrow batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ringmill.features.products import FIRST, ProductState
from ringmill.ranking import NONE, Floats, Ints, best, ndcg, recall
from ringmill.score.towers import BLOCK, Towers

ALL, NEW = "all", "new"
MODEL, POPULAR, OWN = "two-tower", "popularity", "own products"
JUDGED_BY = ((MODEL, ALL), (POPULAR, ALL), (OWN, ALL), (MODEL, NEW), (POPULAR, NEW))
LISTED = "customer_id string, list string, place int, product_id string, score double"
JUDGED = "customer_id string, by string, list string, recall double, ndcg double, products array<int>"

Map = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class Customer:
    """One customer: the places of the products bought, the favourites first, and the model's chances of all."""

    name: str
    past: Ints
    favourites: Ints
    log_chances: Floats
    bought: Ints


def recommender(towers: Towers, state: ProductState, top: int) -> Map:
    """Batches with customer_id and past → `LISTED`: both lists of each customer, at most `top` products each."""
    names = np.array(state.products, object)

    def listed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for customers in _blocks(batches, towers, state):
            rows = []
            for each in customers:
                for kind, without in ((ALL, None), (NEW, each.past)):
                    found = best(each.log_chances, top, without=without)
                    found = found[found != NONE]
                    places = range(1, len(found) + 1)
                    chances = each.log_chances[found].tolist()
                    rows += [(each.name, kind, *row) for row in zip(places, names[found], chances, strict=True)]
            yield _batch(rows, ("customer_id", "list", "place", "product_id", "score"), {"place": pa.int32()})

    return listed


def judge_lists(towers: Towers, state: ProductState, top: int) -> Map:
    """Batches with customer_id, past, favourites and bought → `JUDGED`: of each recommender and list what `ranking`
    says of it. Lists of new products are judged by new products alone, of customers who bought one."""
    popular = np.array(state.customers, np.float64)

    def judged(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for customers in _blocks(batches, towers, state):
            rows = [row for each in customers for row in _judged(each, popular, top)]
            names = ("customer_id", "by", "list", "recall", "ndcg", "products")
            yield _batch(rows, names, {"products": pa.list_(pa.int32())})

    return judged


def _judged(customer: Customer, popular: Floats, top: int) -> Iterator[tuple[Any, ...]]:
    new = np.setdiff1d(customer.bought, customer.past)
    for name, scores in ((MODEL, customer.log_chances), (POPULAR, popular)):
        yield (customer.name, name, ALL, *_figures(best(scores, top), customer.bought))
        if len(new):
            yield (customer.name, name, NEW, *_figures(best(scores, top, without=customer.past), new))
    yield (customer.name, OWN, ALL, *_figures(own_first(customer.favourites, popular, top), customer.bought))


def own_first(favourites: Ints, popular: Floats, top: int) -> Ints:
    """A customer's own products in their order, then the most popular others."""
    return np.concatenate([favourites, best(popular, top, without=favourites)])[:top]


def _figures(ranked: Ints, bought: Ints) -> tuple[float, float, list[int]]:
    return recall(ranked, bought), ndcg(ranked, bought), ranked[ranked != NONE].tolist()


def _blocks(batches: Iterable[pa.RecordBatch], towers: Towers, state: ProductState) -> Iterator[list[Customer]]:
    for batch in batches:
        for start in range(0, batch.num_rows, BLOCK):
            yield _customers(batch.slice(start, BLOCK), towers, state)


def _customers(batch: pa.RecordBatch, towers: Towers, state: ProductState) -> list[Customer]:
    places = {
        name: [_places(each) for each in batch.column(name).to_pylist()]
        for name in ("past", "favourites", "bought")
        if name in batch.schema.names
    }
    none = [_places([])] * batch.num_rows
    chances = towers.log_chances(last_ids(places["past"], state.history))
    columns = (places["past"], places.get("favourites", none), chances, places.get("bought", none))
    return [Customer(*row) for row in zip(batch.column("customer_id").to_pylist(), *columns, strict=True)]


def last_ids(past: list[Ints], history: int) -> NDArray[np.int64]:
    """Places of products, the latest first → (rows, history) ids as the model sees them, zeros at the end."""
    ids = np.zeros((len(past), history), np.int64)
    for row, places in enumerate(past):
        ids[row, : min(len(places), history)] = places[:history] + FIRST
    return ids


def _places(ids: list[int]) -> Ints:
    return np.array(ids, np.int64) - FIRST


def _batch(rows: list[tuple[Any, ...]], names: tuple[str, ...], types: dict[str, pa.DataType]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    text = {"customer_id", "list", "by", "product_id"}
    kinds = [types.get(name, pa.string() if name in text else pa.float64()) for name in names]
    return pa.RecordBatch.from_arrays(
        [pa.array(list(column), kind) for column, kind in zip(columns, kinds, strict=True)], names=list(names)
    )
