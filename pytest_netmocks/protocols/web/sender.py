"""Sends one answer over the link: at once where it can be, in pieces as the client takes them where it cannot."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from pytest_netmocks import clock
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.web.prepare import Outgoing, bodiless, date, prepare
from pytest_netmocks.protocols.web.requests import HttpRequest, SentResponse
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.protocols.web.text import utf8
from pytest_netmocks.protocols.web.turn import RequestTurn
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.usercode import each, in_a_thread

PIECE = 256 * 1024
"""Bytes of a file that are read at a time."""


class Growing:
    """Puts an answer in pieces on record, as much of it as the faults let out, before the client can see it."""

    def __init__(self, turn: RequestTurn, sent: SentResponse) -> None:
        self._journal = turn.journal
        self._request = turn.request
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


def send_interim(turn: RequestTurn, response: Response) -> None:
    """Send what goes before the answer."""
    for status, fields in response.interim:
        turn.interim(status, fields)


def send_plain(link: Link, request: HttpRequest, response: Response, rule: object) -> bool:
    """Send an answer that is as the last time but for its date, where nothing is in its way; whether it was one.

    It is for connections that are kept.
    """
    ready = response.ready
    if ready is None or ready.plain is None or request.more_fields or request.http_version == "1.0":
        return False
    if request.method in ("HEAD", "CONNECT") or not link.lets_answers_be():
        return False
    body = response.body
    request.response = SentResponse(response.status, ready.fields, body)
    record = link.record
    request.answered_at = record.answered(request, rule)
    link.write(ready.plain + date() + b"\r\n" + body)
    record.sent_all(request)
    return True


async def respond(turn: RequestTurn, response: Response, *, begun: bool = False) -> None:
    """Send the response, as a whole or in pieces, and go on to the next request.

    What is interim goes out first, unless that has `begun`.
    """
    if response.interim and not begun:
        send_interim(turn, response)
    going = send_at_once(turn, response)
    if isinstance(going, Outgoing):
        going = await _send_in_pieces(turn, response, going)
    turn.done(going=going)


def send_at_once(turn: RequestTurn, response: Response) -> bool | Outgoing:
    """Send an answer that is there as a whole; whether the connection goes on, or what has to be streamed."""
    request = turn.request
    if response.raw is not None:
        sent = SentResponse(response.status, (), response.raw)
        answer_whole(turn.exchange, request, sent, b"", turn.journal.now())
        return False
    try:
        out = prepare(response, request, keep=turn.keep)
    except OSError as error:
        turn.fail(error)
        out = prepare(Response(500, text=f"{error}\n"), request, keep=turn.keep)
    empty = request.method == "HEAD" or bodiless(out.status)
    if (out.stream is not None or out.file is not None) and not empty:
        return out
    if response.close and turn.exchange.passes_whole:
        turn.link.hold_for_the_end()
    sent = SentResponse(out.status, out.fields, b"" if empty else out.body)
    answer_whole(turn.exchange, request, sent, turn.head_of(out, response), turn.journal.now())
    return out.keep


async def _send_in_pieces(turn: RequestTurn, response: Response, out: Outgoing) -> bool:
    """Send a stream or a file; whether the connection goes on."""
    turn.exchange.begin(turn.head_of(out, response), Growing(turn, SentResponse(out.status, out.fields)))
    first = True
    async with contextlib.aclosing(_pieces(out)) as pieces:
        async for data in pieces:
            if not data:
                continue
            if not first and response.interval:
                await clock.sleep(response.interval)
            first = False
            if turn.over:
                return False
            await turn.piece(data, chunked=out.chunked)
    turn.end(out.trailers, chunked=out.chunked)
    return out.keep


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
    async with contextlib.aclosing(each(out.stream() if callable(out.stream) else out.stream)) as pieces:
        async for piece in pieces:
            yield _checked(piece)


def _checked(piece: object) -> bytes:
    if isinstance(piece, str):
        return utf8(piece)
    if not isinstance(piece, (bytes, bytearray, memoryview)):
        raise TypeError(f"stream must give bytes or text, not {piece!r}")
    return bytes(piece)
