"""Lines of the clean stage in the one currency that money is summed in, by the rates that the configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ringmill.config.rfm import Currency
from ringmill.contracts import CLEAN_ROWS
from ringmill.errors import ConfigError, InputError
from ringmill.lake.files import Source, find_source, fingerprint
from ringmill.pipeline.stage import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

COLUMNS = ("currency", "valid_from", "rate")


def rate_inputs(run: Run) -> Mapping[str, Any]:
    """The table of rates as an input of a stage; nothing where none is configured."""
    section = run.config.rfm.currency
    return {"rates": [asdict(entry) for entry in fingerprint(_source(run, section))]} if section else {}


def in_one_currency(run: Run, lines: DataFrame) -> DataFrame:
    """Lines with amounts in rfm.currency.into; lines as they are where they name no currency (up to two actions).

    Raises:
        ConfigError: rates are configured, but the lines have no column `currency`.
        InputError: lines are in several currencies and no rates are configured, or a line has no rate.
    """
    section = run.config.rfm.currency
    if "currency" not in lines.columns:
        if section is not None:
            expected = "raw.columns with an entry for currency, so that lines have one"
            raise ConfigError.bad_value("rfm.currency", "rfm.currency", expected, "lines without it")
        return lines
    return _checked(lines) if section is None else _converted(run, section, lines)


def _checked(lines: DataFrame) -> DataFrame:
    from ringmill.columns import was_customer_line

    named = lines.where(was_customer_line()).select("currency").distinct().limit(3).collect()
    if len(named) > 1:
        codes = " and ".join(sorted(str(row["currency"]) for row in named))
        raise InputError.rates(CLEAN_ROWS.path, "Lines are in several currencies, and there are no rates.", codes)
    return lines


def _converted(run: Run, section: Currency, lines: DataFrame) -> DataFrame:
    from ringmill.columns import was_customer_line
    from ringmill.lake.raw import read_raw
    from ringmill.rfm.currency import check_rates, read_rates, summarise_missing_rates, with_one_currency

    zone = run.config.zone
    table = read_raw(run.spark, _source(run, section)).select(*COLUMNS)
    rates = read_rates([row.asDict() for row in table.collect()], section.rates)
    sold = lines.where(was_customer_line())
    missing = summarise_missing_rates(sold, rates, into=section.into, zone=zone)
    check_rates([row.asDict() for row in missing.collect()], section.rates)
    return with_one_currency(lines, rates, into=section.into, amounts=["unit_price", "line_total"], zone=zone)


def _source(run: Run, section: Currency) -> Source:
    asked = {"path": section.rates, "columns": {name: name for name in COLUMNS}}
    asked |= {"format": section.format, "delimiter": section.delimiter}
    return find_source(run.config.raw.model_copy(update=asked))
