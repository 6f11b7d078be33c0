"""Lines and links of the clean stage as later stages read them: amounts in one currency, orders told apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.config.raw import Raw
from ringmill.config.rfm import Currency
from ringmill.contracts import CLEAN_CANCELLATIONS, CLEAN_ROWS
from ringmill.contracts.clean import cancellations_table
from ringmill.errors import ConfigError, InputError
from ringmill.errors.runs import other_currency, other_rates
from ringmill.lake.files import Source, find_source, fingerprint
from ringmill.lake.ledger import Entry
from ringmill.pipeline.stage import Run

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from ringmill.rfm.currency import Rate

COLUMNS = ("currency", "valid_from", "rate")
RATES = "rates"  # the input's name


def line_inputs(run: Run) -> Mapping[str, Any]:
    """The last published clean/rows and, where amounts are converted, the table of rates, as inputs of a stage."""
    return {CLEAN_ROWS.path: run.ledger.resolve("clean").outputs[CLEAN_ROWS.path], **rate_inputs(run)}


def rate_inputs(run: Run) -> Mapping[str, Any]:
    """The table of rates as an input of a stage; nothing where amounts are not converted."""
    section = run.config.rfm.currency
    return {RATES: [asdict(entry) for entry in fingerprint(_source(section))]} if section else {}


def check_money(run: Run, made: Entry, *, rates: bool = True) -> None:
    """Check that what a row of the ledger says was made is in the currency of now and, with `rates`, by the same ones.

    Raises:
        InputError: it is not.
    """
    section, then = run.config.rfm.currency, made.configuration.get("currency") or {}
    now, seen = section.into if section else None, then.get("into")
    if now != seen:
        raise other_currency(made.stage, made.run_id, now, seen)
    # As the ledger keeps them.
    known = json.loads(json.dumps(rate_inputs(run), default=str)) if rates else {}
    if rates and known.get(RATES) != made.inputs.get(RATES):
        raise other_rates(made.stage, made.run_id, section.rates if section else "none")


def line_configuration(config: Config) -> Mapping[str, Any]:
    """What lines depend on besides their inputs: the zone of local days, and the currency where one is stated."""
    section = config.rfm.currency
    return {"zone": config.zone, **({"currency": dump(section)} if section else {})}


def order_lines(run: Run, version: int) -> DataFrame:
    """clean/rows at a version, with order ids that no two orders of a customer share; amounts as they are.

    See `columns.with_order_keys`.
    """
    from ringmill.columns import with_order_keys

    return with_order_keys(run.lake.read(run.spark, CLEAN_ROWS.path, version), run.config.zone)


def priced_lines(run: Run, version: int) -> DataFrame:
    """As `order_lines`, with amounts in rfm.currency.into; as they are where lines name none (up to two actions).

    Raises:
        ConfigError: rates are configured, but the lines have no column `currency`.
        InputError: lines are in several currencies and no rates are configured, or a line has no rate.
    """
    return in_one_currency(run, order_lines(run, version))


def order_links(run: Run, version: int, lines: DataFrame) -> DataFrame:
    """clean/cancellations at a version, with the order ids of `order_lines` and prices as `priced_lines` has them: a
    piece that is taken back is worth what it was on the day of its order.

    Raises:
        InputError: links do not know the store or the currency that lines have.
    """
    from ringmill.columns import within_store
    from ringmill.rfm.currency import with_one_currency

    links = within_store(run.lake.read(run.spark, CLEAN_CANCELLATIONS.path, version))
    if missing := set(cancellations_table(lines.columns).names) - set(links.columns):
        raise InputError.missing_columns(CLEAN_CANCELLATIONS.path, missing, links.columns)
    section = run.config.rfm.currency
    if section is None:
        return links
    return with_one_currency(
        links, _rates(run, section), into=section.into, amounts=["order_price"], zone=run.config.zone
    )


def in_one_currency(run: Run, lines: DataFrame) -> DataFrame:
    """As `priced_lines`, for these lines."""
    section = run.config.rfm.currency
    if "currency" not in lines.columns:
        if section is not None:
            expected = "raw.extras with an entry for currency, so that lines have one"
            raise ConfigError.bad_value("rfm.currency", "rfm.currency", expected, "lines without it")
        return lines
    return _checked(run, lines) if section is None else _converted(run, section, lines)


def _with_an_amount(run: Run) -> Column:
    """True on a line of a customer that sells, cancels or, where free orders count, gives."""
    from pyspark.sql import functions as F

    from ringmill.columns import sells_or_gives, was_customer_line

    if run.config.rfm.free_orders == "leave out":
        return was_customer_line()
    of_customer = F.col("status").isin("clean", "superseded") & F.col("customer_id").isNotNull()
    return of_customer & (F.col("is_cancellation") | sells_or_gives())


def _checked(run: Run, lines: DataFrame) -> DataFrame:
    named = lines.where(_with_an_amount(run)).select("currency").distinct().limit(3).collect()
    if len(named) > 1:
        codes = " and ".join(sorted(str(row["currency"]) for row in named))
        raise InputError.rates(CLEAN_ROWS.path, "Lines are in several currencies, and there are no rates.", codes)
    return lines


def _converted(run: Run, section: Currency, lines: DataFrame) -> DataFrame:
    from ringmill.rfm.currency import check_rates, summarise_missing_rates, with_one_currency

    zone, rates = run.config.zone, _rates(run, section)
    sold = lines.where(_with_an_amount(run))
    missing = summarise_missing_rates(sold, rates, into=section.into, zone=zone)
    check_rates([row.asDict() for row in missing.collect()], section.rates)
    return with_one_currency(lines, rates, into=section.into, amounts=["unit_price", "line_total"], zone=zone)


def _rates(run: Run, section: Currency) -> tuple[Rate, ...]:
    from ringmill.lake.raw import read_raw
    from ringmill.rfm.currency import read_rates

    table = read_raw(run.spark, _source(section)).select(*COLUMNS)
    return read_rates([row.asDict() for row in table.collect()], section.rates)


def _source(section: Currency) -> Source:
    # Nothing of how orders are read holds for this file.
    asked: dict[str, Any] = {"path": section.rates, "columns": {name: name for name in COLUMNS}}
    return find_source(Raw.model_construct(**asked, format=section.format, delimiter=section.delimiter))
