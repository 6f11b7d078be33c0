"""What cleaning promises, as checks that fail: each law of `tests/clean/test_mutations.py` has one that holds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.errors import AnalysisException

from clean.fuzz.batches import published_after
from clean.fuzz.comparing import arguments, compared, differences
from clean.fuzz.conditions import begins, paired
from clean.fuzz.judging import Setting
from clean.fuzz.lines import FILES, cases_of, raw_frame
from clean.fuzz.rule_sets import COLUMNS
from raw_lines import frame, raw_model
from ringmill.clean import gates, law, rows, statistics
from ringmill.config import Gate
from ringmill.config.clean import Clean
from ringmill.config.columns import check_columns
from ringmill.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Property = Callable[["SparkSession"], None]
CONDITIONS = {"clean.cancellation": begins("order_id", "C"), "backwards": paired("known_at", "<", "ordered_at")}
RULES: list[dict[str, Any]] = [
    {"name": "words", "action": "fix", "column": "description", "text": ["whitespace", "lower"]},
    {"name": "no_customer", "action": "reject", "column": "customer_id", "pattern": "[0-9A]+"},
    {"name": "strange", "action": "reject", "column": "order_id", "references": {"path": "x", "column": "Value"}},
    {"name": "backwards", "action": "flag", "violated_when": "known_at < ordered_at"},
    {"name": "same_words", "action": "flag", "unique": ["description", "country"]},
    {"name": "same_moment", "action": "reject", "unique": ["ordered_at", "product_id", "country"]},
]
FORWARD = {"name": "last_words", "action": "fix", "column": "description", "required": True, "fill": "forward"} | {
    "group": ["country"]
}
KNOWN = ["1", "1.0", "7", "A", "a", "C1", " B"]


def setting_with(keep: str, *, by_file: bool = False) -> Setting:
    raw = raw_model(COLUMNS, batches="files" if by_file else "whole")
    rules = RULES if by_file else [*RULES, FORWARD]
    values = {"cancellation": "order_id LIKE 'C%'", "key": ["line_id", "country"], "keep": keep, "rules": rules}
    clean = Clean.model_validate(values)
    return Setting(raw, clean, "Europe/London", {}, {"strange": KNOWN}, CONDITIONS)


def rows_are_the_references(keep: str) -> Property:
    """Every column of every row is what the plain-Python reference makes of the lines."""

    def holds(spark: SparkSession) -> None:
        setting = setting_with(keep)
        wrong = differences(spark, cases_of(1, setting, cases=20), setting)
        assert not wrong, "\n".join(wrong.values())

    return holds


def batches_are_the_references(keep: str) -> Property:
    """Files taken in another order than their names' give what the reference makes of all lines."""

    def holds(spark: SparkSession) -> None:
        setting = setting_with(keep, by_file=True)
        cases = cases_of(2, setting, cases=12)
        batches = [[line for case in cases.values() for line in case if line.file == file] for file in FILES[::-1]]
        wrong = compared(published_after(spark, batches, setting), cases, setting)
        assert not wrong, "\n".join(wrong.values())

    return holds


def nothing_is_lost(spark: SparkSession) -> None:
    """Rows by status add up to the lines that were read."""
    setting = setting_with("last")
    lines = [line for case in cases_of(3, setting, cases=12).values() for line in case]
    observed, seen = law.with_line_count(raw_frame(spark, lines, setting))
    statuses = Counter(row.status for row in rows.clean_rows(observed, **arguments(spark, setting)).collect())
    law.check_nothing_lost(seen.get["lines"], statuses, where="clean/rows")


def statistics_know_no_later_lines(spark: SparkSession) -> None:
    """What is fitted before an instant is the same whether or not lines that became known later are there."""
    rule = {"name": "usual", "action": "fix", "column": "quantity", "required": True, "fill": "mean"}
    fitting = Clean.model_validate({"rules": [rule]}).rules
    until = datetime(2024, 2, 1)
    lines = [{"Quantity": "2"}, {"Quantity": "4"}, {"Quantity": "90", "Known": "2024-02-01 00:00:00"}]

    def fitted(count: int) -> Any:
        values = rows.read_values(frame(spark, lines[:count]), raw=raw_model(), zone="UTC")
        found = statistics.summarise_statistics(values, fitting, until).collect()
        return statistics.fitted_of(found, fitting, until)

    assert fitted(3) == fitted(2), f"fitted from later lines too: {fitted(3)}"


def kept_statistics_are_not_fitted_again(_: SparkSession) -> None:
    """A statistic that is kept for the same definition is used as it is."""
    rule = {"name": "usual", "action": "fix", "column": "quantity", "required": True, "fill": "mean"}
    clean = Clean.model_validate({"rules": [rule]})
    kept = {"usual": {"definition": statistics.definition_of(clean.rules[0], None), "groups": [[[], 3]]}}
    assert statistics.to_fit(clean, kept, None) == (), "fitted again"


def rules_that_depend_on_order_are_refused(_: SparkSession) -> None:
    """A forward fill takes another value when batches come in another order."""
    clean = Clean.model_validate({"rules": [FORWARD]})
    with pytest.raises(ConfigError, match="last_words"):
        check_columns(raw_model(COLUMNS, batches="files"), clean)


def conditions_are_checked_before_anything_runs(spark: SparkSession) -> None:
    """A condition that cannot be used is named with its key."""
    clean = Clean.model_validate({"rules": [{"name": "odd", "violated_when": "no_such > 1"}]})
    try:
        rows.clean_rows(frame(spark, [{}]), raw=raw_model(), clean=clean, zone="UTC", batch="b")
    except (ConfigError, AnalysisException) as error:
        assert isinstance(error, ConfigError) and "clean.rules.odd" in str(error), "a stack trace of Spark's own"
    else:
        pytest.fail("a condition that cannot be used was used")


def gates_stop_a_bad_batch(_: SparkSession) -> None:
    """A figure beyond its bound does not pass."""
    gate = Gate.model_validate({"metric": "rejected_share", "at_most": 0.05})
    batch = gates.Figures("b", None, {}, {"rejected": {"tried": 100, "share": 0.06}})
    assert [verdict.passed for verdict in gates.judge([gate], batch, [])] == [False], "the gate lets it pass"
