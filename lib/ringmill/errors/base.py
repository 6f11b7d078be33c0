"""The base of all errors that a person can act on."""

from __future__ import annotations


class RingmillError(Exception):
    """Base of all errors that a person can act on; its text is complete without a stack trace."""

    exit_status = 2

    def __init__(self, what: str, *, where: str, expected: str, received: str, todo: str) -> None:
        self.what, self.where, self.expected, self.received, self.todo = what, where, expected, received, todo
        super().__init__(
            f"{what}\n  where:    {where}\n  expected: {expected}\n  received: {received}\n  to do:    {todo}"
        )

    def parts(self) -> dict[str, str]:
        """The five, by name: what another process needs to make the error again."""
        return {name: getattr(self, name) for name in ("what", "where", "expected", "received", "todo")}
