"""`Answering`: the base of dialogues whose commands get their usual answer, or a rule's.

    answer() -> usual()                      no rule answers
             -> [delay, a function] -> by_rule()      `ahead` is what usual() gave, if the function has asked for it

What an answer is (its lines, what is to be done behind it) the protocol says: `D`.
"""

from __future__ import annotations

import contextlib
import functools
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

from pytest_netmocks.link.link import Link
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.rules.commands import CommandAnswer
from pytest_netmocks.rules.dialect import Dialect
from pytest_netmocks.servers.desk import CommandDesk
from pytest_netmocks.servers.dialogue import Dialogue
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.sasl import Authentication
from pytest_netmocks.servers.starttls import begin_tls
from pytest_netmocks.servers.usual import Answerable, offered

R = TypeVar("R", bound=Answerable)
D = TypeVar("D")


class Answering(Dialogue, Generic[R, D]):
    """One connection of such a protocol; a greeting is an answer to no request."""

    dialect: ClassVar[Dialect]
    """What its replies look like."""

    def __init__(self, desk: CommandDesk[Any, Any], link: Link, connection: Connection) -> None:
        super().__init__(link, connection, desk.tasks)
        self._asks = desk

    # What a subclass says

    @abstractmethod
    def by_usual(self, exchange: Exchange, request: R | None, done: D) -> None:
        """Give the usual answer, and go on with what is behind it."""

    @abstractmethod
    def by_rule(
        self,
        exchange: Exchange,
        request: R | None,
        answer: CommandAnswer[Any],
        text: str | None,
        usual: Callable[[], D],
        ahead: D | None,
    ) -> None:
        """Give a rule's answer: its text, or its raw bytes; `ahead` is the usual one if that was asked for."""

    @abstractmethod
    def in_words(self, done: D) -> str:
        """The usual answer as `usual` has it."""

    @abstractmethod
    def forget(self) -> None:
        """What has come and waits is not wanted."""

    @abstractmethod
    def upgraded(self) -> None:
        """TLS is there."""

    # What it is given

    def answer(self, verdict: Verdict[Any], request: R | None, usual: Callable[[], D]) -> None:
        """Answer as usual, which has the command executed, or as a rule has it."""
        exchange = Exchange(self.link, verdict, request)
        if verdict.answering is None:
            self.by_usual(exchange, request, usual())
            return
        answer: CommandAnswer[Any] = verdict.take()
        if answer.delay or callable(answer.reply):
            self.answer_later(self._later(exchange, request, answer, usual))
        else:
            assert not callable(answer.reply)
            self.by_rule(exchange, request, answer, answer.reply, usual, None)

    async def _later(
        self, exchange: Exchange, request: R | None, answer: CommandAnswer[Any], usual: Callable[[], D]
    ) -> None:
        if answer.delay:
            await self.link.pause(answer.delay)
        if answer.reply is None:
            self.by_rule(exchange, request, answer, None, usual, None)
            return
        ahead: list[D] = []

        def run_ahead() -> str:
            ahead.append(usual())
            return self.in_words(ahead[0])

        asking: Any = contextlib.nullcontext()
        if request is not None:
            asking = offered(request, run_ahead, self._asks.run_in_loop)
        with asking:
            text = await answer.text(self.connection if request is None else request)
        if not self.over:  # else the client did not wait
            self.by_rule(exchange, request, answer, text, usual, ahead[0] if ahead else None)

    def answer_response(self, request: R, authentication: Authentication[D], respond: Callable[[], D]) -> bool:
        """Whether rules answer the client's next response in an exchange of SASL, which `respond` goes on with.

        A rule whose next reply is a refusal gives it now, and so does an `Answer` of a sweep.
        """
        verdict = self._asks.decide(request, again=True)
        rule = verdict.answering
        if rule is None or (rule.in_place_of is None and not self.dialect.refuses(rule.next_reply or "")):
            return False
        waited, authentication.waits_in = authentication.waits_in, None

        def usual() -> D:
            authentication.waits_in = waited
            return respond()

        self.answer(verdict, request, usual)
        return True

    def later_answer(self, request: R | None = None) -> Exchange:
        """The exchange of an answer that no rule is asked about."""
        return Exchange(self.link, Verdict(None, None, []), request)

    # The end

    def close(self) -> None:
        """End the connection; what was sent behind the last command is not executed."""
        self.over = True
        self.link.close()

    def closes(self, exchange: Exchange) -> bool:
        """Whether the rule says that its answer was the last, which then ends the connection."""
        self.over = self.over or exchange.close_if_last()
        return self.over

    def login_failed(self) -> None:
        """Put a failed login on its address, before the answer."""
        self._asks.login_failed(self.connection)

    # TLS

    @property
    def is_secure(self) -> bool:
        """Whether it speaks TLS."""
        return self.link.get_extra_info("ssl_object") is not None

    def upgrade(self) -> None:
        """Go on over TLS, once what was said has left; what came behind the command in plain text is forgotten."""
        self.end_plain_text()
        self.answer_later(self._upgrade())

    async def _upgrade(self) -> None:
        if await begin_tls(self.link, self.forget, functools.partial(self._asks.secure, self.connection)):
            self.upgraded()
            self.go_on_over_tls()
