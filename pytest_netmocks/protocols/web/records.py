"""What is on record of a connection that speaks HTTP, and may come to speak something else."""

from __future__ import annotations

from typing import Any, NamedTuple

from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.records.addresses import Address
from pytest_netmocks.records.connection import Connection


class CloseFrame(NamedTuple):
    """Code and reason of a close frame (RFC 6455, section 5.5.1); without a code it is 1005."""

    code: int
    reason: str


class HttpConnection(Connection):
    """A connection that speaks HTTP; when a WebSocket is opened on it, it becomes a `WsConnection`.

    `upgrade_request` is the last request for that (`None` before it has come), `upgraded` whether it was accepted.
    """

    __slots__ = (
        "_messages",
        "_pings",
        "_websocket",
        "close_received",
        "close_sent",
        "compressed",
        "subprotocol",
        "upgrade_request",
        "upgraded",
    )

    def __init__(self, number: int, client_address: Address, opened_at: float) -> None:
        super().__init__(number, client_address, opened_at)
        self.upgrade_request: HttpRequest | None = None
        self.upgraded = False
        self.subprotocol: str | None = None
        """What was agreed on, `None` for none."""
        self.compressed = False
        """Whether permessage-deflate was agreed on."""
        self.close_received: CloseFrame | None = None
        """The client's close frame: code and reason."""
        self.close_sent: CloseFrame | None = None
        """The server's close frame: code and reason."""
        self._websocket: object = None

    def become(self, kind: type[HttpConnection]) -> None:
        """In the loop: it will speak WebSocket, and is a record of that `kind`."""
        self.__class__ = kind  # of the same slots: whoever has it sees it
        self._messages: list[Any] = []
        self._pings: list[Any] = []

    @property
    def close_code(self) -> int | None:
        """The code it was closed with, by whichever side said so first; 1006 if it ended without, `None` while open."""
        frame = self._first_close
        if frame is not None:
            return frame.code
        return 1006 if self.upgraded and not self.is_open else None

    @property
    def close_reason(self) -> str:
        """The reason that came with the code."""
        frame = self._first_close
        return frame.reason if frame is not None else ""

    @property
    def _first_close(self) -> CloseFrame | None:
        first = self.close_sent if self.closed_by == "server" else self.close_received
        return first or self.close_sent or self.close_received


class _NotYet:
    """Says of what a WebSocket's connection has why one that speaks HTTP has it not.

    It stands there name by name: with a `__getattr__` the interpreter would find all attributes slowly, and records are
    written with every request.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, connection: HttpConnection | None, owner: type) -> Any:
        if connection is None:
            raise AttributeError(f"type object {owner.__name__!r} has no attribute {self._name!r}", name=self._name)
        raise AttributeError(
            f"{self._name}: connection {connection.id} speaks HTTP; it is there once a WebSocket is opened, "
            "on a path with when(path).websocket()",
            name=self._name,
            obj=connection,
        )


for _name in ("begin", "end", "messages", "ping", "pings"):
    setattr(HttpConnection, _name, _NotYet(_name))
