"""`Forward`: a request in absolute form goes on to its server, and the answer comes back as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlsplit

import httptools

from pytest_netmocks.protocols.http.tunnel import refusal, unreachable
from pytest_netmocks.protocols.tunnel.destinations import Destinations, ForbiddenError, Found
from pytest_netmocks.protocols.tunnel.told import passed_on
from pytest_netmocks.protocols.web.prepare import bodiless
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.protocols.web.sender import respond
from pytest_netmocks.protocols.web.turn import RequestTurn

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"}
    | {"te", "trailer", "transfer-encoding", "upgrade"}
)
"""Fields that are for the next one only (RFC 9110, section 7.6.1)."""

PIECE = 64 * 1024
"""Bytes of an answer that are read at a time."""

LONGEST_HEAD = 256 * 1024
"""Bytes of an answer's head."""

VIA = "1.1 netmocks"


class Forward:
    """Answers requests in absolute form."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations

    async def serve(self, turn: RequestTurn) -> None:
        """Answer one."""
        request = turn.request
        try:
            parts = urlsplit(request.target)
            host, port = parts.hostname or "", 80 if parts.port is None else parts.port
        except ValueError:
            host, port = "", 0
        if not host or not port or parts.scheme.lower() != "http":
            text = f"{request.target[:1000]} is nothing to be forwarded: a URL of http, or CONNECT host:port\n"
            await respond(turn, Response(400, text=text))
            return
        try:
            found = await self._destinations.find(host, port)
        except ForbiddenError as error:
            await respond(turn, refusal(error))
            return
        try:
            reader, writer = await _connect(found)
        except OSError as error:
            await respond(turn, unreachable(request.target, error))
            return
        passed_on(turn.journal, request.connection.id, writer.get_extra_info("socket"))
        try:
            await self._pass_on(turn, parts.netloc.rpartition("@")[2], reader, writer)
        finally:
            writer.close()

    async def _pass_on(
        self, turn: RequestTurn, authority: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        request = turn.request
        answer = _Answer(reader, request.method)
        try:
            writer.write(_head(request, authority) + request.body)
            await writer.drain()
            await answer.read_head()
        except (OSError, httptools.HttpParserError, EOFError) as error:
            text = f"{request.target[:1000]} gives no answer: {str(error) or 'it has finished'}\n"
            await respond(turn, Response(502, text=text))
            return
        empty = request.method == "HEAD" or bodiless(answer.status)
        fields: list[tuple[str, str | None]] = [*_kept(answer.fields), ("Via", VIA)]
        # An answer that says nothing of its length ends with its connection, of which the client has another one.
        body: dict[str, Any] = {} if empty else {"stream": answer.pieces(turn)}
        if all(name.lower() != "content-type" for name, _ in fields):
            fields.insert(0, ("Content-Type", None))  # nor does it get one here
        response = Response(answer.status, headers=fields, reason=answer.reason, **body)
        await respond(turn, response)


async def _connect(found: Found) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    problem: OSError | None = None
    for family, address in found:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, address)
            return await asyncio.open_connection(sock=sock)
        except OSError as error:
            sock.close()
            problem = error
        except BaseException:
            sock.close()
            raise
    raise problem or OSError("there is no address")


def _kept(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The fields that go on: those that Connection names, and those that are never for more than the next, do not."""
    named = {
        name.strip().lower() for field, value in fields if field.lower() == "connection" for name in value.split(",")
    }
    return [(name, value) for name, value in fields if name.lower() not in HOP_BY_HOP | named]


def _head(request: HttpRequest, authority: str) -> bytes:
    target = request.target[request.target.index("://") + 3 :].partition("#")[0]
    at = min((target.find(mark) for mark in "/?" if mark in target), default=-1)
    path = target[at:] if at >= 0 else "/"
    if path.startswith("?"):
        path = "/" + path
    fields = [("Host", authority)]
    fields += [
        pair for pair in _kept(request.headers.pairs) if pair[0].lower() not in ("host", "content-length", "expect")
    ]
    if request.body or request.headers.get("content-length") is not None or request.headers.get("transfer-encoding"):
        fields.append(("Content-Length", str(len(request.body))))
    fields += [("Via", VIA), ("Connection", "close")]
    lines = [f"{request.method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1", "surrogateescape")


class _Answer:
    """The answer, as far as it has come; httptools calls it."""

    def __init__(self, reader: asyncio.StreamReader, method: str) -> None:
        self._reader = reader
        self._method = method
        self._parser = httptools.HttpResponseParser(self)
        self._begin()

    def _begin(self) -> None:
        self.status = 0
        self.reason = ""
        self.fields: list[tuple[str, str]] = []
        self._has_head = self._is_whole = False
        self._body: list[bytes] = []

    # httptools' side

    def on_status(self, status: bytes) -> None:
        self.reason += status.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self.status < 200 and self.status != 101:  # interim: the answer comes yet (RFC 9110, section 15.2)
            self._begin()
        else:
            self._is_whole = True

    # Ours

    async def read_head(self) -> None:
        """Read until the head is there. Raises `EOFError` if it never is."""
        size = 0
        while not self._has_head:
            data = await self._reader.read(PIECE)
            size += len(data)
            if not data:
                raise EOFError("it has finished before an answer")
            if size > LONGEST_HEAD:
                raise EOFError("its head is too long")
            self._parser.feed_data(data)

    async def pieces(self, turn: RequestTurn) -> AsyncGenerator[bytes]:
        """The body, piece by piece; one that breaks off breaks off for the client too."""
        framed = any(name.lower() in ("content-length", "transfer-encoding") for name, _ in self.fields)
        while True:
            taken, self._body = self._body, []
            for piece in taken:
                yield piece
            if self._is_whole:
                return
            try:
                data = await self._reader.read(PIECE)
                if data:
                    self._parser.feed_data(data)
                    continue
                if framed:
                    raise EOFError("it has finished in the middle of its answer")
                return
            except (OSError, EOFError, httptools.HttpParserError) as error:
                turn.journal.note(turn.request.connection.id, f"the far end breaks off: {error}")
                turn.link.fail()
                with contextlib.suppress(asyncio.CancelledError):
                    await turn.gone.wait()
                return
