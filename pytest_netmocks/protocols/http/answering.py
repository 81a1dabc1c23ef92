"""`Answering`: one request comes to its answer, whichever version of HTTP it came by: the same rules and mounts.

A subclass says what carries the answer: a connection with one request after another, or a stream with one.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.http.desk import HttpDesk
from pytest_netmocks.protocols.http.rules import HttpAnswer, HttpRule, Matching, make
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response, failed
from pytest_netmocks.protocols.web.sender import respond, send_at_once, send_interim, send_plain
from pytest_netmocks.protocols.web.turn import RequestTurn
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.usercode import in_a_thread

LONG = 8 * 1024
"""Characters of a query above which nobody looks into it in the loop that belongs to all."""


class Answering:
    """The part of a connection, or of a stream, that has a request answered."""

    link: Link
    journal: Journal
    connection: Connection
    over: bool
    _desk: HttpDesk
    _keep: bool
    """Whether the connection may be kept after the request that is being answered."""
    _turn: RequestTurn | None
    """The request that is being answered by a task."""
    _task: asyncio.Task[None] | None

    @abstractmethod
    def _turn_of(self, request: HttpRequest, verdict: Verdict[HttpRule], *, keep: bool) -> RequestTurn:
        """The request on its way to its answer."""

    @abstractmethod
    def _sent(self, *, going: bool) -> None:
        """The answer went out at once; the connection goes on or ends."""

    @abstractmethod
    def _close(self) -> None:
        """End what carries the answer."""

    def _speaks_instead(self, request: HttpRequest, verdict: Verdict[HttpRule]) -> bool:
        """Whether a fault has spoken in place of the answer, in a way that needs none."""
        return False

    def _next(self) -> None:
        """Nothing is being answered: there may be more to do."""

    _send_plain = staticmethod(send_plain)

    def _answer(self, request: HttpRequest) -> None:
        self.journal.request(self.connection, request)
        if request.received_at is not None:
            self._tell_of_body(request)
        desk = self._desk
        if desk.max_requests is not None and request.number >= desk.max_requests:
            self._keep = False
        if len(request.query_string) > LONG or (desk.looks_at_bodies and (desk.calls_to_match or request.is_heavy)):
            self._start(self._answer_apart(request), request)
        else:
            self._decide(request, desk.matching)

    def _tell_of_body(self, request: HttpRequest) -> None:
        if request.received_at is not None:
            self.journal.phase(request.received_at, self.connection.id, request, "body")

    async def _answer_apart(self, request: HttpRequest) -> None:
        """Let rules look at much, or ask users' functions, in a thread: the loop belongs to all."""
        found = asyncio.ensure_future(in_a_thread(self._desk.matching, request))
        found.add_done_callback(lambda future: future.cancelled() or future.exception())
        await asyncio.wait([found])
        self._task = None
        self._decide(request, lambda _: found.result())
        if self._task is None:
            self._next()

    def _decide(self, request: HttpRequest, matching: Callable[[HttpRequest], Matching]) -> None:
        desk = self._desk
        try:
            verdict = desk.decide(request, matching(request))
        except Exception as error:  # noqa: BLE001  # a user's matcher raised
            self.journal.failed(self.connection.id, error, request.stream)
            self._go(request, Verdict(None, None, []), HttpAnswer(failed(error), 0.0, False))
            return
        if verdict.injections and self._speaks_instead(request, verdict):
            return
        answer = verdict.take() if verdict.answering is not None else desk.fallback(request)
        if isinstance(answer, HttpAnswer):
            self._go(request, verdict, answer)
        else:
            turn = self._turn = self._turn_of(request, verdict, keep=self._keep)
            self._start(answer(turn), request)

    def _go(self, request: HttpRequest, verdict: Verdict[HttpRule], answer: HttpAnswer) -> None:
        keep = self._keep and not verdict.then_close
        made = answer.made
        if (
            isinstance(made, Response)
            and keep
            and not (verdict.injections or answer.delay)
            and self._send_plain(self.link, request, made, verdict.answering)
        ):
            return
        turn = self._turn_of(request, verdict, keep=keep)
        if isinstance(made, Response):
            if made.interim:
                send_interim(turn, made)
            going = send_at_once(turn, made) if not answer.delay else None
            if isinstance(going, bool):
                self._sent(going=going)
                return
        self._turn = turn
        self._start(self._later(turn, answer), request)

    def _start(self, coroutine: Any, request: HttpRequest) -> None:
        self._task = self._desk.tasks.start(
            coroutine, self.connection.id, failed=lambda: self._broke(request), stream=request.stream
        )

    async def _later(self, turn: RequestTurn, answer: HttpAnswer) -> None:
        if answer.delay:
            await self.link.pause(answer.delay)
        try:
            response = await make(answer, turn.request)
        except Exception as error:  # noqa: BLE001  # a user's function raised: the test fails, the client gets a 500
            turn.fail(error)
            response = failed(error)
        if not self.over:
            await respond(turn, response, begun=response is answer.made)

    def _broke(self, request: HttpRequest) -> None:
        """Users' code failed: an answer if none has begun, and the end."""
        self._task = self._turn = None
        if request.response is None and not self.over:
            error = self.journal.errors[-1] if self.journal.errors else RuntimeError("failed")
            self._answer_without_rules(request, failed(error))
        self._close()

    def _answer_without_rules(self, request: HttpRequest, answer: Response) -> None:
        send_at_once(self._turn_of(request, Verdict(None, None, []), keep=False), answer)
