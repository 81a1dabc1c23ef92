"""`WsRoute`: WebSocket on one path of an HTTP server."""

from __future__ import annotations

import asyncio
from typing import Unpack, cast

from pytest_netmocks.protocols.web.records import HttpConnection
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.protocols.web.sender import respond
from pytest_netmocks.protocols.web.turn import RequestTurn
from pytest_netmocks.protocols.ws.endpoint import Endpoint, WsOptions
from pytest_netmocks.protocols.ws.frames import MessageEnds
from pytest_netmocks.protocols.ws.records import Live, WsConnection, WsMessage, become_websocket
from pytest_netmocks.protocols.ws.rules import ACCEPTED
from pytest_netmocks.records.shelf import Shelf
from pytest_netmocks.servers.stream import StreamServer


class WsRoute(Endpoint):
    """What `websocket` of an HTTP rule gives: rules, handler and broadcast as a WebSocket server has them.

    `requests` are the messages that came here, and `connections` those that were upgraded, oldest first.
    """

    option_names = tuple(WsOptions.__annotations__)

    def __init__(self, server: StreamServer, **options: Unpack[WsOptions]) -> None:
        self._place = server
        self._set_up(options)
        self._begin_books()
        self._requests: Shelf[WsMessage] = server.journal.shelf()
        self._connections: Shelf[WsConnection] = server.journal.shelf()

    @property
    def requests(self) -> list[WsMessage]:
        """Every message that clients sent here so far, oldest first."""
        self._place.catch_up()
        return list(self._requests)

    @property
    def connections(self) -> list[WsConnection]:
        """Every connection that was upgraded here, oldest first."""
        return list(self._connections)

    def arrived(self, message: WsMessage) -> None:
        message.connection.count(message)
        self._requests.put(message)
        self._place.journal.phase(message.at, message.connection.id, message, "begun")

    def opened(self, connection: WsConnection, live: Live) -> None:
        super().opened(connection, live)
        self._connections.put(connection)  # at the last: who finds it there may send at once

    async def serve(self, turn: RequestTurn) -> None:
        """Answer a request: with 101 if it is a handshake, and the connection is no longer HTTP's."""
        from pytest_netmocks.protocols.ws.session import WsProtocol  # loads the library

        request, exchange, link = turn.request, turn.exchange, turn.link
        connection = request.connection
        assert isinstance(connection, HttpConnection)
        if request.body:
            await respond(turn, Response(400, text="a handshake has no body\n"))
            return
        connection.upgrade_request = request
        # What it is to become: it does if the handshake is accepted.
        websocket = WsProtocol(self, self._place, link, cast("WsConnection", connection))
        websocket.session.expect_frames()
        verdict = self.handshake_rules.decide(None, connection)
        response, messages = await websocket.negotiate(request, verdict)
        if turn.over:
            return
        if response.status != ACCEPTED or response.raw is not None:
            verdict.take_upward()  # what comes next is HTTP again
            exchange.also(verdict)
            turn.keep = turn.keep and not verdict.then_close
            await respond(turn, response)
            return
        become_websocket(connection)
        early = turn.leave()
        counting, link.on_answers = link.on_answers, ()

        def answer() -> None:
            exchange.also(verdict)
            websocket.answer(exchange, request, response)
            for injection, _ in counting:
                link.arm(injection, ends=MessageEnds(opened=True))

        websocket.struck_around(verdict, early, answer)
        turn.hand_over(websocket, early.take())
        asyncio.get_running_loop().call_soon(websocket.looked)
        websocket.begin(messages, then_close=verdict.then_close)
