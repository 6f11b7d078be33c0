"""The test split's figures → how far they may be off by the rows that happened to be in it: 95 % bootstrap intervals.

The process that started the ranks resamples the written predictions; ranks take no part. Rows are drawn with
replacement, or, where a column says what belongs together, all rows of a drawn group at once: a customer's rows of
several cutoffs are no independent rows. Each figure is made as the metric itself is, with a row's weight times how
often it was drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ringmill.errors import InputError
from ringmill.handoff.columns import ROW_ID
from ringmill.handoff.manifest import Manifest
from ringmill.handoff.plan import RowRange
from ringmill.handoff.read import batches
from ringmill.resampling import LEVEL, RESAMPLES, resamples, within
from ringmill.train.metrics import Confusion, Values, area
from ringmill.train.one_vs_rest import Areas, areas, chances_of, with_areas
from ringmill.train.spec import Job
from ringmill.train.tasks.class_metrics import RATES, accuracy, mean_of, or_none, rates
from ringmill.train.tasks.classes import ClassesTask
from ringmill.train.tasks.purchase import PurchaseTask
from ringmill.train.tasks.purchase_metrics import BUY
from ringmill.train.tasks.several import SeveralTask
from ringmill.train.tasks.several_heads import ClassHead

# So many rows take some ten seconds; more of them have intervals too narrow to matter.
MOST_ROWS = 200_000
# As many probabilities, rows × classes, are ranked anew by each resample's weights in some twenty seconds.
MOST_CHANCES = 2_000_000
RATES_AT_HALF = ("accuracy", *RATES, *(f"{rate}_of_negatives" for rate in RATES), "f1_macro")
# Weights of the rows → figures by name, None where they are not defined.
Figures = Callable[[Values], Mapping[str, float | None]]


def intervals(job: Job, predictions: Path) -> dict[str, Any]:
    """What the manifest says: `figures` by name with `value`, `low`, `high` and in how many resamples it was `defined`;
    how many `units` were resampled, rows or groups of a column, `resamples` times, at which `level`.

    {} for a task without such figures, and where there are no test rows. Above `MOST_ROWS` rows `not_computed` says so,
    and above `MOST_CHANCES` probabilities of a head's classes `auc_not_computed`, by head; '' is the only one.

    Raises:
        InputError: a row belongs to no group.
    """
    # However many ranks wrote them: the same resamples of the same rows.
    table = pq.read_table(predictions).sort_by(ROW_ID)
    figures = _figures(job, table)
    if figures is None or not table.num_rows:
        return {}
    if table.num_rows > MOST_ROWS:
        return {"not_computed": f"{table.num_rows:,} test rows are more than {MOST_ROWS:,}"}
    weight, unit = table["weight"].to_numpy(), _units(job, table)
    found = {
        "figures": resampled(figures, weight, unit, seed=job.spec.seed),
        "unit": job.spec.group or "rows",
        "units": int(unit.max()) + 1,
        "resamples": RESAMPLES,
        "level": LEVEL,
    }
    many = {
        name: f"{len(classes) * table.num_rows:,} probabilities are more than {MOST_CHANCES:,}"
        for name, classes in _heads(job).items()
        if len(classes) * table.num_rows > MOST_CHANCES
    }
    return found | ({"auc_not_computed": many} if many else {})


def ranked(job: Job, metrics: Mapping[str, Any], predictions: Path) -> dict[str, Any]:
    """The test split's metrics → with AUC of the classes of each head that tells classes, see `with_areas`: it ranks
    every row against every other, and the written predictions are all rows."""
    heads = _heads(job)
    if not heads:
        return dict(metrics)
    table = pq.read_table(predictions)
    weight = table["weight"].to_numpy()
    if "" in heads:
        return with_areas(metrics, heads[""], table["label"], table["probabilities"], weight)
    of_heads = {
        name: with_areas(
            metrics["heads"][name], classes, table[f"{name}_label"], table[f"{name}_probabilities"], weight
        )
        for name, classes in heads.items()
    }
    return {**metrics, "heads": metrics["heads"] | of_heads}


def _heads(job: Job) -> dict[str, Sequence[str]]:
    """The classes of each head that tells classes; '' is the name of an only one."""
    task = job.spec.task
    if isinstance(task, ClassesTask):
        return {"": task.classes}
    if isinstance(task, SeveralTask):
        return {part.name: part.classes for part in task.parts if isinstance(part, ClassHead)}
    return {}


def resampled(figures: Figures, weight: Values, unit: NDArray[np.int64], *, seed: int) -> dict[str, Any]:
    """(rows,) weights and the number of each row's unit, from 0 on without a gap → each figure with its bounds, None
    where no resample defines it."""
    units = int(unit.max()) + 1
    drawn = [figures(weight * np.bincount(chosen, minlength=units)[unit]) for chosen in resamples(units, seed=seed)]
    found = {}
    for name, value in figures(weight).items():
        values = [math.nan if one[name] is None else float(one[name]) for one in drawn]  # type: ignore[arg-type]
        low, high = (None if math.isnan(bound) else bound for bound in within(values))
        found[name] = {"value": value, "low": low, "high": high, "defined": int(np.isfinite(values).sum())}
    return found


def _figures(job: Job, table: pa.Table) -> Figures | None:
    if isinstance(job.spec.task, PurchaseTask):
        return of_chances(table["buy_probability"].to_numpy(), table[BUY].to_numpy())
    each = {name: _of_head(table, f"{name}_" if name else "", classes) for name, classes in _heads(job).items()}
    if "" in each:
        return each[""]
    return (lambda weight: _named(each, weight)) if each else None


def _of_head(table: pa.Table, prefix: str, classes: Sequence[str]) -> Figures:
    true, said, chances = (table[f"{prefix}{name}"] for name in ("label", "predicted", "probabilities"))
    return of_classes(classes, true, said, None if len(classes) * table.num_rows > MOST_CHANCES else chances)


def _named(each: Mapping[str, Figures], weight: Values) -> dict[str, float | None]:
    return {f"{head}.{name}": value for head, figures in each.items() for name, value in figures(weight).items()}


def of_classes(
    classes: Sequence[str], true: pa.ChunkedArray, said: pa.ChunkedArray, chances: pa.ChunkedArray | None = None
) -> Figures:
    """`accuracy`, the classes' means `precision_macro`, `recall_macro` and `f1_macro`, and of each class
    'per_class.<name>.' precision, recall and f1, of (rows,) names; with (rows,) lists of probabilities also `auc_macro`
    and 'per_class.<name>.auc'. A row whose true class is null counts nowhere."""
    known, names, count = true.is_valid().to_numpy(), pa.array(classes, pa.string()), len(classes)
    places = [pc.index_in(column.filter(pa.array(known)), value_set=names).to_numpy() for column in (true, said)]
    cells = places[0].astype(np.int64) * count + places[1]
    of_rows: Areas | None = None
    if chances is not None:
        of_rows = areas(chances_of(chances, count)[known], places[0].astype(np.int64))

    def figures(weight: Values) -> dict[str, float | None]:
        confusion = _summed(cells, weight[known], count * count).reshape(count, count)
        each = rates(confusion) | ({} if of_rows is None else {"auc": of_rows(weight[known])})
        found: dict[str, float | None] = {"accuracy": accuracy(confusion)}
        found |= {f"{name}_macro": mean_of(values) for name, values in each.items()}
        for name, values in each.items():
            found |= {f"per_class.{of}.{name}": or_none(value) for of, value in zip(classes, values, strict=True)}
        return found

    return figures


def of_chances(probability: Values, label: Values) -> Figures:
    """`auc`, and at 0.5 `RATES_AT_HALF`, of (rows,) chances and labels of 0 or 1."""
    levels, level = np.unique(probability, return_inverse=True)
    place, first = level + len(levels) * label.astype(np.int64), int(np.searchsorted(levels, 0.5))

    def figures(weight: Values) -> dict[str, float | None]:
        negative, positive = _summed(place, weight, 2 * len(levels)).reshape(2, -1)
        (tn, fp), (fn, tp) = ((float(side[:first].sum()), float(side[first:].sum())) for side in (negative, positive))
        confusion = Confusion(tp=tp, fp=fp, fn=fn, tn=tn).compute()
        return {"auc": area(positive, negative)} | {name: confusion[name] for name in RATES_AT_HALF}

    return figures


def _summed(places: NDArray[Any], weight: Values, count: int) -> Values:
    """(count,): the weights at each place."""
    sums: Values = np.bincount(places, weight, count).astype(np.float64)
    return sums


def _units(job: Job, table: pa.Table) -> NDArray[np.int64]:
    """(rows,): the number of each prediction's unit."""
    if not job.spec.group:
        return np.arange(table.num_rows)
    row_id, group = _groups(job.manifests["test"], job.spec.group)
    order = np.argsort(row_id)
    at = order[np.searchsorted(row_id, table[ROW_ID].to_numpy(), sorter=order)]
    found: NDArray[np.int64] = group[at]
    return found


def _groups(manifest: Manifest, column: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows,) of the split: row ids, and the number of each row's group."""
    everything = [RowRange(place, 0, file.rows) for place, file in enumerate(manifest.files) if file.rows]
    found = [batch for _, batch in batches(manifest, everything, [ROW_ID, column])]
    table = pa.Table.from_batches([batch.select([ROW_ID, column]) for batch in found])
    if nulls := table[column].null_count:
        where = f"{manifest.table}, version {manifest.version}"
        raise InputError.differs(where, column, "a group of each test row", f"{nulls:,} nulls")
    numbers = pc.rank(table[column], tiebreaker="dense").to_numpy().astype(np.int64) - 1
    return table[ROW_ID].to_numpy(), numbers
