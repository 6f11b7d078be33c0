"""Lines → the rows of clean/rows that they have to become: a reference in plain Python that shares no code.

Statuses are found by going through the lines as they became known, not by windows over them. What it cannot know are
hashes: two different lines of one key or group that only their hash would order raise `AmbiguousOrder`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from clean.fuzz.judging import Judged, Line, Setting, check_order, judge, order_of
from clean.fuzz.reading import trimmed

BATCH = "b1"
Row = dict[str, Any]
Pairs = list[tuple[Judged, Row]]
TEXT_KEYS = ("line_id", "order_id", "product_id", "description", "customer_id", "country")


def expected_rows(lines: Sequence[Line], setting: Setting) -> list[Row]:
    """One row per line, in their order, with the contract's columns and the extras.

    Of `identity`, where batches are files: the number among copies, whether there is a key, and of a line with one
    how many cells are filled.
    """
    judged = judge(lines, setting)
    pairs = [(each, _row(each, setting)) for each in judged]
    _settle_copies(pairs)
    if setting.clean.key:
        _settle_keys(pairs, setting)
    for each, row in pairs:
        has_key = key_of(each, setting) is not None
        identity = (row["identity"], has_key, complete(each) if has_key else None)
        row["identity"] = identity if setting.raw.batches == "files" else None
    staying = [pair for pair in pairs if pair[1]["status"] == "clean"]
    for rule in setting.clean.rules:
        if rule.unique:
            _settle_unique(staying, rule.name, rule.unique, "flags" if rule.action == "flag" else "reasons")
    return [row for _, row in pairs]


def _row(each: Judged, setting: Setting) -> Row:
    batch = BATCH if setting.raw.batches == "whole" else each.line.file
    whole = {name: text for name, text in each.cells.items() if text is not None}
    mapped = set(setting.raw.mapped.values())
    is_null_unread = each.line.torn is None and any(name in each.unread for name in setting.raw.extras)
    keeps_raw = bool(each.reasons or each.fixed or is_null_unread)
    shown = {"_torn": each.line.torn} if each.line.torn is not None else whole
    status = "rejected" if each.reasons else "clean"
    return each.values | {
        "superseded_at": None,
        "flags": list(each.flags),
        "reasons": list(each.reasons),
        "raw": shown if keeps_raw else None,
        "others": {name: text for name, text in whole.items() if name not in mapped}
        if setting.raw.drift.new == "add"
        else None,
        "source_file": each.line.file,
        "source_batch": batch,
        "status_batch": batch,
        "status": status,
    }


def _settle_copies(pairs: Pairs) -> None:
    """The first of equal lines, by file (of one file: by flags), is the line; the others are its copies."""
    alike: defaultdict[tuple[Any, ...], Pairs] = defaultdict(list)
    for pair in pairs:
        alike[pair[0].content].append(pair)
    for copies in alike.values():
        copies.sort(key=lambda pair: (pair[0].line.file, pair[0].flags))
        first = copies[0][1]
        for each, row in copies[1:]:
            row["reasons"] = [*row["reasons"], "exact_duplicate"]
            if not each.is_unreadable:
                row["status"], row["status_batch"] = "duplicate", first["source_batch"]
        count: defaultdict[str, int] = defaultdict(int)
        for each, row in copies:
            count[each.line.file] += 1
            row["identity"] = count[each.line.file]


def _settle_keys(pairs: Pairs, setting: Setting) -> None:
    keyed: defaultdict[tuple[Any, ...], Pairs] = defaultdict(list)
    for each, row in pairs:
        key = key_of(each, setting)
        if row["status"] == "clean" and key is not None:
            keyed[key].append((each, row))
    for group in keyed.values():
        group.sort(key=lambda pair: order_of(pair[0]))
        check_order([each for each, _ in group], group=lambda _: None)
        _settle_key(group, setting)


def key_of(each: Judged, setting: Setting) -> tuple[Any, ...] | None:
    """The key's values as they were read, texts without case and with one blank for each run of white space."""
    values = [each.read[name] for name in setting.clean.key]
    if not values or None in values:
        return None
    return tuple(
        re.sub(r"[ \t\n\x0b\f\r]+", " ", value).upper() if name in TEXT_KEYS else value
        for name, value in zip(setting.clean.key, values, strict=True)
    )


def complete(each: Judged) -> int:
    return sum(1 for text in each.cells.values() if trimmed(text) is not None)


def _settle_key(group: Pairs, setting: Setting) -> None:
    """Take up the lines of a key as they became known; one of them stands at any time."""
    written = [setting.raw.columns[name] for name in setting.clean.key]
    standing, *later = group
    never_stood: Pairs = []
    ended: Pairs = []
    for pair in later:
        each, row = pair
        replaces = setting.clean.keep == "last" or (
            setting.clean.keep == "most_complete" and complete(each) > complete(standing[0])
        )
        if not replaces:
            never_stood.append(pair)
            continue
        left = standing[1]
        left["status"], left["status_batch"] = "superseded", row["source_batch"]
        left["superseded_at"] = each.values["known_at"]
        ended.append(standing)
        standing = pair

    def is_similar(each: Judged) -> bool:
        return any(each.cells[name] != standing[0].cells[name] for name in written)

    for each, row in ended:
        row["reasons"] = ["superseded_by_similar_key" if is_similar(each) else "superseded_by_key"]
    for each, row in never_stood:
        row["reasons"] = ["similar_key_duplicate" if is_similar(each) else "key_duplicate"]
        row["status"], row["status_batch"] = "duplicate", standing[1]["source_batch"]


def _settle_unique(staying: Pairs, name: str, columns: Sequence[str], place: str) -> None:
    """Every row of those that stay after keys, and shares all values with another such row, violates the rule."""
    shared: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for _, row in staying:
        values = tuple(row[column] for column in columns)
        if None not in values:
            shared[values].append(row)
    for rows in shared.values():
        for row in rows if len(rows) > 1 else ():
            row[place] = [*row[place], name]
            if place == "reasons":
                row["status"] = "rejected"
