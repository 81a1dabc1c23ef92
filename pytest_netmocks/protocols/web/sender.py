"""Sends one answer over the link: at once where it can be, in pieces as the client takes them where it cannot."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, Any

from pytest_netmocks import clock
from pytest_netmocks.protocols.web.prepare import Outgoing, bodiless, date, encoded, prepare
from pytest_netmocks.protocols.web.requests import HttpRequest, SentResponse
from pytest_netmocks.protocols.web.response import REASONS, Response
from pytest_netmocks.protocols.web.text import utf8
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.tasks import nothing
from pytest_netmocks.servers.turns import Turn
from pytest_netmocks.usercode import in_a_thread

if TYPE_CHECKING:
    from pytest_netmocks.link.link import Link
    from pytest_netmocks.protocols.http.session import HttpProtocol

PIECE = 256 * 1024
"""Bytes of a file that are read at a time."""


END = object()
"""What stands for the end of an iterator."""


class Growing:
    """Puts an answer in pieces on record, as much of it as the faults let out, before the client can see it."""

    def __init__(self, protocol: HttpProtocol, request: HttpRequest, sent: SentResponse) -> None:
        self._journal = protocol.journal
        self._request = request
        self._sent = sent

    def begins(self, head: bytes) -> None:
        """The head goes out, or some of it; of nothing there is no record."""
        if head:
            self._request.response = self._sent
            self._request.answered_at = self._journal.now()

    def goes(self, payload: bytes) -> None:
        """More of the body goes out."""
        sent = self._sent
        sent.body += payload[: max(0, self._journal.record_limit - len(sent.body))]


def answer_whole(exchange: Exchange, request: HttpRequest, sent: SentResponse, head: bytes, now: float) -> None:
    """Send an answer, and put on record as much of it as the faults let out."""

    if exchange.passes_whole:
        request.response, request.answered_at = sent, now
        exchange.answer(head, sent.body)
        return

    def told(going: bytes) -> None:
        if going and going.startswith(head[: len(going)]):  # else a fault speaks instead
            sent.body = sent.body[: max(0, len(going) - len(head))]
            request.response, request.answered_at = sent, now

    exchange.answer(head, sent.body, told)


def send_interim(link: Link, request: HttpRequest, response: Response) -> None:
    """Send what goes before the answer, to clients that know of it (RFC 9110, section 15.2)."""
    if request.http_version == "1.0":
        return
    for status, fields in response.interim:
        line = f"HTTP/1.1 {status} {REASONS.get(status, 'Interim')}\r\n".encode()
        link.write(line + encoded(fields) + b"\r\n")


def send_plain(protocol: HttpProtocol, request: HttpRequest, response: Response, rule: object) -> bool:
    """Send an answer that is as the last time but for its date, where nothing is in its way; whether it was one."""
    plain = response.plain
    if plain is None or not protocol.keep or request.more_fields or request.http_version == "1.0":
        return False
    link = protocol.link
    if request.method in ("HEAD", "CONNECT") or not link.lets_answers_be():
        return False
    body = response.body
    request.response = SentResponse(response.status, response.headers, body)
    record = link.record
    request.answered_at = record.answered(request, rule)
    link.write(plain + date() + b"\r\n" + body)
    record.sent_all(request)
    return True


def send_at_once(protocol: HttpProtocol, exchange: Exchange, request: HttpRequest, response: Response) -> bool | None:
    """Send an answer that is there as a whole; whether the connection goes on, `None` if it has to be streamed."""
    if response.raw is not None:
        answer_whole(exchange, request, SentResponse(response.status, (), response.raw), b"", protocol.journal.now())
        return False
    try:
        out = prepare(response, request, keep=protocol.keep)
    except OSError as error:
        protocol.journal.failed(request.connection.id, error)
        out = prepare(Response(500, text=f"{error}\n"), request, keep=protocol.keep)
    if response.close:
        protocol.link.hold_for_the_end()
    empty = request.method == "HEAD" or bodiless(out.status)
    if (out.stream is not None or out.file is not None) and not empty:
        protocol.out = out
        return None
    body = b"" if empty else out.body
    answer_whole(exchange, request, SentResponse(out.status, out.fields, body), out.head, protocol.journal.now())
    return out.keep


async def send_in_pieces(
    protocol: HttpProtocol, exchange: Exchange, request: HttpRequest, response: Response, out: Outgoing
) -> bool:
    """Send a stream or a file; whether the connection goes on."""
    exchange.begin(out.head, Growing(protocol, request, SentResponse(out.status, out.fields)))
    first, turn = True, Turn()
    async with contextlib.aclosing(_pieces(out)) as pieces:
        async for data in pieces:
            if not data:
                continue
            if not first and response.interval:
                await clock.sleep(response.interval)
            first = False
            if protocol.over:
                return False
            await send_piece(protocol, exchange, data, turn, chunked=out.chunked)
    exchange.end(b"0\r\n" + out.trailers + b"\r\n" if out.chunked else b"")
    return out.keep


async def send_piece(protocol: HttpProtocol, exchange: Exchange, data: bytes, turn: Turn, *, chunked: bool) -> None:
    """Send more of a body, and wait until the client has taken most of it and the others had their turn."""
    if chunked:
        exchange.piece(b"%x\r\n" % len(data), data, b"\r\n")
    else:
        exchange.piece(b"", data, b"")
    await protocol.drain()
    if turn.over:
        turn.rest()
        await clock.sleep(0)


async def _pieces(out: Outgoing) -> AsyncGenerator[bytes]:
    if out.file is not None:
        start, end = out.stretch
        file: Any = await in_a_thread(open, out.file, "rb")
        try:
            file.seek(start)
            while start < end and (data := file.read(min(PIECE, end - start))):
                start += len(data)
                yield data
            if start < end:
                raise OSError(f"{out.file} has become shorter while it was sent")
        finally:
            file.close()
        return
    source: Any = out.stream() if callable(out.stream) else out.stream
    if hasattr(source, "__aiter__"):
        try:
            async for piece in source:
                yield _checked(piece)
        finally:
            if hasattr(source, "aclose"):
                await source.aclose()
        return
    if isinstance(source, (list, tuple)):
        for piece in source:
            yield _checked(piece)
        return
    # A generator of a user's may block as a function may, and is closed when it does not any more.
    iterator: Iterator[Any] = iter(source)
    turn = threading.Lock()

    def step() -> Any:
        with turn:
            return next(iterator, END)

    def close() -> None:
        with turn:
            getattr(iterator, "close", nothing)()

    try:
        while (piece := await in_a_thread(step)) is not END:
            yield _checked(piece)
    except BaseException:
        await in_a_thread(close)
        raise


def _checked(piece: object) -> bytes:
    if isinstance(piece, str):
        return utf8(piece)
    if not isinstance(piece, (bytes, bytearray, memoryview)):
        raise TypeError(f"stream must give bytes or text, not {piece!r}")
    return bytes(piece)
