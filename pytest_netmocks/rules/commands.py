"""Rules over commands and their arguments, for the protocols that speak in lines and replies of some dialect."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, Self, TypeVar

from pytest_netmocks import check, usercode
from pytest_netmocks.faults.base import DirectedFault, Fault
from pytest_netmocks.limits import By, Kind, Limit
from pytest_netmocks.matchers import AnyOf, Not, check_leaves, fits_text
from pytest_netmocks.records.sides import Sides
from pytest_netmocks.records.words import counted
from pytest_netmocks.rules.base import Rule, everything
from pytest_netmocks.rules.dialect import Dialect

Request = TypeVar("Request")

Reply = str | Callable[[Request], str | Awaitable[str]]

Command = str | Not | AnyOf
"""The name of a command, any but that, or one of several."""

Wanted = str | re.Pattern[str] | Not | AnyOf | None
"""What an argument may have to be."""


@dataclasses.dataclass(slots=True)
class CommandAnswer(Generic[Request]):
    """One answer: a reply, a function that gives one, or raw bytes; and how long it takes."""

    dialect: Dialect
    reply: Reply[Request] | None
    raw: bytes | None
    delay: float
    data: bytes | None = None
    execute: bool = False

    async def text(self, request: Request) -> str:
        """The reply. Raises what the function raises, or `ValueError` for what is none."""
        made: Any = await usercode.call(self.reply, request) if callable(self.reply) else self.reply
        self.dialect.check(made)
        return str(made)


def check_wanted(name: str, wanted: object) -> None:
    """Refuse what no argument can be compared with."""
    if wanted is not None:
        check_leaves(name, wanted, (str, re.Pattern, type(None)), "text or a compiled pattern of text")


def on_one_line(command: str, argument: str | None, reply: str) -> str:
    """A command and its reply on one line; of several lines the first, and how many follow."""
    first, *more = reply.splitlines() or ["no reply"]
    rest = f" (and {counted(len(more), 'line')})" if more else ""
    return f"{command}{f' {argument}' if argument else ''} -> {first}{rest}"


def in_words(command: str, argument: str | None, reply: str, refusals: str) -> Sides:
    """Both sides of a command; `refusals` are the first characters of replies that say no.

    Of several lines the one that says no counts, else the first.
    """
    lines = reply.splitlines() or [""]
    refused = lines[-1][:1] in refusals if lines[-1] else False
    answered = lines[-1] if refused else lines[0]
    rest = f" (and {counted(len(lines) - 1, 'line')})" if len(lines) > 1 and not refused else ""
    asked = f"{command}{f' {argument}' if argument else ''}"
    return Sides(asked, f"{answered}{rest}", refuses=refused, code=answered.split(" ", 1)[0])


class CommandRule(Rule[CommandAnswer[Request]], Generic[Request]):
    """What `when` of such a server begins."""

    def __init__(
        self,
        label: str,
        matches: Callable[[Any], object] = everything,
        *,
        dialect: Dialect,
        busy: str,
        transfers: bool = False,
        uploads: bool = False,
    ) -> None:
        super().__init__(label, matches)
        self._dialect = dialect
        self._busy = busy
        self._transfers = transfers
        self._uploads = uploads

    def wrong_way(self, fault: Fault) -> str | None:
        """An upload goes upstream, everything else down; a fault whose direction is its default goes with either."""
        if not isinstance(fault, DirectedFault) or fault.direction == "both":
            return None
        if not self._uploads:
            return super().wrong_way(fault)
        usual = next(field.default for field in dataclasses.fields(fault) if field.name == "direction")
        if fault.direction == "downstream" != usual:
            return f"{fault!r} acts on what the server sends, and {self.label} on what it gets: leave direction= out"
        return None

    def reply(
        self,
        reply: Reply[Request] | None = None,
        *,
        raw: bytes | None = None,
        execute: bool = False,
        data: bytes | None = None,
        times: int | None = None,
        delay: float = 0.0,
        then_close: bool = False,
    ) -> Self:
        """Answer with a reply and its code; gives the rule, so that answers chain to a sequence.

        A refusal (4xx or 5xx, `-ERR` of POP3) is given instead of executing the command, any other reply instead of its
        usual answer after executing it, and a 421 closes the connection. Several lines are separated by line feeds. A
        function or coroutine function of the request may stand for the text, and a plain one runs in a thread of its
        own and may block; `raw` bytes (none, too) go out as they are instead of executing it, or with `execute` instead
        of its usual answer. `data` is what a download or listing of FTP sends instead of the real thing. Each answer is
        given `times` times (1 unless said), the last for ever unless said, after `delay` seconds. `then_close` ends the
        session in good order after it (with `data` after the transfer's usual answer): what the client sent behind the
        command is not executed. Raises `TypeError` or `ValueError` that names the argument.
        """
        if (reply is not None) + (raw is not None) + (data is not None) != 1:
            raise TypeError('reply() needs one of a reply such as "450 Try again", raw= bytes and data= bytes')
        if reply is not None and not callable(reply):
            self._dialect.check(reply)
        check.instance("raw", raw, (bytes, type(None)), "bytes")
        check.instance("data", data, (bytes, type(None)), "bytes")
        check.instance("execute", execute, bool, "True or False")
        if execute and raw is None:
            raise ValueError("execute=True goes with raw=: a reply that is no refusal is given after executing anyhow")
        if data is not None and not self._transfers:
            raise ValueError(f"data= is what a download or a listing sends, and {self.label} is none")
        check.number("delay", delay, unit="seconds", minimum=0)
        return self._add(CommandAnswer(self._dialect, reply, raw, delay, data, execute), times, then_close=then_close)

    def limit(
        self, amount: int, per: float = 1.0, *, kind: Kind = "window", by: By = "client", reply: str | None = None
    ) -> Limit:
        """Let `amount` of what the rule matches through in `per` seconds, and answer more with `reply`.

        Unless said, that is the protocol's "later": 450 to a command (RFC 5321, section 4.2.3; RFC 959, section 4.2.2),
        421 and the end of the connection to a new connection. A `"window"` begins with the first that comes, a
        `"bucket"` is refilled evenly; each client address has its own, or `by="all"` they share one. It is in force
        until it is lifted, by `lift()` or at the end of a `with` block. Raises `TypeError` or `ValueError` that names
        the argument.
        """
        limit = Limit(amount, per, kind=kind, by=by)
        refusing: CommandRule[Request] = CommandRule(repr(limit), self.matches, dialect=self._dialect, busy=self._busy)
        limit.refusing = refusing.reply(self._busy if reply is None else reply)
        self.limits.append(limit)
        return limit

    @property
    def next_reply(self) -> str | None:
        """The reply that it would give now, if it is a text."""
        step = self._step
        return step.answer.reply if step is not None and isinstance(step.answer.reply, str) else None


class OwnLimits:
    """A server's own rate limits, which hold whichever rule matches."""

    def __init__(self, dialect: Dialect, busy: str) -> None:
        self._dialect = dialect
        self._busy = busy
        self.limits: list[Limit] = []

    def limit(
        self, amount: int, per: float, *, kind: Kind = "window", by: By = "client", reply: str | None = None
    ) -> Limit:
        """Add one, as `limit` of a rule does."""
        every: CommandRule[Any] = CommandRule("limit()", dialect=self._dialect, busy=self._busy)
        limit = every.limit(amount, per, kind=kind, by=by, reply=reply)
        self.limits.append(limit)
        return limit


def check_command(command: Any, known: Iterable[str], *, name: str = "command") -> Any:
    """The command, which an argument of that `name` has, or the words around some, in upper case.

    Raises `TypeError` or `ValueError` with the nearest known one.
    """
    words = sorted(known)
    if isinstance(command, Not):
        return Not(check_command(command.wanted, words, name=name))
    if isinstance(command, AnyOf):
        return AnyOf(*(check_command(one, words, name=name) for one in command.wanted))
    check.instance(name, command, str, f"the name of a {name}")
    upper = command.upper()
    if upper not in words:
        raise ValueError(f"{name} {command!r} is not known here{check.nearest(upper, words)}")
    return upper


def argument_matches(wanted: Wanted, *given: str | None) -> bool:
    """Whether one of the forms of an argument is what a rule wants."""
    return wanted is None or fits_text(wanted, *given)
