"""`GrpcRule`: which calls are meant, and what they get."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable, Callable, Mapping
from types import NoneType
from typing import Any, Literal, Protocol, Self, Unpack

from pytest_netmocks import check
from pytest_netmocks.limits import By, Kind, Limit
from pytest_netmocks.matchers import AnyOf, Not, check_leaves, fits_text, holds
from pytest_netmocks.protocols.grpc.methods import Method, path_of
from pytest_netmocks.protocols.grpc.records import GrpcCall
from pytest_netmocks.protocols.grpc.reply import GrpcReply, GrpcReplyOptions
from pytest_netmocks.rules.base import Rule, Step

Wanted = str | re.Pattern[str] | Not | AnyOf | None
Function = Callable[[GrpcCall], Any | Awaitable[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class GrpcAnswer:
    """One answer: a reply or the function that makes it, how long after its moment it is given, and when that is."""

    made: GrpcReply | Function
    delay: float
    before_messages: bool | None
    """Whether it waits for no message: `None` as the method is, which it is for those that stream both ways."""


class Keeper(Protocol):
    """What a rule asks of who keeps it."""

    def method(self, path: str) -> Method | None:
        """What is known of a method."""

    def check_method(self, name: str, path: str) -> None:
        """Refuse a method that its service does not have. Raises `ValueError` with the nearest one."""


class GrpcRule(Rule[GrpcAnswer]):
    """What `when` of a gRPC server begins."""

    counts = "calls"
    in_messages = True

    def __init__(
        self,
        keeper: Keeper,
        method: Wanted = None,
        metadata: Mapping[str, Wanted] | None = None,
        message: Any = None,
        matches: Callable[[GrpcCall], object] | None = None,
    ) -> None:
        self._keeper = keeper
        self._method = _methods(keeper, method)
        self.path = self._method if isinstance(self._method, str) and not self._method.endswith("/*") else None
        """The one method that it is about, `None` if it is about several."""
        check.instance("metadata", metadata, (Mapping, NoneType), "a mapping of names to values")
        for name, wanted in (metadata or {}).items():
            kinds = (str, bytes, re.Pattern, NoneType)
            check_leaves(f"metadata[{name!r}]", wanted, kinds, "text, bytes, a compiled pattern or None")
        self._metadata = {name.lower(): wanted for name, wanted in (metadata or {}).items()}
        self._message = message
        if matches is not None and not callable(matches):
            raise TypeError(f"matches must be a function of the call, not {matches!r}")
        self._function = matches
        given = {"metadata": metadata, "message": message, "matches": matches}
        words = [repr(method)] if method is not None else []
        words += [f"{name}={value!r}" for name, value in given.items() if value is not None]
        super().__init__(f"when({', '.join(words)})")

    @property
    def on_head(self) -> bool:
        """Whether the head of a call tells if it is meant."""
        return self._message is None and self._function is None

    @property
    def calls(self) -> bool:
        """Whether it asks a user's function."""
        return self._function is not None

    def takes(self, path: str) -> bool:
        """Whether it is about that method."""
        return _is_method(self._method, path)

    def matches_head(self, call: GrpcCall) -> bool:
        """Whether the head of a call is as it should be."""
        return self.takes(call.method) and all(
            _is_value(wanted, call.metadata.get(name)) for name, wanted in self._metadata.items()
        )

    def matches(self, exchange: GrpcCall) -> bool:
        """Whether the call is meant; its first message counts, if it looks at one. A user's function may raise."""
        if not self.matches_head(exchange):
            return False
        if self._message is not None and not (exchange.messages and _fits(self._message, exchange.messages[0])):
            return False
        return self._function is None or bool(self._function(exchange))

    def why_not(self, call: GrpcCall) -> str | None:
        """Why a call of its method is not meant, in words; `None` if it is."""
        for name, wanted in self._metadata.items():
            if not _is_value(wanted, call.metadata.get(name)):
                return f"metadata {name!r} must be {wanted!r}, and is {call.metadata.get(name)!r}"
        if self.used_up:
            return "its replies are used up"
        return "the message is another" if not self.on_head else None

    def reply(
        self,
        message: Any = None,
        *,
        delay: float = 0.0,
        before_messages: bool | None = None,
        times: int | None = None,
        then_close: bool = False,
        **options: Unpack[GrpcReplyOptions],
    ) -> Self:
        """Answer; gives the rule, so that answers chain to a sequence.

        The first argument is a message of protobuf, bytes, a list or iterable of these for methods that give a stream,
        a text such as `"UNAVAILABLE try again"`, a `GrpcReply`, or a function or coroutine function of the call that
        gives any of these; a plain one runs in a thread of its own and may block, and a generator may be one. The
        keywords are those of `GrpcReply`, `status`, `details` and `trailing_metadata` among them. Each answer is given
        `times` times (1 unless said), the last for ever unless said, `delay` seconds after the client's last message,
        or with `before_messages` after the head of the call: so it is for methods that stream both ways unless said.
        `then_close` ends the connection after it with a GOAWAY. Raises `TypeError` or `ValueError` that names the
        argument.
        """
        check.number("delay", delay, unit="seconds", minimum=0)
        check.instance("before_messages", before_messages, (bool, NoneType), "True, False or None")
        if before_messages and not self.on_head:
            raise ValueError("before_messages=True cannot be kept by a rule that looks at the first message")
        made: GrpcReply | Function
        if isinstance(message, GrpcReply) or (callable(message) and not _is_message(message)):
            if options:
                raise TypeError(
                    f"a function or GrpcReply makes the whole answer: {sorted(options)[0]}= has no place there"
                )
            made = message
        else:
            unknown = sorted(options.keys() - GrpcReplyOptions.__annotations__)
            if unknown:
                known = [*GrpcReplyOptions.__annotations__, "times", "delay", "before_messages", "then_close"]
                raise TypeError(f"reply() takes no {unknown[0]!r}{check.nearest(unknown[0], known)}")
            made = GrpcReply(message, **options)
        if isinstance(made, GrpcReply):
            made.fit(self._keeper.method(self.path) if self.path is not None else None)
        return self._add(GrpcAnswer(made, delay, before_messages), times, then_close=then_close)

    def limit(self, amount: int, per: float = 1.0, *, kind: Kind = "window", by: By = "client") -> Limit:
        """Let `amount` of the calls that the rule matches through in `per` seconds, else as `limit` of the server.

        A rule without answers limits what others answer.
        """
        limit = refusing(self._keeper, Limit(amount, per, kind=kind, by=by))
        self.limits.append(limit)
        return limit

    @property
    def next_answer(self) -> GrpcAnswer | None:
        """What it would answer now."""
        step = self._step
        return step.answer if step is not None else None


