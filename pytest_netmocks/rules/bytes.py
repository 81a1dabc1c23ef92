"""Rules over bytes, for the servers whose clients speak no protocol that we know: TCP streams and datagrams."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, Self, TypeVar

from pytest_netmocks import check, usercode
from pytest_netmocks.clock import Pause
from pytest_netmocks.faults.base import Fault
from pytest_netmocks.rules.base import Rule

Request = TypeVar("Request")

Reply = bytes | Callable[[Request], bytes | Awaitable[bytes]]


def compile_pattern(pattern: object) -> re.Pattern[bytes]:
    """A pattern that finds these bytes, or the pattern that was given. Raises `TypeError` for anything else."""
    if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, bytes):
        return pattern
    if not isinstance(pattern, bytes):
        raise TypeError(f"pattern must be bytes or a compiled pattern of bytes, not {pattern!r}")
    return re.compile(re.escape(pattern))


class Stream(Protocol):
    """A server over a stream, as far as its rules know it."""

    def begin_tls_later(self) -> None:
        """Let TLS begin in the middle of a conversation. Raises `ValueError` where it is there already."""


@dataclasses.dataclass(slots=True)
class ByteAnswer(Generic[Request]):
    """One answer: its pieces, and how long after the match it is given."""

    pieces: tuple[Reply[Request], ...]
    delay: float
    then_tls: bool = False
    """Whether TLS begins behind it."""

    @property
    def ready(self) -> list[bytes]:
        """The pieces, if nothing has to be waited for or called; else nothing."""
        ready = [piece for piece in self.pieces if isinstance(piece, bytes)]
        return ready if not self.delay and len(ready) == len(self.pieces) else []

    @property
    def in_threads(self) -> bool:
        """Whether it has a plain function, which runs in a thread."""
        return any(callable(piece) and not usercode.is_coroutine_function(piece) for piece in self.pieces)

    async def make(self, request: Request, pause: Pause) -> list[bytes]:
        """The pieces, once the delay is over and the functions have given theirs."""
        await self.wait(pause)
        return await self.call(request)

    async def wait(self, pause: Pause) -> None:
        """Let the delay pass."""
        if self.delay:
            await pause(self.delay)

    async def call(self, request: Request) -> list[bytes]:
        """The pieces, once the functions have given theirs. Raises `TypeError` if one gives something else."""
        made = []
        for piece in self.pieces:
            data: Any = await usercode.call(piece, request) if callable(piece) else piece
            check.instance("what a reply function gives", data, bytes, "bytes")
            made.append(data)
        return made


class ByteRule(Rule[ByteAnswer[Request]], Generic[Request]):
    """What `when` of a TCP or UDP server begins."""

    def __init__(
        self,
        label: str,
        pattern: re.Pattern[bytes] | None = None,
        literal: bytes | None = None,
        *,
        stream: Stream | None = None,
    ) -> None:
        super().__init__(label)
        self._stream = stream
        self.pattern = pattern
        self.literal = literal
        """The bytes that the pattern finds, if it finds only those."""

    def wrong_way(self, fault: Fault) -> str | None:
        """On a stream a fault upstream strikes what the client sends after the match."""
        return None if self._stream is not None else super().wrong_way(fault)

    def reply(
        self, *data: Reply[Request], times: int | None = None, delay: float = 0.0, then_close: bool = False
    ) -> Self:
        """Answer with these bytes (for UDP: a datagram each); gives the rule, so that answers chain to a sequence.

        A function or coroutine function of the request may stand for bytes; a plain one runs in a thread of its own and
        may block. Each answer is given `times` times (1 unless said), the last for ever unless said, `delay` seconds
        after the match. `then_close` ends the connection in good order after it. Raises `TypeError` or `ValueError`
        that names the argument.
        """
        if not data:
            raise TypeError("reply() needs what to answer: bytes, or a function of the request that gives bytes")
        for piece in data:
            if not callable(piece):
                check.instance("reply", piece, bytes, "bytes or a function of the request")
        check.number("delay", delay, unit="seconds", minimum=0)
        return self._add(ByteAnswer(data, delay), times, then_close=then_close)

    def start_tls(self) -> Self:
        """Let TLS begin behind the answer that was added last, once that has left; gives the rule.

        What the client has sent behind its request belongs to the handshake: plain text makes that fail
        (CVE-2011-0411). Where there is TLS already the answer is all. Raises `ValueError` where there is no answer, or
        the last of its connection, on a server that speaks TLS from the first byte, and on one that has no streams.
        """
        if self._stream is None:
            return super().start_tls()
        last = self._steps[-1] if self._steps else None
        if last is None or last.then_close:
            what = "closes the connection" if last is not None else "gives no answer"
            raise ValueError(f'start_tls() begins behind an answer, and {self.label} {what}: reply(b"S").start_tls()')
        self._stream.begin_tls_later()
        last.answer.then_tls = True
        return self
