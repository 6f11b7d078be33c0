"""The base of all errors that a person can act on."""

from __future__ import annotations

from ringmill.errors.credentials import without_credentials


class RingmillError(Exception):
    """Base of all errors that a person can act on; its text is complete without a stack trace, and says no password:
    it stands in the ledger, in logs and on terminals."""

    exit_status = 2

    def __init__(self, what: str, *, where: str, expected: str, received: str, todo: str) -> None:
        shown = (without_credentials(str(part)) for part in (what, where, expected, received, todo))
        self.what, self.where, self.expected, self.received, self.todo = shown
        super().__init__(
            f"{self.what}\n  where:    {self.where}\n  expected: {self.expected}\n  received: {self.received}\n"
            f"  to do:    {self.todo}"
        )

    def parts(self) -> dict[str, str]:
        """The five, by name: what another process needs to make the error again."""
        return {name: getattr(self, name) for name in ("what", "where", "expected", "received", "todo")}
