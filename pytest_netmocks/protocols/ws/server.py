"""`WsServer`: WebSocket on a port of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, ClassVar, Unpack

from pytest_netmocks.encryption.options import TlsOptions
from pytest_netmocks.faults.base import counts_messages
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.ws.endpoint import Endpoint, WsOptions
from pytest_netmocks.protocols.ws.frames import MessageEnds
from pytest_netmocks.protocols.ws.parts import parts
from pytest_netmocks.protocols.ws.records import WsConnection, WsMessage
from pytest_netmocks.protocols.ws.rules import MessageRule
from pytest_netmocks.protocols.ws.session import WsProtocol
from pytest_netmocks.records.addresses import Address
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import Direction
from pytest_netmocks.rules.book import Exchanges
from pytest_netmocks.servers.stack import Stack
from pytest_netmocks.servers.stream import StreamOptions, StreamServer
from pytest_netmocks.servers.urls import UrlFor


class WsServerOptions(StreamOptions, WsOptions, total=False):
    """The keyword arguments that a WebSocket server takes besides `tls`."""


class WsServer(UrlFor, Endpoint, StreamServer):
    """A WebSocket server (RFC 6455): it echoes on every path until it has a rule or a handler.

    `subprotocols` are spoken in the order of preference, `origins` those that are let in (`None` among them: requests
    without one), `headers` are added to the handshake's answer, `compression=None` turns permessage-deflate (RFC 7692)
    off, and `max_size` is the size in bytes above which a message gets close code 1009 (`None`: no limit).
    """

    scheme = "ws"
    secure_scheme: ClassVar[str | None] = "wss"
    # A client that reads in one thread and writes in another has one of OpenSSL's objects in both, which that does not
    # allow: where a ticket is read while the handshake is written, both wait for ever.
    tls_usual: ClassVar[TlsOptions] = {"tickets": False}
    no_requests = "a WebSocket is one: Close(after_messages=) ends it behind so many messages"
    in_messages = True

    def __init__(self, *, tls: bool = False, **options: Unpack[WsServerOptions]) -> None:
        given: dict[str, Any] = dict(options)
        mine = {name: given.pop(name) for name in WsOptions.__annotations__ if name in given}
        self._place = self
        self._set_up(WsOptions(**mine))  # type: ignore[typeddict-item]  # its keys were taken by its own names
        super().__init__(tls=tls, **given)

    @classmethod
    def _option_names(cls) -> set[str]:
        return super()._option_names() | set(WsOptions.__annotations__)

    def _prepare(self) -> None:
        super()._prepare()
        self._begin_books()

    def _make_exchanges(self) -> Exchanges[MessageRule]:
        """Each message of a client is one, where no handler has the connection; a handshake is none."""
        return Exchanges(self.message_rules, MessageRule("every message"))

    def parts(self, connection: Connection, direction: Direction, data: bytes) -> Iterable[int]:
        """As any server's: the lines of heads, chunks and bodies, and the parts of a WebSocket's frames."""
        return parts(data)

    def arrived(self, message: WsMessage) -> None:
        self.journal.request(message.connection, message)

    @property
    def requests(self) -> list[WsMessage]:
        """Every message that clients sent so far, oldest first."""
        return super().requests

    @property
    def connections(self) -> list[WsConnection]:  # type: ignore[override]  # a list of what this server makes
        """Every connection so far, oldest first."""
        return super().connections  # type: ignore[return-value]  # as above

    @property
    def open_connections(self) -> list[WsConnection]:  # type: ignore[override]
        """The connections that have not ended, oldest first."""
        return super().open_connections  # type: ignore[return-value]

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        if not self._lasts(self.handled, keep=keep):
            self.handler = None

    def arm_on(self, stack: Stack, injection: Injection) -> None:
        connection = stack.connection
        assert isinstance(connection, WsConnection)
        if counts_messages(injection.fault):
            stack.link.arm(injection, ends=MessageEnds(opened=connection.upgraded))
        else:
            super().arm_on(stack, injection)

    def _connection(self, number: int, address: Address) -> Connection:
        return WsConnection(number, address, self.journal.now())

    def _protocol(self, link: Link, connection: Connection) -> asyncio.BaseProtocol:
        assert isinstance(connection, WsConnection)
        return WsProtocol(self, self, link, connection)


class WssServer(WsServer):
    """A WebSocket server over TLS; it gives out session tickets (RFC 8446, section 4.6.1) with `tickets=True` alone."""

    always_secure = True
