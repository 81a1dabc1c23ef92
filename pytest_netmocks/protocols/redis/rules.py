"""`RedisRule`: which commands are meant, and what they are answered."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection
from typing import Any, Protocol, Self

from pytest_netmocks import check, usercode
from pytest_netmocks.limits import By, Kind, Limit
from pytest_netmocks.matchers import AnyOf, Not, Partial, holds, leaves
from pytest_netmocks.protocols.redis import catalog, resp
from pytest_netmocks.protocols.redis.catalog import slot_of
from pytest_netmocks.protocols.redis.records import RedisRequest, value_of
from pytest_netmocks.protocols.redis.resp import ErrorReply
from pytest_netmocks.rules.base import Rule, everything

Command = str | Not | AnyOf | None
"""The name of a command (`"GET"`, `"CLIENT SETNAME"`), any but that, one of several, or any at all."""

Wanted = bytes | str | float | re.Pattern[bytes] | re.Pattern[str] | Not | AnyOf | None
"""What an argument has to be: as it is sent, or found in it; `None` is anything."""


class Node(Protocol):
    """A server."""

    @property
    def host(self) -> str:
        """Where it listens."""

    @property
    def port(self) -> int:
        """At which port."""


Place = Node | tuple[str, int]
"""Where another node of a cluster is."""

BUSY = "TRYAGAIN too many requests, try again later"
"""What is answered to a command beyond a rate limit."""

FULL = "ERR max number of clients reached"
"""What is said to a connection beyond one."""


class Unset:
    """What stands for an argument that was not given."""

    def __repr__(self) -> str:
        return "nothing"


UNSET: Any = Unset()


@dataclasses.dataclass(slots=True)
class RedisAnswer:
    """One answer: a value, a function that gives one, or raw bytes; and how long it takes."""

    value: Any
    raw: bytes | None = None
    delay: float = 0.0
    execute: bool = False

    @property
    def takes_time(self) -> bool:
        """Whether something has to be waited for or called."""
        return bool(self.delay) or callable(self.value)

    async def made(self, request: Any) -> Any:
        """The value. Raises what the function raises, and `TypeError` or `ValueError` for what cannot be answered."""
        value = value_of(None, await usercode.call(self.value, request)) if callable(self.value) else self.value
        resp.encode(value, 3)
        return value


class RedisRule(Rule[RedisAnswer]):
    """What `when` of such a server begins."""

    counts = "commands"

    def __init__(
        self,
        label: str,
        matches: Callable[[Any], object] = everything,
        *,
        busy: str = BUSY,
        nodes: list[tuple[str, int]] | None = None,
    ) -> None:
        super().__init__(label, matches)
        self._busy = busy
        self._nodes = nodes if nodes is not None else []
        """The other nodes of the server's cluster."""

    def reply(
        self,
        value: Any = UNSET,
        *,
        error: str | None = None,
        raw: bytes | None = None,
        execute: bool = False,
        times: int | None = None,
        delay: float = 0.0,
        then_close: bool = False,
    ) -> Self:
        """Answer with a Python value; gives the rule, so that answers chain to a sequence.

        Bytes are a bulk string, text is a status (`"OK"`), or with a code in capitals and words the error that `error`
        is; numbers, `True`, `False`, `None`, lists, sets and mappings are what RESP3 has for them, and RESP2 as Redis
        writes it there. An error is given instead of executing the command, any other value in place of its usual
        answer after executing it, without waiting for anything. In a transaction the command is queued and the value is
        its answer in that of EXEC; an error makes EXEC fail. A function or coroutine function of the request may stand
        for the value, and a plain one runs in a thread of its own and may block. `raw` bytes (none, too) go out as they
        are instead of executing it, or with `execute` after that.

        Each answer is given `times` times (1 unless said), the last for ever unless said, after `delay` seconds.
        `then_close` ends the connection in good order after it. Raises `TypeError` or `ValueError` that names the
        argument.
        """
        if (value is not UNSET) + (error is not None) + (raw is not None) != 1:
            raise TypeError('reply() needs one of a value such as b"v", error="ERR ..." and raw= bytes')
        check.instance("error", error, (str, type(None)), 'an error such as "LOADING Redis is loading"')
        check.instance("raw", raw, (bytes, type(None)), "bytes")
        check.instance("execute", execute, bool, "True or False")
        if execute and raw is None:
            raise ValueError("execute=True goes with raw=: a value that is no error is given after executing anyhow")
        check.number("delay", delay, unit="seconds", minimum=0)
        if raw is None:
            value = value if callable(value) else _checked(value_of(error, value))
        return self._add(RedisAnswer(value, raw, delay, execute), times, then_close=then_close)

    def moved(self, to: Place, *, times: int | None = None) -> Self:
        """Answer that the key's slot has moved there for good (`MOVED 3999 127.0.0.1:6381`), as a cluster does.

        `to` is a server or a host and a port; the slot is that of the command's key. With `cluster=True` the server
        lists it as a replica of its own from now on: some clients go to no node that they did not know when they began.
        Otherwise as `reply`. Raises `TypeError` or `ValueError`.
        """
        return self._redirect("MOVED", to, times)

    def ask(self, to: Place, *, times: int | None = None) -> Self:
        """Answer that the key's slot is about to move there (`ASK 3999 127.0.0.1:6381`): once, a client asks there."""
        return self._redirect("ASK", to, times)

    def _redirect(self, code: str, to: Any, times: int | None) -> Self:
        node: Any = to if isinstance(to, tuple) and len(to) == 2 else (getattr(to, "host", 0), getattr(to, "port", 0))
        host, port = node
        check.instance("to", host, str, "a server, or a host and a port")
        check.whole("port", port, unit="of the other node", minimum=1, maximum=65535)
        if node not in self._nodes:
            self._nodes.append(node)  # a client asks nobody that it has not heard of

        async def redirect(request: RedisRequest) -> str:
            key = next(iter(catalog.keys_in([request.command.encode(), *request.args])), b"")
            return f"{code} {slot_of(key)} {host}:{port}"

        return self.reply(redirect, times=times)

    def limit(
        self, amount: int, per: float = 1.0, *, kind: Kind = "window", by: By = "client", reply: str | None = None
    ) -> Limit:
        """Let `amount` of what the rule matches through in `per` seconds, and answer more with the error `reply`.

        Unless said, that is `TRYAGAIN` to a command, and `ERR max number of clients reached` and the end of the
        connection to a new connection. A `"window"` begins with the first that comes, a `"bucket"` is refilled evenly;
        each client address has its own, or `by="all"` they share one. It is in force until it is lifted, by `lift()`
        or at the end of a `with` block. Raises `TypeError` or `ValueError` that names the argument.
        """
        limit = Limit(amount, per, kind=kind, by=by)
        refusing = RedisRule(repr(limit), self.matches)
        text = self._busy if reply is None else reply
        limit.refusing = refusing.reply(error=text, then_close=self._busy == FULL)
        self.limits.append(limit)
        return limit


