"""What keeps a stage from beginning: the configuration cannot be used as written."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from ringmill.errors.base import RingmillError


class Unsaid:
    """Stands in an error for a value of which no more than `text` may be said."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class ConfigError(RingmillError):
    """The configuration cannot be used as written."""

    @classmethod
    def unreadable(cls, path: str, problem: str) -> ConfigError:
        return cls(
            "The configuration cannot be read.",
            where=path,
            expected="a YAML file with a mapping of sections",
            received=problem,
            todo="correct the file; conf/online_retail.yaml is an example to copy",
        )

    @classmethod
    def unknown_key(cls, path: str, key: str, known: Iterable[str]) -> ConfigError:
        names = sorted(known)
        near = get_close_matches(key.rsplit(".", 1)[-1], names, n=1)
        return cls(
            f"Unknown key '{key}' in the configuration.",
            where=path,
            expected=f"one of {', '.join(names)}",
            received=key,
            todo=f"did you mean '{near[0]}'?" if near else "remove the key, or correct its name",
        )

    @classmethod
    def unknown_column(cls, key: str, name: str, known: Iterable[str]) -> ConfigError:
        names = sorted(known)
        near = get_close_matches(name, names, n=1)
        return cls(
            f"'{key}' names a column that the configuration does not map.",
            where=key,
            expected=f"one of the columns in raw.columns and raw.extras: {', '.join(names)}",
            received=name,
            todo=f"did you mean '{near[0]}'?" if near else "correct the name, or map the column",
        )

    @classmethod
    def unknown_input(cls, key: str, name: str, known: Iterable[str]) -> ConfigError:
        names = sorted(known)
        near = get_close_matches(name, names, n=1)
        return cls(
            f"'{key}' names a column that is not there.",
            where=key,
            expected=f"a measure, or an output of an entry before this one: {', '.join(names)}",
            received=name,
            todo=f"did you mean '{near[0]}'?" if near else "correct the name, or put the entry that makes it before",
        )

    @classmethod
    def other_session(cls, key: str, expected: str, received: str) -> ConfigError:
        return cls(
            f"The Spark session that was handed in has another '{key}', by which results would be others.",
            where="the Spark session",
            expected=expected,
            received=received,
            todo=f"set it before the session is handed in: spark.conf.set('{key}', '{expected}')",
        )

    @classmethod
    def bad_value(cls, path: str, key: str, expected: str, received: object) -> ConfigError:
        return cls(
            f"The value of '{key}' cannot be used.",
            where=path,
            expected=expected,
            received=repr(received),
            todo=f"correct '{key}' in the file or in --set",
        )

    @classmethod
    def beyond_the_row(cls, key: str, text: str, beyond: str) -> ConfigError:
        return cls(
            f"The condition '{key}' hangs on more than the values of its row.",
            where=key,
            expected="a condition over one row's columns and constants, which is the same whenever it is asked and "
            "whichever batch the row came in: no window, aggregate, subquery, random number or present time",
            received=f"{text} ({beyond})",
            todo="write a date in place of the present time; other rows and tables are looked at by rules with "
            "'unique', 'references', 'outlier' or 'fill'",
        )
