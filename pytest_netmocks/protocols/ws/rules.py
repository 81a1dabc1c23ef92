"""Rules over messages, and over the handshake."""

from __future__ import annotations

import dataclasses
import json as jsons
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self, Unpack

from pytest_netmocks import check, usercode
from pytest_netmocks.clock import Pause
from pytest_netmocks.faults.base import Fault
from pytest_netmocks.matchers import check_json, fits_json, holds, leaves
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import NOTHING, Response, ResponseOptions
from pytest_netmocks.protocols.web.text import well_formed
from pytest_netmocks.protocols.ws.records import Message, WsMessage, check_close, check_message
from pytest_netmocks.rules.base import Rule

Reply = Message | Callable[[WsMessage], Message | Awaitable[Message]]

ACCEPTED = 101


@dataclasses.dataclass(slots=True)
class MessageAnswer:
    """One answer: messages, raw bytes or a close frame; how long it takes, and the time between its messages."""

    messages: tuple[Reply, ...]
    delay: float = 0.0
    interval: float = 0.0
    raw: bytes | None = None
    close: tuple[int | None, str] | None = None

    @property
    def ready(self) -> bool:
        """Whether nothing has to be waited for or called."""
        return not self.delay and not self.interval and not any(map(callable, self.messages))

    async def make(self, reply: Reply, message: WsMessage) -> Message:
        """One message of the answer. Raises what the function raises, `TypeError` if it gives something else."""
        made: Any = reply
        if callable(reply):
            made = _well_formed(await usercode.call(reply, message))
            check_message("what a reply function gives", made)
        return made  # type: ignore[no-any-return]  # as was checked


def _well_formed(made: Any) -> Any:
    """What a function made of a client's words, as text that can be sent (RFC 6455, section 8.1)."""
    if isinstance(made, (list, tuple)):
        return [_well_formed(piece) for piece in made]
    return well_formed(made) if isinstance(made, str) else made


class MessageRule(Rule[MessageAnswer]):
    """What `when` of a WebSocket server begins."""

    in_messages = True

    def wrong_way(self, fault: Fault) -> str | None:
        """Upstream a fault strikes what the client sends after the message."""
        return None

    def reply(
        self,
        *messages: Reply,
        json: Any = NOTHING,
        raw: bytes | None = None,
        times: int | None = None,
        delay: float = 0.0,
        interval: float = 0.0,
        then_close: bool = False,
    ) -> Self:
        """Answer with these messages, one after another; gives the rule, so that answers chain to a sequence.

        A message is text, bytes, or a list of either, which goes out as fragments; a function or coroutine function of
        the `WsMessage` may stand for it, and a plain one may block. `json` is sent as text; `raw` bytes go out as they
        are instead of a frame (none at all, too), and the connection stays open. Each answer is given `times` times (1
        unless said), the last for ever unless said, `delay` seconds after the message and with `interval` seconds
        between its messages. `then_close` begins the closing handshake with code 1000 after it. Raises `TypeError` or
        `ValueError` that names the argument.
        """
        if bool(messages) + (json is not NOTHING) + (raw is not None) != 1:
            raise TypeError("reply() needs one of messages, json= and raw= bytes")
        for message in messages:
            if isinstance(message, Mapping):
                raise TypeError(f"reply must be text or bytes, not {message!r}: give json= for a value")
            if not callable(message):
                check_message("reply", message)
        if raw is not None and interval:
            raise ValueError(f"interval={interval} has no place beside raw=: there is only one piece")
        if json is not NOTHING:
            messages = (_dumped(json),)
        check.instance("raw", raw, (bytes, type(None)), "bytes")
        check.number("delay", delay, unit="seconds", minimum=0)
        check.number("interval", interval, unit="seconds", minimum=0)
        return self._add(MessageAnswer(messages, delay, interval, raw), times, then_close=then_close)

    def close(self, code: int | None = 1000, reason: str = "", *, times: int | None = None, delay: float = 0.0) -> Self:
        """Answer with a close frame (RFC 6455, section 5.5.1), then close when the client has answered with its own.

        Without a code the frame is empty. Any code from 0 to 65535 goes out, also those that must not. Raises
        `ValueError` for a reason of more than 123 bytes.
        """
        check_close(code, reason)
        check.number("delay", delay, unit="seconds", minimum=0)
        return self._add(MessageAnswer((), delay, close=(code, reason)), times)


def _dumped(value: Any) -> str:
    try:
        return jsons.dumps(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"json must be what json.dumps() takes, not {value!r}: {error}") from None


