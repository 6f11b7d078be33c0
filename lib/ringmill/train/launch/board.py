"""A few words that all tasks of a stage can read, kept by the launcher's rendezvous server and gone with it."""

from __future__ import annotations

from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

ASK_SECONDS = 5.0


@dataclass(frozen=True)
class Board:
    """Words by key, at the server that the launcher holds open."""

    address: str
    port: int

    def write(self, key: str, text: str) -> None:
        """Nothing happens where the server is gone: who would read it is gone too, or told by that."""
        try:
            self._ask("PUT", key, text.encode())
        except (OSError, HTTPException):
            return

    def read(self, key: str) -> str | None:
        """The word, or None while there is none or the server is slow to answer.

        Raises:
            ConnectionError: nobody listens there any more: the launcher is gone.
        """
        try:
            status, body = self._ask("GET", key, None)
        except ConnectionError:
            raise
        except (OSError, HTTPException):
            return None
        return body.decode() if status == 200 else None

    def _ask(self, method: str, key: str, body: bytes | None) -> tuple[int, bytes]:
        connection = HTTPConnection(self.address, self.port, timeout=ASK_SECONDS)
        try:
            connection.request(method, f"/ringmill/{key}", body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
