"""`Limited`: the part of a server over TCP that says who may connect, how many at once, and for how long.

Each limit is one `LiveOption` here; what keeps to it stands before the front (`Gate`) or hears of what is said
(`Silence`), and is made when a limit is first set: a server that nobody limits has neither.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict

from pytest_netmocks import check
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.servers.access import Access, Banned, networks, networks_or_none
from pytest_netmocks.servers.gate import Gate, OverLimit, check_over_limit
from pytest_netmocks.servers.option import LiveOption
from pytest_netmocks.servers.server import Server
from pytest_netmocks.servers.silence import Silence
from pytest_netmocks.servers.stream_front import StreamFront
from pytest_netmocks.servers.turnover import Turnover

if TYPE_CHECKING:
    from pytest_netmocks.servers.access import Network, Networks


Parting = Literal["silence", "logins", "requests"]
"""Why a server ends a connection of its own accord."""


class LimitOptions(TypedDict, total=False):
    """The keyword arguments about who may connect, and how long; the attributes of `Limited` say what they do."""

    allow: Networks | None
    deny: Networks | None
    max_connections: int | None
    over_limit: OverLimit | None
    idle_timeout: float | None
    max_requests: int | None
    ban_after: int | None


class Limited(Server):
    """Who may connect, how many at once, and for how long: attributes, and keyword arguments of the same names.

    They hold from when they are set on, for `idle_timeout` on open connections too.
    """

    lets_log_in: ClassVar[bool] = False
    """Whether clients log in."""

    no_requests: ClassVar[str] = ""
    """Why `max_requests` makes no sense, and what would; empty where it does."""

    front: StreamFront
    _gate: Gate | None = None
    _silence: Silence | None = None
    _turnover: Turnover | None = None

    allow: LiveOption[tuple[Network, ...] | None, Networks | None] = LiveOption(networks_or_none, None)
    """The only addresses and networks that clients may come from, such as `["127.0.0.0/8", "::1"]`; `None` for all.

    Others are accepted and reset at once. IPv4 in the form of IPv6 (`::ffff:127.0.0.1`) is IPv4.
    """

    deny: LiveOption[tuple[Network, ...], Networks | None] = LiveOption(networks, ())
    """The addresses and networks whose clients are accepted and reset at once, those in `allow` too."""

    max_connections: LiveOption[int | None, int | None] = LiveOption(
        check.optional(check.whole, unit="connections at once", minimum=1), None
    )
    """How many may be connected at once; `None` for any number. FTP's data connections do not count."""

    over_limit: LiveOption[OverLimit, OverLimit | None] = LiveOption(check_over_limit, "wait")
    """What becomes of one more: `"wait"` leaves it in the kernel's queue until one ends, `"reset"` and `"close"` turn
    it away, with an RST or a FIN."""

    idle_timeout: LiveOption[float | None, float | None] = LiveOption(
        check.optional(check.number, unit="seconds", above=0), None
    )
    """Seconds without a byte in either direction after which the server ends a connection in good order."""

    max_requests: LiveOption[int | None, int | None] = LiveOption(
        check.optional(check.whole, unit="requests on a connection", minimum=1), None
    )
    """How many requests a connection may have, as `requests` lists them; `None` for any number.

    Behind the answer to the last one the server ends it in good order. HTTP says `Connection: close` in that answer.
    """

    ban_after: LiveOption[int | None, int | None] = LiveOption(
        check.optional(check.whole, unit="failed logins", minimum=1), None
    )
    """How many failed logins from an address have it `banned`; `None` for any number."""

    @functools.cached_property
    def access(self) -> Access:
        """Who may connect, by address."""
        return Access(self)

    @property
    def banned(self) -> Banned:
        """The IP addresses whose clients are turned away, a set: `ban_after` adds to it, and so may a test.

        To `discard` one lifts its ban.
        """
        self.access.is_watched = True
        if self._gate is None:
            self._do(self._mind)
        return self.access.banned

    # Options

    def _limits_in(self, options: dict[str, Any]) -> dict[str, Any]:
        """Take the limits out of a constructor's options. Raises what a wrong one deserves."""
        given = {name: options.pop(name) for name in LimitOptions.__annotations__ if name in options}
        limits = self._accepted(**given)
        for name, value in limits.items():
            self._check_option(name, value)
        return limits

    def _check_option(self, name: str, value: object) -> None:
        """Refuse what makes no sense on this server. Raises `ValueError`."""
        if name == "ban_after" and value is not None and not self.lets_log_in:
            raise ValueError(f"ban_after={value!r} counts failed logins, and nobody logs in to a {type(self).__name__}")
        if name == "max_requests" and value is not None and self.no_requests:
            raise ValueError(f"max_requests={value!r} counts requests, and {self.no_requests}")

    def set_option(self, name: str, value: object) -> None:
        """Keep a limit, which is in force when this returns. Raises `ValueError` for one that makes no sense here."""
        self._check_option(name, value)
        self._do(self._set_option, name, value)

    def _do(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have it done: in the loop, once the server has begun."""
        if self._state in ("running", "stopped"):
            self.run_in_loop(function, *arguments)
        else:
            function(*arguments)

    def _set_option(self, name: str, value: object) -> None:
        if self._state == "running":
            self.front.drain()  # whose connect() has returned came before
        vars(self)[name] = value
        self._mind()

    def _mind(self) -> None:
        """Let what was set be in force."""
        front = self.front
        if self._gate is None and (self.max_connections is not None or self.access.is_asked):
            self._gate = Gate(front, self.access, self)
        if self._gate is not None:
            self._gate.balance()
            if self._state == "running":
                front.drain()
        if self.idle_timeout is not None and self._silence is None:
            self._silence = Silence(front, self.journal, self._loop, self.session_of, self._parting_of_silence)
        if self._silence is not None:
            self._silence.limit(self.idle_timeout)
        self._mind_requests()

    def _mind_requests(self) -> None:
        """Let the limit of requests be in force."""
        if self.max_requests is not None and self._turnover is None:
            self._turnover = Turnover(self.front, self.journal, self.is_final, self._parting_of_requests)
        if self._turnover is not None:
            self._turnover.limit(self.max_requests)

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        if self._gate is not None:
            self.access.banned.clear()

    def _parting_of_silence(self, connection: Connection) -> bytes:
        return self.parting(connection, "silence")

    def _parting_of_requests(self, connection: Connection) -> bytes:
        return self.parting(connection, "requests")

    # What a protocol may say

    def session_of(self, connection: Connection) -> Connection:
        """The connection that one is a part of: itself, unless a protocol has several for one session."""
        return connection

    def parting(self, connection: Connection, why: Parting) -> bytes:
        """What the server says unasked before it ends a connection: nothing, unless its protocol has words for it."""
        return b""

    def is_final(self, request: Any) -> bool:
        """Whether what was answered last is the end of the request's answer."""
        return True

    def login_failed(self, connection: Connection) -> None:
        """In the loop, before the answer: the client's credentials are wrong.

        Where that bans its address the connection ends behind the answer.
        """
        if self.access.login_failed(connection.client_address):
            self.journal.note(connection.id, f"{connection.client_address[0]} is banned: its logins failed")
            self._loop.call_soon(self._end_banned, connection)

    def _end_banned(self, connection: Connection) -> None:
        stack = self.front.links.get(connection.id)
        if stack is not None:
            stack.end_in_turn(self.parting(connection, "logins"))
