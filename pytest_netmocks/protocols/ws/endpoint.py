"""`Endpoint`: one place that speaks WebSocket, be it a server of its own or one path of an HTTP server's."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from pytest_netmocks import check
from pytest_netmocks.faults.base import AnswerFault, DirectedFault, Fault
from pytest_netmocks.faults.selection import SelectorOptions
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.matchers import AnyOf, Not
from pytest_netmocks.protocols.web.fields import pairs_of
from pytest_netmocks.protocols.web.response import NOTHING
from pytest_netmocks.protocols.ws.records import Live, Message, WsConnection, WsMessage, check_message
from pytest_netmocks.protocols.ws.rules import HandshakeRule, MessageRule, matcher
from pytest_netmocks.rules.base import Rule
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.servers.handlers import check_handler
from pytest_netmocks.servers.ruled import Author
from pytest_netmocks.strict import Strict

if TYPE_CHECKING:
    from pytest_netmocks.protocols.ws.handled import Handler
    from pytest_netmocks.protocols.ws.session import WsProtocol
    from pytest_netmocks.servers.stream import StreamServer

MAX_SIZE = 100 << 20
"""Bytes of a message unless told otherwise."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


class WsOptions(TypedDict, total=False):
    """What can be said of every such place."""

    subprotocols: Sequence[str]
    origins: Sequence[str | re.Pattern[str] | None] | None
    headers: Mapping[str, str] | None
    compression: Literal["deflate"] | None
    max_size: int | None


class Endpoint(Strict):
    """Rules, handler and options of that place; it echoes until it has a rule or a handler."""

    _place: StreamServer
    more_headers: list[tuple[str | bytes, str | bytes]]

    def _set_up(self, options: WsOptions) -> None:
        """Check the options. Raises `TypeError` or `ValueError` that names one."""
        subprotocols = options.get("subprotocols", ())
        _check_names("subprotocols", subprotocols, str, "a list of names")
        for name in subprotocols:
            if not _TOKEN.match(name):
                raise ValueError(f"subprotocols must be tokens (RFC 9110, section 5.6.2), not {name!r}")
        origins = options.get("origins")
        if origins is not None:
            _check_names("origins", origins, (str, re.Pattern, type(None)), "a list of origins, patterns or None")
            for origin in origins:
                if isinstance(origin, re.Pattern) and not isinstance(origin.pattern, str):
                    raise TypeError(f"origins must have patterns of text, not {origin!r}")
        compression = options.get("compression", "deflate")
        if compression not in ("deflate", None):
            raise ValueError(f'compression must be "deflate" or None, not {compression!r}')
        max_size = options.get("max_size", MAX_SIZE)
        if max_size is not None:
            check.whole("max_size", max_size, unit="bytes", minimum=0)
        self.more_headers = pairs_of(options.get("headers"))
        self.session_options: dict[str, Any] = {
            "subprotocols": subprotocols,
            "origins": origins,
            "compressed": compression is not None,
            "max_size": max_size,
        }
        self._handler: Handler | None = None
        self.take_over: Callable[[WsProtocol], None] | None = None
        """What gives a connection to the handler, if there is one."""
        self.handled: Author = "a test"
        self.live: dict[int, Live] = {}
        self.strikes_upward = False
        """Whether some rule over messages has faults on what the client sends next."""

    def _begin_books(self) -> None:
        """Once the server's own are there."""
        self.message_rules: RuleBook[MessageRule] = self._place.book(self._inject)
        """The rules over messages, oldest first."""
        self.handshake_rules: RuleBook[HandshakeRule] = self._place.book(self._inject)
        """The rules over handshakes, oldest first."""

    def opened(self, connection: WsConnection, live: Live) -> None:
        """In the loop: the connection speaks WebSocket from now on."""
        connection.begin(live)
        self.live[connection.id] = live

    @abstractmethod
    def arrived(self, message: WsMessage) -> None:
        """In the loop: a message has come."""

    # What a test says

    def when(
        self, message: str | bytes | re.Pattern[Any] | Not | AnyOf | None = None, *, json: Any = NOTHING
    ) -> MessageRule:
        """Begin a rule for messages: text or bytes that are the whole of one, a compiled pattern, or what JSON says.

        `Not` and `AnyOf` may stand for them, and `Partial` for a part of JSON.

        Raises `TypeError` for anything else.
        """
        matches = matcher(message, json)
        label = f"when({message!r})" if json is NOTHING else f"when(json={json!r})"
        return self.message_rules.add(MessageRule(label, matches))

    def when_connected(self) -> HandshakeRule:
        """Begin the rule for a handshake: refuse it, change it, or say something first."""
        return self.handshake_rules.add(HandshakeRule("when_connected()"))

    def _inject(self, rule: Rule[Any], fault: Fault, options: SelectorOptions) -> Injection:
        if isinstance(fault, AnswerFault) and fault.schemes is not None and not fault.schemes & {"ws", "wss"}:
            spoken = ", ".join(sorted(fault.schemes))
            raise ValueError(f"{fault!r} strikes answers of {spoken}, and this is WebSocket")
        injection = self._place.inject_into(rule, fault, options)
        if isinstance(rule, MessageRule) and isinstance(fault, DirectedFault) and fault.direction == "upstream":
            self.strikes_upward = True
        return injection

    def handle(self, handler: Handler | None) -> None:
        """Give new connections to `async def handler(websocket)`; `None` takes it back.

        `websocket` is the websockets library's own connection object: `recv`, `send`, async iteration, `ping`, `close`,
        `request`, `subprotocol`, and `connection`, which is the `Connection` on record. It has the connection to
        itself: no rule over messages answers there. When it returns, the connection is closed with 1000; what it raises
        closes it with 1011 and fails the test, but for a connection that has ended under it. Raises `TypeError` for
        what is no async function.
        """
        if handler is not None:
            check_handler(handler, "a websocket")
        self._place.catch_up()
        self.handler = handler
        self.handled = self._place.author_now()

    @property
    def handler(self) -> Handler | None:
        """What has new connections to itself, `None` if rules answer."""
        return self._handler

    @handler.setter
    def handler(self, handler: Handler | None) -> None:
        take_over = None
        if handler is not None:
            from pytest_netmocks.protocols.ws import handled  # loads the library's asyncio side

            take_over = handled.giving_to(handler)
        self._handler, self.take_over = handler, take_over

    def broadcast(self, message: Message) -> int:
        """Send a message to every open WebSocket, or a list as fragments of one; gives their number.

        One connection gets something alone by `connection.send(...)`. What a client does not read waits in memory.
        Raises `TypeError` for what cannot be sent.
        """
        check_message("message", message)
        number: int = self._place.run_in_loop(self._to_all, message)
        return number

    def _to_all(self, message: Message) -> int:
        ready = [one for one in self.live.values() if one.ready]
        for one in ready:
            one.send(message)
        return len(ready)


def _check_names(name: str, given: object, kinds: Any, accepted: str) -> None:
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence):
        raise TypeError(f"{name} must be {accepted}, not {given!r}")
    for one in given:
        check.instance(name, one, kinds, accepted)
