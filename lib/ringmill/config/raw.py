"""The section `raw`: where raw orders lie, and how their files are read."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

from pydantic import Field, field_validator, model_validator

from ringmill.config.extras import Extra
from ringmill.config.formats import NumberFormat, TimestampFormat, check_quoted
from ringmill.config.rules import NAME, OrderColumn, Section
from ringmill.contracts import CLEAN_ROWS


class Drift(Section):
    """What happens when the files' columns change; a change is always reported, with the file's name."""

    new: Literal["ignore", "add", "fail"] = Field(
        "ignore", description="a column that is not mapped and was not there before; 'add' keeps its values in 'others'"
    )
    missing: Literal["fail", "ignore"] = Field(
        "fail", description="a mapped column; 'ignore' reads it as missing values"
    )
    changed: Literal["ignore", "fail"] = Field("ignore", description="another type than before, where files have types")


class Raw(Section):
    """Where raw orders come from, and what their columns are called there."""

    path: str
    format: Literal["auto", "csv", "jsonl", "parquet", "delta"] = "auto"
    columns: dict[OrderColumn, str] = Field(description="our name: the name in the files")
    number_formats: dict[Literal["quantity", "unit_price"], NumberFormat] = Field(
        default_factory=dict, description="by our name; default: digits with a decimal point"
    )
    extras: dict[str, Extra] = Field(
        default_factory=dict, description="columns beyond ours, by the names that clean/rows and rules give them"
    )
    timestamp_formats: tuple[str | TimestampFormat, ...] = (
        "yyyy-MM-dd HH:mm:ss",
        "yyyy-MM-dd'T'HH:mm:ss",
        "yyyy-MM-dd HH:mm",
        "yyyy-MM-dd",
    )
    delimiter: str = Field(",", min_length=1, max_length=1)
    batch: str | None = Field(None, description="name of this batch; by default a hash of its files")
    batches: Literal["whole", "files"] = Field(
        "whole", description="'files': each file is a batch, and only files that were not taken before are cleaned"
    )
    up_to: date | None = Field(
        None,
        description="the last day whose files are taken: a file waits whose name holds a later date (yyyy-MM-dd or "
        "yyyyMMdd), unless it was taken before; the data are whole up to this day's midnight",
    )
    changed_files: Literal["fail", "ignore"] = Field(
        "fail",
        description="a file that was taken and has other bytes now; 'ignore' reports it and keeps its old rows, until "
        "all files are cleaned anew",
    )
    bad_files: Literal["fail", "quarantine"] = Field(
        "fail",
        description="a file that cannot be read, or is empty: stop, or name it, leave it out and go on with the rest",
    )
    drift: Drift = Drift()

    @field_validator("timestamp_formats")
    @classmethod
    def _no_quoted_offset(cls, forms: tuple[str | TimestampFormat, ...]) -> tuple[str | TimestampFormat, ...]:
        return check_quoted(forms)

    @model_validator(mode="after")
    def _needs(self) -> Raw:
        if self.batches == "files" and (self.batch is not None or self.format == "delta"):
            raise ValueError("raw.batches: files with files, and without raw.batch: each file is named after itself")
        if self.up_to is not None and self.format == "delta":
            raise ValueError("raw.up_to with files, whose names hold their day; a Delta table has a version")
        needed = {"order_id", "product_id", "quantity", "unit_price", "customer_id", "ordered_at"}
        if absent := sorted(needed - set(self.columns)):
            raise ValueError(f"raw.columns with an entry for {', '.join(absent)}")
        if taken := sorted(name for name in self.extras if name in CLEAN_ROWS.names):
            raise ValueError(f"raw.extras with names that clean/rows has not, unlike {', '.join(taken)}")
        if bad := [name for name in self.extras if not re.fullmatch(NAME, name)]:
            raise ValueError(f"raw.extras with names of lower-case letters, digits and _, unlike {bad[0]!r}")
        return self

    @property
    def mapped(self) -> dict[str, str]:
        """Our name: the name in the files; extras too."""
        own: dict[str, str] = {str(name): column for name, column in self.columns.items()}
        return own | {name: extra.column for name, extra in self.extras.items()}
