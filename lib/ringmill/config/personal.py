"""Personal data: which columns hold it, what becomes of them, and where the key of their hashes lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from ringmill.config.rules import INSTANT_TYPES, INSTANTS, NUMBER_TYPES, NUMBERS, Section
from ringmill.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringmill.config.clean import Clean

# Later stages tell customers, orders and products apart by these: only a hash leaves one of each what it is.
IDS = ("customer_id", "order_id", "product_id")
PARTS: dict[str, set[str]] = {"hash": set(), "drop": set(), "mask": {"first", "last"}}


class PersonalKey(Section):
    """Where the key of personal hashes lies: a local file, or a variable of the environment, on every worker.

    At least 16 bytes; white space at its ends, such as a last line feed, is no part of it. The key itself is never part
    of a configuration.
    """

    file: str | None = None
    env: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> PersonalKey:
        if (self.file is None) == (self.env is None):
            raise ValueError("one of 'file' and 'env'")
        return self


class Personal(Section):
    """A column with personal data, and what clean/rows holds in its place. Rules judge the values as they came.

    `hash`: HMAC-SHA256 of the value under the key, 64 hex digits; equal values have equal hashes, in all batches.
    `mask`: the `first` and `last` characters (0 where left out) around three asterisks; asterisks alone where the
    value has no more characters than those. `generalise`: a number to the lower end of its bin of `width`, a date or
    time to its month or year (`to`), a text to its `first` characters. `drop`: null. Null stays null.

    `raw` of a row that was refused or fixed, or of which a value could not be read, holds the hash of the text as it
    came, or says that it is withheld; so does it for the whole text of a torn line. A column of the files that is
    mapped to nothing stays in `raw` as it is: name it as an extra with `drop`. A condition that fails on a row may show
    the value in Spark's own log.
    """

    column: str = Field(description="one of ours that holds texts, or one of raw.extras")
    action: Literal["hash", "mask", "drop", "generalise"]
    first: int | None = Field(None, ge=0)
    last: int | None = Field(None, ge=0)
    width: float | None = Field(None, gt=0)
    to: Literal["month", "year"] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Personal:
        given = self.model_fields_set - {"column", "action"}
        if self.action == "generalise":
            if len(given) != 1 or given == {"last"}:
                raise ValueError("'generalise' with one of 'width' (numbers), 'to' (dates, times) and 'first' (texts)")
        elif beyond := given - PARTS[self.action]:
            raise ValueError(f"'{self.action}' without {', '.join(sorted(beyond))}")
        return self


def check_personal(clean: Clean, types: Mapping[str, str]) -> None:
    """Check what personal columns are; `types` holds all columns that are there.

    Raises:
        ConfigError: a column is not there or is named twice, an action does not fit it, a hash has no key, or a rule
            would keep clear values in the ledger.
    """
    names = [personal.column for personal in clean.personal]
    for personal in clean.personal:
        key, name = f"clean.personal.{personal.column}", personal.column
        if name not in types:
            raise ConfigError.unknown_column("clean.personal", name, types)
        if names.count(name) > 1:
            raise ConfigError.bad_value(key, key, "one entry for a column", name)
        if name in (*NUMBERS, *INSTANTS):
            expected = "a column of texts, or an extra: later stages reckon with quantities, prices and times"
            raise ConfigError.bad_value(key, key, expected, name)
        if name in IDS and personal.action != "hash":
            expected = f"action: hash, which leaves each {name} one of its own"
            raise ConfigError.bad_value(key, f"{key}.action", expected, personal.action)
        if (needed := _unfit(personal, types[name])) is not None:
            raise ConfigError.bad_value(key, key, needed, f"{personal.action} of a {types[name]}")
        if personal.action == "hash" and clean.personal_key is None:
            expected = "the place of a key: {file: PATH} or {env: NAME}"
            raise ConfigError.bad_value("clean.personal_key", "clean.personal_key", expected, None)
    for rule in clean.rules:
        if rule.is_fitted and (kept := sorted({rule.column, *rule.group} & set(names), key=str)):
            expected = "no statistic of a personal column, nor for each of its values: the ledger would keep them"
            raise ConfigError.bad_value(f"clean.rules.{rule.name}", f"clean.rules.{rule.name}", expected, kept[0])


def _unfit(personal: Personal, kind: str) -> str | None:
    """What the action needs, where the column's type is not that."""
    if personal.action in ("hash", "mask") or (personal.action == "generalise" and personal.first is not None):
        return None if kind == "string" else "a column of texts (type: string)"
    if personal.width is not None:
        if kind not in NUMBER_TYPES:
            return "a column of numbers for 'width'"
        return "a whole 'width' for whole numbers" if kind == "bigint" and personal.width % 1 else None
    if personal.to is not None and kind not in INSTANT_TYPES:
        return "a column of dates or times for 'to'"
    return None
