"""One request to an ASGI application, by the specification's version 3."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_netmocks.protocols.web.prepare import bodiless, today
from pytest_netmocks.protocols.web.requests import HttpRequest, SentResponse
from pytest_netmocks.protocols.web.response import REASONS
from pytest_netmocks.protocols.web.sender import Growing, answer_whole
from pytest_netmocks.protocols.web.turn import RequestTurn

START, BODY = "http.response.start", "http.response.body"
EARLY_HINT, TRAILERS = "http.response.early_hint", "http.response.trailers"

EMPTY = 205
"""The status whose body has no bytes, whatever the application sends (RFC 9110, section 15.3.6)."""

Fields = list[tuple[bytes, bytes]]


def extensions(request: HttpRequest) -> dict[str, dict[str, Any]]:
    """What this client can be sent beyond the core of the specification."""
    if request.http_version == "1.0":
        return {}
    offered: dict[str, dict[str, Any]] = {EARLY_HINT: {}}
    accepted = request.headers.get("te", "").lower().split(",")
    if any(part.partition(";")[0].strip() == "trailers" for part in accepted):
        offered[TRAILERS] = {}
    return offered


class Call:
    """One request to the application: what it receives and what it sends."""

    def __init__(self, turn: RequestTurn) -> None:
        self._turn = turn
        self._request = turn.request
        self._exchange = turn.exchange
        self._body = turn.body
        self._told = False
        self._chunked = False
        self._start: dict[str, Any] | None = None
        self._body_ended = False
        self._fields: Fields = []
        """What the head says, besides the server's Date."""
        self._trailers: Fields = []
        self._gone = turn.gone
        self._silent = False
        self._declared: int | None = None
        self._length = 0
        self.begun = False
        self.complete = False
        """Whether the whole answer is out."""
        self._keep = turn.keep

    # What it receives

    async def receive(self) -> dict[str, Any]:
        """The next piece of the body when there is one; after it, and where it breaks off, that the client has gone."""
        taken = await self._body.take()
        if taken is not None:
            return {"type": "http.request", "body": taken[0], "more_body": taken[1]}
        await self._gone.wait()
        self._told = True
        return {"type": "http.disconnect"}

    @property
    def at_hand(self) -> bool:
        """Whether all of the body has come, so that the first piece is the whole."""
        return self._body.ended

    @property
    def left(self) -> bool:
        """Whether the client has gone, as far as the application can know."""
        return self._told or self._over

    @property
    def _over(self) -> bool:
        return self._turn.over or (self._turn.link.is_closing() and not self.complete)

    # What it sends

    async def send(self, message: dict[str, Any]) -> None:
        """Take what it sends. Raises `OSError` when the client has gone, `RuntimeError` for what has no place there."""
        kind = message["type"]
        if self._over and not self.complete:
            raise ConnectionAbortedError("the client has gone")
        if kind not in self._expected:
            expected = " or ".join(self._expected) or "nothing more, since the answer is complete"
            raise RuntimeError(f"app: it sent {kind}; expected was {expected}")
        if kind == START:
            status = message["status"]
            if not isinstance(status, int) or not 200 <= status <= 999:
                raise ValueError(f"app: the status of an answer must be a number from 200 to 999, not {status!r}")
            self._start = message
        elif kind == BODY:
            body = message.get("body", b"")
            if not isinstance(body, (bytes, bytearray, memoryview)):
                raise TypeError(f"app: the body of {BODY} must be bytes, not {body!r}")
            await self._answer(bytes(body), more=bool(message.get("more_body", False)))
        elif kind == EARLY_HINT:
            self._hint(message.get("links", ()))
        else:
            self._trailers += checked(message.get("headers", ()))
            if not message.get("more_trailers", False):
                self._finish()

    @property
    def _expected(self) -> tuple[str, ...]:
        if self.complete:
            return ()
        if self._start is None:
            return (START, EARLY_HINT) if EARLY_HINT in extensions(self._request) else (START,)
        return (TRAILERS,) if self._body_ended else (BODY,)

    def _hint(self, links: Iterable[bytes]) -> None:
        self._turn.interim(103, [*checked((b"Link", link) for link in links)])

    async def _answer(self, body: bytes, *, more: bool) -> None:
        assert self._start is not None
        trailers = bool(self._start.get("trailers", False))
        pieces = more or trailers
        head = None if self.begun else self._head(len(body), more=pieces)
        self._count(len(body), more=more)
        data = b"" if self._silent else body
        if head is not None:
            self.begun = True
            sent = SentResponse(self._start["status"], [*self._fields, *self._request.more_fields])
            if not pieces:
                sent.body = data
                answer_whole(self._exchange, self._request, sent, head, self._turn.journal.now())
                self._finish(whole=True)
                return
            self._exchange.begin(head, Growing(self._turn, sent))
        if data:
            await self._turn.piece(data, chunked=self._chunked)
        self._body_ended = not more
        if not pieces:
            self._finish()

    def _finish(self, *, whole: bool = False) -> None:
        """The answer is out: the connection goes on, whatever the application still has to do."""
        if not whole:
            self._turn.end([*self._trailers], chunked=self._chunked and not self._silent)
        self.complete = True
        self._gone.set()
        self._turn.done(going=self._keep)

    def _count(self, size: int, *, more: bool) -> None:
        """Raise `RuntimeError` where the body is not as long as the application said."""
        self._length += size
        if self._declared is None or self._silent:
            return
        if self._length > self._declared or (not more and self._length < self._declared):
            raise RuntimeError(f"app: its Content-Length is {self._declared}, its body has {self._length} bytes")

    def _head(self, size: int, *, more: bool) -> bytes:
        assert self._start is not None
        status = self._start["status"]
        empty = status == EMPTY
        self._silent = self._request.method == "HEAD" or bodiless(status) or empty
        # By the specification the framing is the server's.
        framing = (b"transfer-encoding", b"content-length") if empty else (b"transfer-encoding",)
        fields = [pair for pair in checked(self._start.get("headers", ())) if pair[0].lower() not in framing]
        names = {name.lower(): value for name, value in fields}
        if b"content-length" in names:
            self._declared = int(names[b"content-length"])
        elif not bodiless(status):
            if empty:
                fields.append((b"Content-Length", b"0"))
            elif not more:
                fields.append((b"Content-Length", b"%d" % size))
            elif self._request.http_version == "1.0":
                self._keep = False
            elif self._request.http_version != "2":  # whose frames say where it ends
                self._chunked = True
                fields.append((b"Transfer-Encoding", b"chunked"))
        self._keep = self._keep and b"close" not in names.get(b"connection", b"").lower()
        if (not more or size == self._declared) and not self._body.spare:
            self._keep = False  # the answer is whole, and what the client still sends is too much to be read past
        if not self._keep and b"close" not in names.get(b"connection", b"").lower():
            fields.append((b"Connection", b"close"))
        elif b"connection" not in names and self._request.http_version == "1.0" and self._keep:
            fields.append((b"Connection", b"keep-alive"))
        self._fields = fields
        reason = self._start.get("reason", REASONS.get(status, ""))
        dated = [] if b"date" in names else [(b"Date", today())]
        return self._turn.head(status, reason, [*fields, *self._request.more_fields, *dated])


def checked(given: Iterable[tuple[Any, Any]]) -> Fields:
    """Fields as they go out. Raises `TypeError` for what is not bytes, `ValueError` for more than one line."""
    fields: Fields = []
    for name, value in given:
        if not isinstance(name, (bytes, bytearray)) or not isinstance(value, (bytes, bytearray)):
            raise TypeError(f"app: a header must have a name and a value of bytes, not {name!r}: {value!r}")
        if any(end in part for end in (b"\r", b"\n") for part in (name, value)):
            raise ValueError(f"app: a header must not have line breaks, not {name!r}: {value!r}")
        fields.append((bytes(name), bytes(value)))
    return fields