class RefusingRule(GrpcRule):
    """The rule that answers what a limit refuses: RESOURCE_EXHAUSTED, and when to try again (gRFC A6)."""

    def __init__(self, keeper: Keeper, limit: Limit) -> None:
        super().__init__(keeper)
        self.label = repr(limit)
        self._limit = limit

    def take(self) -> Step[GrpcAnswer]:
        self.hits += 1
        wait = self._limit.wait
        text = f"{self.label}: the next is let through in {wait:.3f} s"
        made = GrpcReply(status="RESOURCE_EXHAUSTED", details=text, retry_pushback=wait)
        return Step(GrpcAnswer(made, 0.0, True), None)


def refusing(keeper: Keeper, limit: Limit) -> Limit:
    """The limit, with the rule that answers what it refuses."""
    limit.refusing = RefusingRule(keeper, limit)
    return limit


Moment = Literal["head", "message", "end"]
"""When a call can be decided over: when its head is there, its first message, or its last."""


def _is_message(value: object) -> bool:
    return hasattr(value, "SerializeToString") and not isinstance(value, type)


def _methods(keeper: Keeper, method: Any) -> Any:
    """The methods that are meant, with a slash before them."""
    if method is None or isinstance(method, re.Pattern):
        check_leaves("method", method, (re.Pattern, NoneType), "a method")
        return method
    if isinstance(method, Not):
        return Not(_methods(keeper, method.wanted))
    if isinstance(method, AnyOf):
        return AnyOf(*(_methods(keeper, one) for one in method.wanted))
    path = path_of("method", method)
    keeper.check_method("method", path)
    return path


def _is_method(wanted: Any, path: str) -> bool:
    def fits(leaf: Any) -> bool:
        if isinstance(leaf, str):
            return path == leaf or (leaf.endswith("/*") and path.startswith(leaf[:-1]))
        return leaf is None or leaf.search(path) is not None

    return wanted == path or holds(wanted, fits)


def _is_value(wanted: Any, value: str | bytes | None) -> bool:
    if isinstance(value, bytes):
        return holds(wanted, lambda leaf: bool(leaf == value))
    return fits_text(wanted, value)


def _fits(wanted: Any, message: Any) -> bool:
    """Whether a message is what is wanted: the same, of the same bytes, or with at least these fields."""

    def fits(leaf: Any) -> bool:
        if isinstance(leaf, Mapping):
            return all(_fits_field(one, getattr(message, name, None)) for name, one in leaf.items())
        if isinstance(leaf, bytes) and not isinstance(message, bytes):
            write = getattr(message, "SerializeToString", None)
            return write is not None and bool(write() == leaf)
        return bool(leaf == message)

    return holds(wanted, fits)


def _fits_field(wanted: Any, value: Any) -> bool:
    def fits(leaf: Any) -> bool:
        if isinstance(leaf, Mapping):
            return _fits(leaf, value)
        if isinstance(leaf, re.Pattern):
            return isinstance(value, str) and leaf.search(value) is not None
        if isinstance(leaf, (list, tuple)):
            return len(leaf) == len(value) and all(map(_fits_field, leaf, value))
        return bool(leaf == value)

    return holds(wanted, fits)
