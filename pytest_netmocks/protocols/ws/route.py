"""`WsRoute`: WebSocket on one path of an HTTP server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack, cast

from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.protocols.ws.endpoint import Endpoint, WsOptions
from pytest_netmocks.protocols.ws.frames import MessageEnds
from pytest_netmocks.protocols.ws.records import HttpConnection, WsConnection, WsMessage
from pytest_netmocks.protocols.ws.rules import ACCEPTED
from pytest_netmocks.records.shelf import Shelf
from pytest_netmocks.servers.exchange import Exchange

if TYPE_CHECKING:
    from pytest_netmocks.protocols.http.server import HttpServer
    from pytest_netmocks.protocols.http.session import HttpProtocol


class WsRoute(Endpoint):
    """What `websocket` of an HTTP rule gives: rules, handler and broadcast as a WebSocket server has them.

    `requests` are the messages that came here, and `connections` those that were upgraded, oldest first.
    """

    option_names = tuple(WsOptions.__annotations__)

    def __init__(self, server: HttpServer, **options: Unpack[WsOptions]) -> None:
        self._place = server
        self._set_up(options)
        self._begin_books()
        self._requests: Shelf[WsMessage] = server.journal.shelf()
        self._connections: Shelf[WsConnection] = server.journal.shelf()

    @property
    def requests(self) -> list[WsMessage]:
        """Every message that clients sent here so far, oldest first."""
        self._place._catch_up()
        return list(self._requests)

    @property
    def connections(self) -> list[WsConnection]:
        """Every connection that was upgraded here, oldest first."""
        return list(self._connections)

    def arrived(self, message: WsMessage) -> None:
        message.connection.count(message)
        self._requests.put(message)
        self._place.journal.phase(message.at, message.connection.id, message, "begun")

    async def serve(self, protocol: HttpProtocol, request: HttpRequest, exchange: Exchange) -> None:
        """Answer a request: with 101 if it is a handshake, and the connection is no longer HTTP's."""
        from pytest_netmocks.protocols.ws.session import WsProtocol  # loads the library

        connection = request.connection
        assert isinstance(connection, HttpConnection)
        if request.body:
            await protocol.respond(exchange, request, Response(400, text="a handshake has no body\n"))
            return
        connection.upgrade_request = request
        # What it is to become: it does if the handshake is accepted.
        websocket = WsProtocol(self, protocol.link, cast("WsConnection", connection))
        websocket.session.expect_frames()
        verdict = self.handshake_rules.decide(None, connection)
        response, messages = await websocket.negotiate(request, verdict)
        if protocol.over:
            return
        if response.status != ACCEPTED or response.raw is not None:
            verdict.take_upward()  # what comes next is HTTP again
            exchange.also(verdict)
            protocol.keep = protocol.keep and not verdict.then_close
            await protocol.respond(exchange, request, response)
            return
        self._connections.put(connection.become_websocket())
        early = protocol.leave()
        link = protocol.link
        counting, link.on_answers = link.on_answers, ()

        def answer() -> None:
            exchange.also(verdict)
            websocket.answer(exchange, request, response)
            for injection, _ in counting:
                link.arm(injection, ends=MessageEnds(opened=True))

        websocket.struck_around(verdict, early, answer)
        protocol.hand_over(websocket, early.take())
        websocket.begin(messages, then_close=verdict.then_close)
