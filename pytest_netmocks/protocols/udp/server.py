"""`UdpServer`: datagrams. It echoes them until it has rules or a handler."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, Self, Unpack

from pytest_netmocks import check, clock
from pytest_netmocks.link.datagrams import DatagramSocket, broadcast_address
from pytest_netmocks.matchers import AnyOf, Not, holds, leaves
from pytest_netmocks.records.addresses import Address
from pytest_netmocks.records.events import shown
from pytest_netmocks.rules.base import decide
from pytest_netmocks.rules.book import Exchanges, RuleBook
from pytest_netmocks.rules.bytes import ByteAnswer, ByteRule, Reply, compile_pattern
from pytest_netmocks.servers.datagram import DatagramServer
from pytest_netmocks.servers.datagram_front import Asked, Datagram, Peer
from pytest_netmocks.servers.handlers import check_handler
from pytest_netmocks.servers.ruled import Author
from pytest_netmocks.servers.server import ServerOptions

LARGEST_IPV4 = 65507
LARGEST_IPV6 = 65527
"""Bytes of the largest datagrams: of the 65535 an IPv4 header takes 20 and UDP's 8 (RFC 791, 768)."""


class UdpRule(ByteRule[Datagram]):
    """What `when` of a UDP server begins."""

    def __init__(self, label: str, matches: Callable[[bytes], bool], largest: int) -> None:
        super().__init__(label)
        self._matches = matches
        self._largest = largest

    def reply(
        self, *data: Reply[Datagram] | None, times: int | None = None, delay: float = 0.0, then_close: bool = False
    ) -> Self:
        """Answer with these datagrams, or with none: `reply(None)`; else as on a TCP server.

        Raises `ValueError` where one is too large, and for `then_close`: there is no connection to close.
        """
        if then_close:
            raise ValueError(f"then_close={then_close!r} has no place on UDP: datagrams have no connection to close")
        if data == (None,):
            return self._add(ByteAnswer((), delay), times)
        given = []
        for piece in data:
            if piece is None:
                raise TypeError("reply(None) is no answer: None has no place among datagrams")
            if isinstance(piece, bytes):
                _check_size("reply", piece, self._largest)
            given.append(piece)
        return super().reply(*given, times=times, delay=delay)


class Send(Protocol):
    """What a handler sends with."""

    def __call__(self, data: bytes, address: Address | None = None, *, source: Address | None = None) -> None:
        """Send a datagram: to who asked, or to that address; from the server's own socket, or from another.

        `source` is what that other one is bound to, `(host, port)` with 0 for any free port; the same is the same
        socket. What comes there is the server's, too.
        """


Handler = Callable[[Datagram, Send], Awaitable[None]]


def _check_size(name: str, data: bytes, largest: int) -> None:
    if len(data) > largest:
        raise ValueError(f"{name} must fit into a datagram: {largest} bytes, not {len(data)}")


def _whole(pattern: object) -> re.Pattern[bytes]:
    """The pattern that was given, or one that is found where a datagram is these bytes as a whole."""
    compiled = compile_pattern(pattern)
    return re.compile(rb"\A" + compiled.pattern + rb"\Z") if isinstance(pattern, bytes) else compiled


