"""Raw files that are taken by the day in their names, and cannot be."""

from __future__ import annotations

from ringmill.errors.before import InputError


def undated(path: str, received: str) -> InputError:
    """raw.up_to is set, and a file's name holds no date."""
    return InputError(
        "A raw file's day is not known.",
        where=path,
        expected="with raw.up_to, files whose names hold a date, yyyy-MM-dd or yyyyMMdd",
        received=received,
        todo="name files by their day, or leave raw.up_to out",
    )


def all_later(path: str, last: object, first: str) -> InputError:
    """raw.up_to is set, nothing was taken before, and every file is of a later day; `first` is the first of them."""
    return InputError(
        "All raw files are of later days.",
        where=path,
        expected=f"a file of {last}, which is raw.up_to, or of a day before",
        received=f"{first} and later",
        todo="wait for the day's file, or choose a later day",
    )