def matcher(pattern: object, json: Any) -> Callable[[str | bytes], object]:
    """Whether a message's data is meant. Raises `TypeError` for what is no pattern."""
    if (pattern is None) == (json is NOTHING):
        raise TypeError("when() takes a message, a compiled pattern, or json=")
    if json is not NOTHING:
        check_json("json", json)
        return lambda data: _is_json(data, json)
    for leaf in leaves(pattern):
        if not isinstance(leaf, (str, bytes, re.Pattern)):
            raise TypeError(f"message must be text, bytes or a compiled pattern, not {leaf!r}: give json= for a value")
    return lambda data: holds(pattern, lambda leaf: _is_message(data, leaf))


def _is_message(data: str | bytes, wanted: Any) -> bool:
    if isinstance(wanted, re.Pattern):
        return type(data) is type(wanted.pattern) and wanted.search(data) is not None
    return type(data) is type(wanted) and data == wanted


def _is_json(data: str | bytes, wanted: Any) -> bool:
    try:
        return fits_json(wanted, jsons.loads(data))
    except (ValueError, RecursionError):
        return False


Made = Response | Callable[[HttpRequest], Response | Awaitable[Response | None] | None]


@dataclasses.dataclass(slots=True)
class HandshakeAnswer:
    """One answer to a handshake: a response (101 accepts it) or the function that makes it, and first messages."""

    made: Made
    messages: Sequence[Message]
    delay: float

    async def make(self, request: HttpRequest, pause: Pause) -> Response:
        """The response; a function that gives `None` accepts. Raises whatever the function raises."""
        if self.delay:
            await pause(self.delay)
        if isinstance(self.made, Response):
            return self.made
        made = await usercode.call(self.made, request)
        if made is None:
            return Response(ACCEPTED)
        if not isinstance(made, Response):
            raise TypeError(f"{self.made!r} must give a Response or None, not {made!r}")
        _check_whole(made, ())
        return made


class HandshakeRule(Rule[HandshakeAnswer]):
    """What `when_connected` of a WebSocket server begins."""

    def wrong_way(self, fault: Fault) -> str | None:
        """Upstream a fault strikes what the client sends after the handshake."""
        return None

    def reply(
        self,
        status: int | Made | None = None,
        *,
        messages: Sequence[Message] = (),
        times: int | None = None,
        delay: float = 0.0,
        then_close: bool = False,
        **options: Unpack[ResponseOptions],
    ) -> Self:
        """Answer the handshake; gives the rule, so that answers chain to a sequence.

        A status other than 101 refuses it, with a response as those of an HTTP server. Without one (or with 101) it is
        accepted: `headers` are then added, or stand for the usual ones of the same name, and `messages` are sent first
        of all. A function or coroutine function takes the `HttpRequest` and gives a `Response`, or `None` to accept.
        Each answer is given `times` times (1 unless said), the last for ever unless said, `delay` seconds after the
        request. `then_close` ends the connection in good order after it: where the handshake is accepted, with code
        1000 after the messages. Raises `TypeError` or `ValueError` that names the argument.
        """
        check.number("delay", delay, unit="seconds", minimum=0)
        if isinstance(messages, (str, bytes)) or not isinstance(messages, Sequence):
            raise TypeError(f"messages must be a list of messages, not {messages!r}")
        for message in messages:
            check_message("messages", message)
        unknown = sorted(set(options) - ResponseOptions.__annotations__.keys())
        if unknown:
            known = [*ResponseOptions.__annotations__, "messages", "times", "delay", "then_close"]
            raise TypeError(f"reply() takes no {unknown[0]!r}{check.nearest(unknown[0], known)}")
        made: Made
        if isinstance(status, Response) or (callable(status) and not isinstance(status, type)):
            if options:
                raise TypeError(f"a function or Response makes the whole answer: {next(iter(options))}= has no place")
            made = status
        elif status is None and ("redirect" in options or "raw" in options):
            made = Response(**options)
        else:
            if status is not None and not isinstance(status, int):
                accepted = "a number, a Response or a function of the request"
                raise TypeError(f"status must be {accepted}, not {status!r}: messages=[...] are sent first of all")
            made = Response(ACCEPTED if status is None else status, **options)
        if isinstance(made, Response):
            _check_whole(made, messages)
        return self._add(HandshakeAnswer(made, tuple(messages), delay), times, then_close=then_close)


def _check_whole(made: Response, messages: Sequence[Message]) -> None:
    if made.stream is not None or made.file is not None:
        raise ValueError("an answer to a handshake has to be there as a whole: neither stream= nor file=")
    accepted = made.status == ACCEPTED and made.raw is None
    if accepted and (made.body or made.has("content-type")):
        raise ValueError("a handshake that is accepted has no body: give a status other than 101 with it")
    if made.status < 200 and made.status != ACCEPTED:
        raise ValueError(f"status must be 101 or end the exchange, not {made.status}")
    if messages and not accepted:
        raise ValueError("messages= need a handshake that is accepted")