class UdpServer(DatagramServer):
    """A UDP server: it echoes until there is a rule or a handler.

    With `broadcast=True` it also takes what is sent to loopback's broadcast address, 127.255.255.255, on its port.
    """

    scheme = "udp"

    def __init__(self, *, broadcast: bool = False, **options: Unpack[ServerOptions]) -> None:
        super().__init__(**options)
        check.instance("broadcast", broadcast, bool, "True or False")
        if broadcast:
            self.front.also = (broadcast_address(self._host),)

    def _prepare(self) -> None:
        super()._prepare()
        self.rules: RuleBook[UdpRule] = self.book()
        """The rules, oldest first."""
        self._handler: Handler | None = None
        self._handled: Author = "a test"
        self._others: dict[Address, DatagramSocket] = {}
        """The sockets that are only sent from, by what was asked for."""

    def _make_exchanges(self) -> Exchanges[UdpRule]:
        """Each datagram that comes through its faults is one."""
        return Exchanges(self.rules, UdpRule("every datagram", lambda _: True, self._largest))

    @property
    def _largest(self) -> int:
        return LARGEST_IPV6 if ":" in self._host else LARGEST_IPV4

    @property
    def requests(self) -> list[Datagram]:
        """Every datagram that reached the server, oldest first."""
        return super().requests

    def when(self, pattern: bytes | re.Pattern[bytes] | Not | AnyOf) -> UdpRule:
        """Begin a rule for a whole datagram, or for those in which a compiled pattern of bytes is found.

        `Not` and `AnyOf` may stand for them. Raises `TypeError` for anything else.
        """
        compiled = {leaf: _whole(leaf) for leaf in leaves(pattern)}

        def matches(data: bytes) -> bool:
            return holds(pattern, lambda leaf: compiled[leaf].search(data) is not None)

        return self.rules.add(UdpRule(f"when({pattern!r})", matches, self._largest))

    def handle(self, handler: Handler | None) -> None:
        """Give datagrams to `async def handler(datagram, send)`, no rule answers then; `None` takes it back.

        It runs for each datagram, and may answer with none, one or several, now or later: `send(data)` answers,
        `send(data, address)` goes to somebody else, `send(data, source=("127.0.0.1", 0))` comes from another socket.
        What it raises fails the test. Raises `TypeError` for what is no async function.
        """
        if handler is not None:
            check_handler(handler, "datagram", "send")
        self.catch_up()
        self._handler = handler
        self._handled = self.author_now()

    def send(self, data: bytes, address: Address, *, source: Address | None = None) -> None:
        """Send a datagram that nobody asked for, from the server's socket or from another, bound to `source`.

        Faults without a selector strike it, and it is on the record of that address. Raises `TypeError` or `ValueError`
        that names the argument, `RuntimeError` if the server does not run, an `OSError` if `source` cannot be had.
        """
        self._send_from(None, data, address, source=source)

    def _send_from(
        self, asked: Asked | None, data: bytes, address: Address | None = None, *, source: Address | None = None
    ) -> None:
        check.instance("data", data, bytes, "bytes")
        _check_size("data", data, self._largest)
        to = self._checked("address", address) if address is not None or asked is None else None
        place = self._checked("source", source, minimum=0) if source is not None else None
        if self._state != "running":
            raise RuntimeError(f"{self._name} is {self._state}: it sends nothing")
        self.run_in_loop(self._say, asked, data, to, place)

    def _checked(self, name: str, address: object, minimum: int = 1) -> Address:
        """The address as the kernel gives it to us."""
        accepted = "a (host, port) pair with an IP address, such as a client_address"
        check.instance(name, address, (tuple, list), accepted)
        assert isinstance(address, (tuple, list))
        if len(address) < 2 or not isinstance(address[0], str):
            raise ValueError(f"{name} must be {accepted}, not {address!r}")
        check.whole(f"{name}'s port", address[1], unit="a port", minimum=minimum, maximum=65535)
        try:
            version = ipaddress.ip_address(address[0].partition("%")[0]).version
        except ValueError:
            raise ValueError(f"{name} must be {accepted}, not {address!r}") from None
        if (version == 6) != (":" in self._host):
            raise ValueError(f"{name} must be of the server's kind, as {self.address!r} is, not {address!r}")
        return (*address, 0, 0)[:4] if version == 6 else tuple(address)

    def _say(self, asked: Asked | None, data: bytes, address: Address | None, source: Address | None) -> None:
        """In the loop: send it, as an answer if it is one."""
        if asked is None or address not in (None, asked.peer.connection.client_address):
            assert address is not None
            peer = self.front.peers.get(address) or self.front.meet(address, "first datagram to")
            asked = Asked.unasked(peer, [*self._injections, *peer.injections])
        self.front.answer(
            asked, data, None if source is None else functools.partial(self._send_by, self._other(source))
        )

    @staticmethod
    def _send_by(other: DatagramSocket, peer: Peer, data: bytes) -> None:
        other.send(data, peer.connection.client_address)

    def _other(self, source: Address) -> DatagramSocket:
        found = self._others.get(source)
        if found is None:
            found = self._others[source] = DatagramSocket(source[0], source[1], self.front.failed)
            found.attach(self._loop, self._runtime().doors, self.front.arrived)
            self.front.sockets.append(found)
        return found

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        if not self._lasts(self._handled, keep=keep):
            self._handler = None

    def _deliver(self, asked: Asked, datagram: Datagram) -> None:
        exchanges = self.rules.exchanges
        chosen = () if exchanges is None else exchanges.choose(datagram.connection)
        if self._handler is not None and not chosen:
            coroutine: Any = self._handler(datagram, functools.partial(self._send_from, asked))
            self.tasks.start(coroutine, datagram.connection.id)
            return
        matching = self.rules.matching(datagram.data)
        if not matching and not chosen:
            if self.rules:
                text = f"no rule matches the datagram: no answer to {shown(datagram.data)}"
                self.unmatched(datagram.connection, text, self.rules)
            else:
                self.front.answer(asked, datagram.data)
            return
        verdict = decide(matching, datagram.connection, chosen=chosen)
        asked.add(verdict.injections, verdict.struck)
        if verdict.answering is None:
            self.front.answer(asked, datagram.data)
            return
        answer: ByteAnswer[Datagram] = verdict.take()
        if answer.ready:
            for piece in answer.ready:
                self.front.answer(asked, piece)
        else:
            self.tasks.start(self._later(asked, answer, datagram), datagram.connection.id)

    async def _later(self, asked: Asked, answer: ByteAnswer[Datagram], datagram: Datagram) -> None:
        await answer.wait(clock.sleep)
        async with asked.peer.calls if answer.in_threads else contextlib.nullcontext():
            for piece in await answer.call(datagram):
                self.front.answer(asked, piece)
