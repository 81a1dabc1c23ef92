"""Rules over requests: what they answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, Self, Unpack

from pytest_netmocks import check, usercode
from pytest_netmocks.faults.base import Fault
from pytest_netmocks.faults.selection import SelectorOptions
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.limits import By, Kind, Limit
from pytest_netmocks.protocols.http.match import HttpMatch
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response, ResponseOptions
from pytest_netmocks.protocols.web.turn import RequestTurn
from pytest_netmocks.rules.base import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_netmocks.names.targets import Target
    from pytest_netmocks.protocols.ws.endpoint import WsOptions
    from pytest_netmocks.protocols.ws.route import WsRoute

Function = Callable[[HttpRequest], Response | Awaitable[Response]]


@dataclasses.dataclass(slots=True)
class HttpAnswer:
    """One answer: a response or the function that makes it, and how long after the request it is given."""

    made: Response | Function
    delay: float
    early: bool
    asks: bool | float | None = None
    """When a client that waits for 100 gets it: at once, never, or so many seconds late; `None`: as the server says."""


def check_expect_continue(name: str, value: object) -> None:
    """Refuse what is neither a number of seconds nor `True`, `False` or `None`."""
    if value is not None and not isinstance(value, bool):
        check.number(name, value, unit="seconds, or True or False", minimum=0)


Matching = list[tuple["HttpRule", dict[str, Any]]]
"""Rules that match a request, with the path's parameters."""

Serve = Callable[[RequestTurn], Awaitable[None]]
"""What answers a request by itself, in a task."""


class Keeper(Protocol):
    """What a rule asks of who keeps it."""

    strikes_uploads: bool
    """Whether some rule has faults on the bodies of requests."""
    may_answer_early: bool
    """Whether some rule, or an application, does not wait for the body."""

    @property
    def requests(self) -> list[HttpRequest]:
        """Every request so far, oldest first."""

    def make_limit(self, amount: int, per: float, kind: Kind, by: By, name: str | None, status: int) -> Limit:
        """What limits the server or one of its rules."""

    def make_route(self, options: WsOptions) -> WsRoute:
        """What speaks WebSocket where the rule matches."""

    def make_tunnel(self, targets: Sequence[Target]) -> Serve:
        """What connects there where the rule matches."""


