"""Batch after batch into what is published, as the pipeline does it, with the published rows in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clean.fuzz.comparing import arguments
from clean.fuzz.judging import Line, Setting
from clean.fuzz.lines import raw_frame
from ringmill.clean import rows, settle, touched
from ringmill.contracts import clean_rows_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

Published = dict[tuple[Any, ...], "Row"]


def published_after(spark: SparkSession, batches: Sequence[Sequence[Line]], setting: Setting) -> DataFrame:
    """The rows that are published after these batches, taken one after the other."""
    table = clean_rows_table({name: extra.type for name, extra in setting.raw.extras.items()})
    schema = ", ".join(f"{column.name} {column.type}" for column in table.columns)
    published: Published = {}
    for lines in batches:
        before = spark.createDataFrame(list(published.values()), schema)
        judged = rows.judge_lines(raw_frame(spark, lines, setting), **arguments(spark, setting))
        near = touched.touched_rows(before, judged, setting.clean)
        settled = settle.settle_rows(judged.unionByName(near), setting.clean).where("_changed").select(*table.names)
        changed = settled.collect()
        merged = {_identified(row): row for row in changed}
        assert len(merged) == len(changed), "two rows of one batch are found by the same identity"
        published |= merged
    return spark.createDataFrame(list(published.values()), schema)


def _identified(row: Row) -> tuple[Any, ...]:
    """A row's values of `touched.IDENTIFIED_BY`."""
    return (row.source_file, row.identity.line_a, row.identity.line_b, row.identity.number)
