"""`CallSession`: one call on its stream: messages come in, a rule or a servicer answers, a status ends it.

    stream -> CallSession (messages, deadline) -> a rule's reply, or a servicer with its context -> Answer -> stream

A call is decided over when what decides is there: its head for methods that stream both ways, else its last message.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from pytest_netmocks import clock, usercode
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.grpc import frames, timeout
from pytest_netmocks.protocols.grpc.answer import Answer
from pytest_netmocks.protocols.grpc.context import Context
from pytest_netmocks.protocols.grpc.heads import broken_off, check_size, http, in_words
from pytest_netmocks.protocols.grpc.inflow import Inflow
from pytest_netmocks.protocols.grpc.metadata import Metadata, read
from pytest_netmocks.protocols.grpc.methods import Method, encoded
from pytest_netmocks.protocols.grpc.records import GrpcCall
from pytest_netmocks.protocols.grpc.reply import GrpcReply, refuse_number
from pytest_netmocks.protocols.grpc.rules import GrpcAnswer, GrpcRule, Moment
from pytest_netmocks.protocols.grpc.serving import Served
from pytest_netmocks.protocols.grpc.status import CallError, Status
from pytest_netmocks.protocols.h2.exchange import FramedExchange
from pytest_netmocks.protocols.h2.session import Session
from pytest_netmocks.protocols.h2.stream import Stream
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.records.shelf import keep
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.servers.backpressure import Reading
from pytest_netmocks.servers.tasks import Tasks

T = TypeVar("T")

_MANY = "many messages wait"

_OWN = frozenset({b"content-type", b"grpc-timeout", b"grpc-encoding", b"grpc-accept-encoding"})
"""Fields of a call that the protocol itself looks at."""

NEAR = 0.1
"""Seconds before a deadline in which a client that gives up does so for the deadline's sake: clocks are apart by the
way of the call."""


@functools.lru_cache(64)  # most calls of a connection are like the one before
def _said(fields: tuple[tuple[bytes, bytes], ...]) -> tuple[dict[bytes, bytes], Metadata]:
    """What the protocol itself looks at, and the metadata."""
    return {name: value for name, value in fields if name in _OWN}, read(fields)


class Desk(Protocol):
    """What a call asks of its server."""

    journal: Journal
    tasks: Tasks

    @property
    def max_message(self) -> int:
        """Bytes of a client's message, at most."""

    @property
    def max_streams(self) -> int:
        """How many calls a connection may have open at once."""

    @property
    def max_calls(self) -> int | None:
        """How many calls a connection may have."""

    @property
    def asks_functions(self) -> bool:
        """Whether some rule asks a user's function if it matches."""

    def run_in_loop(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run it in the servers' loop and wait for it; its result or its exception."""

    def find(self, call: GrpcCall) -> Method | None:
        """What is known of the method that is called."""

    def moment(self, call: GrpcCall, method: Method | None) -> Moment:
        """When the call is to be decided over."""

    def matching(self, call: GrpcCall) -> list[GrpcRule]:
        """The rules that match the call, the newest first; in any thread."""

    def decide(self, call: GrpcCall, matching: list[GrpcRule]) -> Verdict[GrpcRule]:
        """Who answers, and with which faults."""

    def unknown(self, call: GrpcCall) -> Status:
        """What is said of a method that nobody has."""


class CallSession(asyncio.Protocol):
    """One call; every method belongs to the loop's thread unless it says otherwise."""

    def __init__(self, desk: Desk, connection: Session, stream: Stream) -> None:
        self._desk = desk
        self._connection = connection
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._context: Context | None = None
        self._method: Method | None = None
        self._moment: Moment = "end"
        self._decided = False

        head = stream.request
        self._own, metadata = _said(tuple(head.fields))
        self._reading = Reading(stream.link)
        self._inflow = Inflow(self._loop, self._has_room)
        self._began = clock.now()
        path, at = head.path.decode("latin-1"), desk.journal.now()
        call = self.call = GrpcCall(path, metadata, stream.connection, stream.id, at, self._inflow)
        call.authority = (head.authority or b"").decode("latin-1")
        call.encoding = self._own.get(b"grpc-encoding", b"identity").decode("latin-1")
        accepts = self._own.get(b"grpc-accept-encoding", b"")
        self._answer = Answer(stream, call, desk.journal, accepts, self._over)
        self._messages = frames.Messages(call.encoding, desk.max_message)

    # What comes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        call, method, content = self.call, self._stream.request.method, self._own.get(b"content-type", b"")
        if method != b"POST" or not content.startswith(b"application/grpc"):
            self._refuse_http(method, content)
            return
        self._desk.journal.request(self._stream.connection, call)
        if self._desk.max_calls is not None and call.number >= self._desk.max_calls:
            self._stream.is_last = True
        try:
            frames.check_coding(call.encoding)
            check_size(self._stream.request)
            if b"grpc-timeout" in self._own:
                call.deadline = timeout.seconds(self._own[b"grpc-timeout"].decode("latin-1"))
                self._timer = self._loop.call_later(call.deadline, self._too_late)
            self._method = self._desk.find(call)
        except CallError as error:
            self._refuse(error.status)
            return
        except Exception as error:  # noqa: BLE001  # a generic handler of a user's raised
            self._broke(error)
            return
        self._moment = self._desk.moment(call, self._method)
        if self._moment == "head":
            self._loop.call_soon(self._decide)  # what came with it is on record then

    def data_received(self, data: bytes) -> None:
        if self._answer.over:
            return
        try:
            message = self._messages.only(data)
            if message is not None:  # by far the most
                self._came(message)
                return
            self._messages.add(data)
            while (message := self._messages.next()) is not None:
                self._came(message)
        except CallError as error:
            self._refuse(error.status)

    def _came(self, data: bytes) -> None:
        method = self._method
        message: Any = data
        if method is not None and method.read is not None:
            try:
                message = method.read(data)
            except Exception as error:  # whatever a user's deserializer raises of a client's bytes
                if method.serve is not None:
                    raise CallError("INTERNAL", f"a message is none of {method.path}: {error}") from error
        keep(self.call.messages, message, self._desk.journal.max_records)
        self._inflow.put(message)
        if self._inflow.is_full:
            self._reading.hold(_MANY)
        if self._moment == "message":
            self._decide()

    def _has_room(self) -> None:
        self._reading.go_on(_MANY)

    def eof_received(self) -> bool:
        call = self.call
        call.complete = True
        self._inflow.end()
        if not self._answer.over:
            if self._messages.rest:
                self._refuse(Status("INTERNAL", f"the last message is cut off: {self._messages.rest} bytes of it came"))
            else:
                self._decide()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        call, answer = self.call, self._answer
        if call.status is None and self._stream.record.closed_by == "client":
            left = self.time_remaining()
            nearly = left is not None and left <= min(NEAR, (call.deadline or 0.0) / 2)
            call.status = "DEADLINE_EXCEEDED" if nearly else "CANCELLED"
            call.details = str(error or "the connection has ended")
            call.cancelled = True
            call.ended_at = self._desk.journal.now()
        if not answer.over:
            answer.ended()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def pause_writing(self) -> None:
        self._answer.hold()

    def resume_writing(self) -> None:
        self._answer.go_on()

    # Who answers

    def _decide(self) -> None:
        if self._decided or self._answer.over:
            return
        self._decided = True
        if self._desk.asks_functions:
            self._start(self._decide_apart())
        else:
            self._go(self._desk.matching(self.call))

    async def _decide_apart(self) -> None:
        """Ask users' functions in a thread: the loop belongs to all."""
        try:
            matching = await usercode.in_a_thread(self._desk.matching, self.call)
        except Exception as error:  # noqa: BLE001  # a user's matcher raised
            self._broke(error)
            return
        self._go(matching)

    def _go(self, matching: list[GrpcRule]) -> None:
        verdict = self._desk.decide(self.call, matching)
        self._answer.exchange = FramedExchange(self._connection, self._stream, verdict, self.call)
        if verdict.injections and self._connection.strike(self._stream, verdict):
            self._answer.ended()
            return
        if verdict.answering is not None:
            answer: GrpcAnswer = verdict.take()
            self._stream.is_last = self._stream.is_last or verdict.then_close
            self.call.answered_by = verdict.answering.label
            if isinstance(answer.made, GrpcReply) and not answer.delay:
                self._give(answer.made)
            else:
                self._start(self._later(answer))
        elif self._method is not None and self._method.serve is not None:
            self._serve(self._method)
        else:
            self._refuse(self._desk.unknown(self.call))

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._desk.tasks.start(
            coroutine,
            self.call.connection.id,
            failed=self._failed,
            excused=self._excused,
            stream=self.call.stream,
            told=self._begins,
        )

    def _begins(self, task: asyncio.Task[None]) -> None:
        self._task = task  # before its first step, which may break off the call

    def _excused(self, error: BaseException) -> bool:
        """Code whose call has been broken off under it is not to blame."""
        return self.call.cancelled and isinstance(error, (ConnectionError, type(broken_off())))

    # A rule's reply

    async def _later(self, answer: GrpcAnswer) -> None:
        if answer.delay:
            await self._stream.link.pause(answer.delay)
        made = answer.made
        if not isinstance(made, GrpcReply):
            made = await usercode.call(made, self.call)
            made = made if isinstance(made, GrpcReply) else GrpcReply(made)
        if made.encoded is None:
            made.fit(self._method)
        if not self._answer.over:
            self._give(made)

    def _give(self, reply: GrpcReply) -> None:
        answer, data = self._answer, reply.encoded
        answer.accept(reply.compression)
        if reply.http_status is not None:
            answer.raw(http(reply.http_status, reply.initial_metadata), reply.raw or b"")
        elif data is None or reply.raw is not None or len(data) > 1:
            self._start(self._give_pieces(reply))
        elif data:
            answer.whole(reply.messages[0], data[0], reply.status, reply.initial_metadata, reply.trailing_metadata)
        else:
            answer.nothing(reply.status, reply.initial_metadata, reply.trailing_metadata)

    async def _give_pieces(self, reply: GrpcReply) -> None:
        answer = self._answer
        answer.begin(reply.initial_metadata)
        if reply.raw is not None:
            answer.bytes_instead(reply.raw)
        count = 0
        async with contextlib.aclosing(usercode.each(reply.messages)) as messages:
            async for message in messages:
                if count and reply.interval:
                    await clock.sleep(reply.interval)
                if answer.over:
                    return
                answer.message(message, encoded("each reply", message, self._method))
                count += 1
                await answer.room()
        if reply.raw is None:
            refuse_number(count, reply.status, self._method)
        if not answer.over:
            answer.end(reply.status, reply.trailing_metadata)

    # A servicer

    def _serve(self, method: Method) -> None:
        call = self.call
        call.answered_by = f"the servicer of {call.service}"
        if not method.takes_stream and len(call.messages) != 1:
            self._refuse(Status("UNIMPLEMENTED", f"{method.path} takes one message, not {len(call.messages)}"))
            return
        served = Served(call, self._answer, self._inflow, method, self.time_remaining, self._desk.run_in_loop)
        self._context = served.context
        self._start(served.run())

    def time_remaining(self) -> float | None:
        """Seconds until the client's deadline, `None` without one."""
        deadline = self.call.deadline
        return None if deadline is None else max(0.0, self._began + deadline - clock.now())

    # Ends without a rule or servicer

    def _refuse(self, status: Status) -> None:
        self._decided = True
        self._answer.finish(status, Metadata())

    def _too_late(self) -> None:
        if not self._answer.over:
            task, self._task = self._task, None
            self._refuse(Status("DEADLINE_EXCEEDED", f"the deadline of {self.call.deadline:g} s is over"))
            if task is not None:
                task.cancel()

    def _broke(self, error: BaseException) -> None:
        """Users' code raised: the test fails, and the client hears of it."""
        self._desk.journal.failed(self.call.connection.id, error, self.call.stream)
        self._failed()

    def _failed(self) -> None:
        errors = self._desk.journal.errors
        self._refuse(Status("UNKNOWN", in_words(errors[-1]) if errors else "the servicer failed"))

    def _refuse_http(self, method: bytes, content: bytes) -> None:
        """What is no call of gRPC gets an answer of HTTP."""
        self._decided = True
        post = method == b"POST"
        what = f"content-type {content.decode('latin-1')!r}" if post else method.decode("latin-1")
        self._desk.journal.note(self.call.connection.id, f"{what} on stream {self._stream.id}: it is no call of gRPC")
        fields = http(415 if post else 405, Metadata())
        self._answer.raw(fields, b"this is a gRPC server: calls are POST of application/grpc\n")

    def _over(self) -> None:
        """The call is over: who asked to be told is told."""
        if self._timer is not None:
            self._timer.cancel()
        self._inflow.end(broken_off() if self.call.cancelled else None)
        context, self._context = self._context, None
        if context is not None:
            for callback in context.ended(cancelled=self.call.cancelled):
                self._desk.tasks.start(_called(callback), self.call.connection.id, stream=self.call.stream)


class Calls(Session):
    """One connection: each stream is a call."""

    def __init__(self, desk: Desk, link: Link, connection: Connection) -> None:
        super().__init__(link, connection, desk.journal, self._call, max_streams=desk.max_streams)
        self._desk = desk

    def _call(self, stream: Stream) -> asyncio.BaseProtocol:
        return CallSession(self._desk, self, stream)


async def _called(callback: Callable[[], object]) -> None:
    await usercode.in_a_thread(callback)