class HttpRule(Rule["HttpAnswer | Serve"]):
    """What `when` of an HTTP server begins."""

    counts = "requests"
    in_messages = True

    def __init__(self, keeper: Keeper, match: HttpMatch) -> None:
        self._keeper = keeper
        self.match = match
        self.uploads: list[Injection] = []
        """The injections that strike the body of the request while it comes."""
        self._tunnels = match.method == "CONNECT"
        """Whether what it matches becomes a tunnel, which has bytes both ways."""
        super().__init__(f"when({match.label})")

    def wrong_way(self, fault: Fault) -> str | None:
        """Upstream a fault strikes the request's body, if its head tells that the rule matches, or the tunnel."""
        if super().wrong_way(fault) is None or self._tunnels:
            return None
        if not self.match.on_head:
            return (
                f"{fault!r} acts on the request's body, and {self.label} looks at it, so that all of it has come: "
                "strike the answer (leave direction= out), or match by method, path, query and headers"
            )
        return None

    def inject(self, fault: Fault, **selectors: Unpack[SelectorOptions]) -> Injection:
        """Let the fault strike only the requests that the rule matches; the selectors count those.

        `after_bytes` counts the body of the answer, or with `direction="upstream"` that of the request, both without
        their chunk framing; without it a fault strikes in place of the body, of the answer with its head. In a tunnel
        it counts what goes through it that way. Raises `ValueError` if the fault makes no sense here.
        """
        injection = self._injector(self, fault, selectors)
        if super().wrong_way(fault) is None or self._tunnels:
            self.injections.append(injection)
        else:
            self.uploads.append(injection)
            self._keeper.strikes_uploads = True
        return injection

    def reply(
        self,
        status: int | Response | Function | None = None,
        *,
        times: int | None = None,
        delay: float = 0.0,
        before_body: bool = False,
        then_close: bool = False,
        expect_continue: bool | float | None = None,
        **options: Unpack[ResponseOptions],
    ) -> Self:
        """Answer; gives the rule, so that answers chain to a sequence.

        The first argument is a status, a `Response`, or a function or coroutine function that takes the request and
        gives one; a plain function runs in a thread of its own and may block. The keywords are those of `Response`.
        Each answer is given `times` times (1 unless said), the last for ever unless said, `delay` seconds after the
        request, and what is `interim` before the delay; `before_body` as soon as its head is there, which is also how a
        client that expects 100 gets a final answer instead. `expect_continue` is when such a client gets 100: `True` at
        once, `False` never, a number so many seconds late unless the body comes before; `None` as the server does.
        `then_close` ends the connection in good order after it, with `Connection: close`. Raises `TypeError` or
        `ValueError` that names the argument.
        """
        check.number("delay", delay, unit="seconds", minimum=0)
        check.instance("before_body", before_body, bool, "True or False")
        made: Response | Function
        if isinstance(status, str):
            raise TypeError(f"status must be a number or a function, not {status!r}: write text={status!r} for a body")
        if isinstance(status, Response) or (callable(status) and not isinstance(status, type)):
            if options:
                raise TypeError(
                    f"a function or Response makes the whole answer: {sorted(options)[0]}= has no place there"
                )
            made = status
        else:
            unknown = set(options) - ResponseOptions.__annotations__.keys()
            if unknown:
                more = ["times", "delay", "before_body", "then_close", "expect_continue"]
                known = ["status", *ResponseOptions.__annotations__, *more]
                raise TypeError(f"reply() takes no {sorted(unknown)[0]!r}{check.nearest(sorted(unknown)[0], known)}")
            if status is not None and not isinstance(status, int):
                raise TypeError(f"status must be a number, a Response or a function of the request, not {status!r}")
            made = Response(status, **options)
        check_expect_continue("expect_continue", expect_continue)
        early = {"before_body=True": before_body, "expect_continue=": expect_continue is not None}
        for name, given in early.items():
            if given and not self.match.on_head:
                raise ValueError(f"{name} cannot be kept by a rule that looks at the body")
        self._keeper.may_answer_early = self._keeper.may_answer_early or before_body
        return self._add(HttpAnswer(made, delay, before_body, expect_continue), times, then_close=then_close)

    def limit(
        self,
        amount: int,
        per: float = 1.0,
        *,
        kind: Kind = "window",
        by: By = "client",
        name: str | None = None,
        status: int = 429,
    ) -> Limit:
        """Let `amount` of the requests that the rule matches through in `per` seconds, else as `limit` of the server.

        A rule without answers limits what others answer.
        """
        limit = self._keeper.make_limit(amount, per, kind, by, name, status)
        self.limits.append(limit)
        return limit

    def websocket(self, **options: Unpack[WsOptions]) -> WsRoute:
        """Speak WebSocket on this path, on the same port; gives what has the words of a WebSocket server.

        The options are those of `netmocks.ws`. A request that is no handshake gets 426; the rule's faults strike the
        handshake. Raises `TypeError` or `ValueError` that names an option.
        """
        from pytest_netmocks.protocols.ws.route import WsRoute  # the package asks for ours, too

        if not self.match.takes("GET"):
            raise ValueError(f"a handshake is a GET: when({self.match.method!r}, ...) can never be one")
        unknown = sorted(set(options) - set(WsRoute.option_names))
        if unknown:
            raise TypeError(f"websocket() takes no {unknown[0]!r}{check.nearest(unknown[0], WsRoute.option_names)}")
        route = self._keeper.make_route(options)
        self._add(route.serve, None)
        return route

    def tunnel(self, to: object, *, times: int | None = None) -> Self:
        """Connect to a server, or a pair of an IP address and a port, and pass on all that follows, either way.

        CONNECT is answered with 200 (RFC 9110, section 9.3.6), a request with an Upgrade field with 101 and that
        protocol (section 7.8), any other with 426, and with 502 where nobody listens. A fault that the rule injects
        counts the tunnel's bytes. Raises `TypeError` or `ValueError` that names the argument.
        """
        from pytest_netmocks.names.targets import targets_of  # only where there is one

        targets = targets_of("to", to)
        if not targets or any(not target.port for target in targets):
            raise ValueError(f"to must be a server, or a pair of an IP address and a port, not {to!r}")
        self._tunnels = True
        self.injections, self.uploads = self.injections + self.uploads, []
        return self._add(self._keeper.make_tunnel(targets), times)

    @property
    def requests(self) -> list[HttpRequest]:
        """The requests that came to the rule, oldest first; those among them that never came as a whole say so."""
        return [request for request in self._keeper.requests if self in request.rules]

    @property
    def next_answer(self) -> HttpAnswer | None:
        """What it would answer now."""
        step = self._step
        return step.answer if step is not None and isinstance(step.answer, HttpAnswer) else None


async def make(answer: HttpAnswer, request: HttpRequest) -> Response:
    """The response of an answer. Raises whatever the function raises, `TypeError` if it gives something else."""
    if isinstance(answer.made, Response):
        return answer.made
    made = await usercode.call(answer.made, request)
    if not isinstance(made, Response):
        raise TypeError(f"{answer.made!r} must give a Response, not {made!r}")
    return made
