"""What a person sees while a pipeline runs: each stage, what it is doing, its rows and seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.table import Table


class Step(Protocol):
    """A running stage's line on the terminal."""

    def say(self, text: str) -> None: ...

    def show(self, text: str) -> None:
        """Lines that stay on the terminal, as they are."""


class Progress:
    """Lines on a terminal (a spinner while a stage runs), plain lines elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._done: list[tuple[str, str, str, float]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[Step]:
        """Show `name` as running until the block ends."""
        step = _Live(self.console, name) if self.console.is_terminal else _Plain(self.console, name)
        with step:
            yield step

    def say(self, text: str) -> None:
        """A line that stays on the terminal, between stages."""
        self.console.print(f"  {text}", soft_wrap=True, markup=False)

    def finished(self, stage: str, outcome: str, summary: str, seconds: float) -> None:
        mark = "[green]✓[/]" if outcome == "published" else "[dim]=[/]"
        self.console.print(f"{mark} [bold]{stage:<9}[/] {outcome:<9} {seconds:6.1f} s  {summary}")
        self._done.append((stage, outcome, summary, seconds))

    def close(self, *, seconds: float, peak_bytes: int, report: str | None) -> None:
        """The short table at the end, and where the report is."""
        table = Table(box=None, pad_edge=False)
        for title, side in (("stage", "left"), ("outcome", "left"), ("seconds", "right"), ("rows", "left")):
            table.add_column(title, justify="right" if side == "right" else "left")
        for stage, outcome, summary, spent in self._done:
            table.add_row(stage, outcome, f"{spent:.1f}", summary)
        self.console.print()
        self.console.print(table)
        self.console.print(f"\n{seconds:.1f} s, peak memory {peak_bytes / 2**30:.2f} GiB in all processes")
        if report:
            self.console.print(f"report: {report}", soft_wrap=True)


class _Live:
    def __init__(self, console: Console, name: str) -> None:
        self._name, self._started = name, time.monotonic()
        self._console, self._status = console, console.status(f"{name} …")

    def __enter__(self) -> _Live:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def say(self, text: str) -> None:
        self._status.update(f"[bold]{self._name}[/] {time.monotonic() - self._started:.0f} s: {text}")

    def show(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False)


class _Plain:
    def __init__(self, console: Console, name: str) -> None:
        self._console, self._name = console, name

    def __enter__(self) -> _Plain:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def say(self, text: str) -> None:
        self._console.print(f"  {self._name}: {text}", soft_wrap=True)

    def show(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False)
