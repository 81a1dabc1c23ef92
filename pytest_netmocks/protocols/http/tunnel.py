"""`Tunnel`: a request that opens a way to somebody else: CONNECT (RFC 9110, section 9.3.6), or an Upgrade."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable

from pytest_netmocks.link.wire import Wire
from pytest_netmocks.protocols.proxy.session import Relay
from pytest_netmocks.protocols.tunnel.destinations import ForbiddenError, Found
from pytest_netmocks.protocols.tunnel.way import Way
from pytest_netmocks.protocols.web.requests import HttpRequest, SentResponse
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.protocols.web.sender import respond, send_at_once
from pytest_netmocks.protocols.web.turn import RequestTurn


class Tunnel:
    """Answers such requests; `find` says where they lead, and may raise `ForbiddenError`."""

    def __init__(self, find: Callable[[HttpRequest], Awaitable[Found]], keep: Callable[[Wire], Wire]) -> None:
        self._find = find
        self._keep = keep

    async def serve(self, turn: RequestTurn) -> None:
        """Answer one, and give its connection away."""
        request = turn.request
        status, fields = 200, []
        if request.method != "CONNECT":
            protocol = request.headers.get("upgrade")
            if protocol is None:
                text = f"{request.method} {request.target[:1000]} leads through a tunnel: it needs an Upgrade field\n"
                await respond(turn, Response(426, text=text, headers={"Connection": "upgrade"}))
                return
            status, fields = 101, [("Connection", "Upgrade"), ("Upgrade", protocol)]
        try:
            found = await self._find(request)
        except ForbiddenError as error:
            await respond(turn, refusal(error))
            return
        reason = "Connection established" if status == 200 else "Switching Protocols"
        turn.keep = False

        def told(error: OSError | None) -> None:
            if error is None:
                request.response, request.answered_at = SentResponse(status, fields), turn.journal.now()
                turn.exchange.open(turn.head(status, reason, [*fields]), relay.take_early)
            else:
                send_at_once(turn, unreachable(request.target, error))
                turn.link.close()

        relay = Relay(
            Way(turn.journal, found, told), turn.link, request.connection, asyncio.get_running_loop(), self._keep
        )
        turn.give(relay)


def refusal(error: ForbiddenError) -> Response:
    """The answer where there is no way: 403, 502 for a name that there is not, and 400 for what is no place at all."""
    return Response({"not allowed": 403, "malformed": 400}.get(error.reason, 502), text=f"{error}\n")


def unreachable(where: str, error: OSError) -> Response:
    """The answer where nobody is: 502, or 504 where nobody says so."""
    status = 504 if error.errno == errno.ETIMEDOUT else 502
    return Response(status, text=f"{where[:1000]} cannot be reached: {error.strerror or error}\n")