def _checked(value: Any) -> Any:
    """The value, if it is one. Raises `TypeError` or `ValueError`."""
    try:
        resp.encode(value, 3)
    except (TypeError, ValueError) as error:
        raise type(error)(f"reply: {error}") from None
    if isinstance(value, ErrorReply) and not value.text.strip():
        raise ValueError('error must be an error such as "LOADING Redis is loading", not an empty one')
    return value


def rule_for(
    command: Command,
    arguments: tuple[Wanted, ...],
    known: Callable[[], Collection[str]],
    nodes: list[tuple[str, int]],
) -> RedisRule:
    """The rule for a command and the first of its arguments. Raises `TypeError` or `ValueError`."""
    shown = ", ".join(map(repr, (command, *arguments)))
    word, more = _check_command(command, known)
    for argument in arguments:
        _check_wanted(argument)

    def matches(request: RedisRequest) -> bool:
        if word is not None and not holds(word, request.command.__eq__):
            return False
        args = request.args
        if len(args) < len(more) + len(arguments):
            return False
        if any(args[place].upper() != one for place, one in enumerate(more)):
            return False
        return all(_fits(one, args[place]) for place, one in enumerate(arguments, len(more)))

    return RedisRule(f"when({shown})" if command is not None or arguments else "when()", matches, nodes=nodes)


def _check_command(command: Command, known: Callable[[], Collection[str]]) -> tuple[Any, tuple[bytes, ...]]:
    """The command's first word (or the words around some) in capitals, and the further ones."""
    if command is None:
        return None, ()
    if isinstance(command, Not):
        return Not(_check_command(command.wanted, known)[0]), ()
    if isinstance(command, AnyOf):
        return AnyOf(*(_check_command(one, known)[0] for one in command.wanted)), ()
    check.instance("command", command, str, "the name of a command")
    name, *more = command.upper().split() or [""]
    names = known()
    if name not in names:
        alike = [one for one in names if one[:1] == name[:1]] or names
        raise ValueError(f"command {command!r} is not known here{check.nearest(name, alike)}")
    return name, tuple(one.encode() for one in more)


def _check_wanted(wanted: Wanted) -> None:
    for leaf in leaves(wanted):
        kinds = (bytes, str, int, float, re.Pattern, type(None))
        accepted = "bytes, text, a number, a compiled pattern, or None for any"
        if isinstance(leaf, (bool, Partial)):
            raise TypeError(f"argument must be {accepted}, not {leaf!r}")
        check.instance("argument", leaf, kinds, accepted)


def _fits(wanted: Wanted, given: bytes) -> bool:
    def fits(leaf: Any) -> bool:
        if leaf is None:
            return True
        if isinstance(leaf, re.Pattern):
            subject: Any = given if isinstance(leaf.pattern, bytes) else given.decode("utf-8", "surrogateescape")
            return leaf.search(subject) is not None
        if isinstance(leaf, bytes):
            return leaf == given
        return str(leaf).encode("utf-8", "surrogateescape") == given

    return holds(wanted, fits)
