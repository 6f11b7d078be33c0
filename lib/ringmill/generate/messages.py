"""Messages of two classes from a grammar: each a function of (seed, its number), whatever the number of messages."""

from __future__ import annotations

import re

import numpy as np

from ringmill.config.load import dump
from ringmill.config.texts import Messages
from ringmill.lake.key import code_hash, stage_key
from ringmill.lake.paths import open_path
from ringmill.lake.written import mark_done, was_done

MESSAGES = 5  # tells these draws from those of other uses
HAM, SPAM = "ham", "spam"
# A message is a rule's sentence, whose <names> are rules themselves. What NEUTRAL says, either class may say.
RULES: dict[str, tuple[str, ...]] = {
    HAM: (
        "<hello> <name>, <plan><end>",
        "<feeling> <plan>, <hello> to <name><end>",
        "<name> says <plan> <when><end>",
        "sorry <name>, <plan> <when><end>",
        "<plan> with <name><end> <feeling>",
    ),
    SPAM: (
        "<call> <name>! you have won <prize><end> reply <code> to <number>",
        "<call> <prize> waits for you <when><end> text <code> to <number>",
        "FREE <prize> <when>! claim with <code>, costs <pence>p a minute<end>",
        "final notice, <name>: collect <prize>, call <number> <when><end>",
    ),
    "neutral": (
        "<name>, call <number> <when><end>",
        "<hello> <name>, message <number> came <when><end>",
        "<when> <name> asked about <number><end>",
    ),
    "hello": ("hi", "hello", "hey", "good morning", "evening"),
    "name": ("Ada", "Björn", "Chloë", "Dev", "Esi", "Farid", "Göran", "Hana", "Ines", "Jun", "Kofi", "Léa", "Mo"),
    "plan": (
        "let us meet at the <place>",
        "I am late for the <place>",
        "can you bring the <thing> to the <place>",
        "we left the <thing> at the <place>",
        "the <thing> is at my <place>",
        "don't forget the <thing>",
    ),
    "place": ("café", "station", "library", "office", "park", "cinema", "gym", "house"),
    "thing": ("keys", "book", "umbrella", "cake", "tickets", "charger", "bike", "map"),
    "feeling": ("so tired", "miss you", "lovely 😊", "haha", "ok 👍", "thanks a lot"),
    "when": ("today", "tonight", "tomorrow", "this week", "on <day>", "at <hour>"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "call": ("URGENT", "WINNER", "Congratulations", "Dear customer,"),
    "prize": ("a £<pence>00 voucher", "a cruise for two", "<pence>0 ringtones", "the newest phone", "£<pence>000 cash"),
    "end": ("", ".", "!", "...", " 🎉"),
}
NUMBERS = {"number": (80_000, 90_000), "code": (100, 1_000), "pence": (2, 99), "hour": (6, 23)}
SLOT = re.compile(r"<(\w+)>")


def is_written(messages: Messages, *, seed: int, folder: str) -> bool:
    """Whether these very messages lie in `folder` already."""
    return was_done(folder, _key(messages, seed))


def write_messages(messages: Messages, *, seed: int, path: str) -> None:
    """Write label, tab, text on each line. The folder is marked as done at the end.

    Raises:
        WarehouseError: it cannot be written.
    """
    folder = path.rpartition("/")[0]
    mark_done(folder, None)
    system, inner = open_path(path)
    with system.open_output_stream(inner) as stream:
        for number in range(messages.rows):
            stream.write("\t".join(message(number, messages, seed=seed)).encode() + b"\n")
    mark_done(folder, _key(messages, seed))


def message(number: int, messages: Messages, *, seed: int) -> tuple[str, str]:
    """Label and text of one message."""
    draw = np.random.default_rng([seed, MESSAGES, number])
    if number and draw.random() < messages.copies:
        return message(int(draw.integers(number)), messages, seed=seed)
    label = SPAM if draw.random() < messages.spam else HAM
    rule = "neutral" if draw.random() < messages.overlap else label
    return label, _said(f"<{rule}>", draw)


def _said(sentence: str, draw: np.random.Generator) -> str:
    def filled(found: re.Match[str]) -> str:
        name = found[1]
        if name in NUMBERS:
            return str(draw.integers(*NUMBERS[name]))
        return _said(RULES[name][draw.integers(len(RULES[name]))], draw)

    return SLOT.sub(filled, sentence)


def _key(messages: Messages, seed: int) -> str:
    return stage_key({}, {"messages": dump(messages), "seed": seed}, code_hash("ringmill.generate.messages"))
