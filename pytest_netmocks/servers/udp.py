"""`UdpServer`: datagrams. It echoes them until it has rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Self, Unpack

from pytest_netmocks import check
from pytest_netmocks.faults.injection import Injection
from pytest_netmocks.link.datagrams import DatagramSocket, broadcast_address
from pytest_netmocks.matchers import AnyOf, Not, holds, leaves
from pytest_netmocks.rules import decide
from pytest_netmocks.servers.base import ServerOptions
from pytest_netmocks.servers.byte_rules import ByteAnswer, ByteRule, Reply, compile_pattern
from pytest_netmocks.servers.datagram import Datagram, DatagramServer, Turn

LARGEST_IPV4 = 65507
LARGEST_IPV6 = 65527
"""Bytes of the largest datagrams: of the 65535 an IPv4 header takes 20 and UDP's 8 (RFC 791, 768)."""


class UdpRule(ByteRule[Datagram]):
    """What `when` of a UDP server begins."""

    def __init__(
        self, label: str, injector: Callable[[Any, Any, Any], Injection], matches: Callable[[bytes], bool], largest: int
    ) -> None:
        super().__init__(label, injector)
        self.matches = matches
        self._largest = largest

    def reply(self, *data: Reply[Datagram], times: int | None = None, delay: float = 0.0) -> Self:
        """Answer with these datagrams, else as on a TCP server. Raises `ValueError` where one is too large."""
        for piece in data:
            if isinstance(piece, bytes) and len(piece) > self._largest:
                raise ValueError(f"reply must fit into a datagram: {self._largest} bytes, not {len(piece)}")
        return super().reply(*data, times=times, delay=delay)


def _whole(pattern: object) -> re.Pattern[bytes]:
    """The pattern that was given, or one that is found where a datagram is these bytes as a whole."""
    compiled = compile_pattern(pattern)
    return re.compile(rb"\A" + compiled.pattern + rb"\Z") if isinstance(pattern, bytes) else compiled


class UdpServer(DatagramServer):
    """A UDP server: it echoes until there is a rule.

    With `broadcast=True` it also takes what is sent to loopback's broadcast address, 127.255.255.255, on its port.
    """

    scheme = "udp"

    def __init__(self, *, broadcast: bool = False, **options: Unpack[ServerOptions]) -> None:
        super().__init__(**options)
        check.instance("broadcast", broadcast, bool, "True or False")
        self._broadcast = broadcast_address(self._host) if broadcast else None

    def _prepare(self) -> None:
        super()._prepare()
        self.rules: list[UdpRule] = []
        """The rules, oldest first."""

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

        largest = LARGEST_IPV6 if ":" in self._host else LARGEST_IPV4
        rule = UdpRule(f"when({pattern!r})", self._inject_into, matches, largest)
        return self._begin_rule(rule, self.rules)

    def _bind(self) -> None:
        super()._bind()
        if self._broadcast is not None:
            try:
                self._sockets.append(DatagramSocket(self._broadcast, self._port, self._failed))
            except OSError:
                self._sockets.pop().close()
                raise

    def _unsettled(self) -> bool:
        return bool(self.rules)

    def _deliver(self, turn: Turn, datagram: Datagram) -> None:
        matching = [rule for rule in reversed(self.rules) if rule.matches(datagram.data)]
        if not matching:
            if self.rules:
                self.journal.note(datagram.connection.id, "note", "no rule matches the datagram: no answer")
            else:
                self._answer(turn, datagram.data)
            return
        verdict = decide(matching, datagram.connection)
        turn.add(verdict.injections, verdict.struck)
        if verdict.answering is None:
            self._answer(turn, datagram.data)
            return
        answer = verdict.answering.take()
        if answer.ready:
            for piece in answer.ready:
                self._answer(turn, piece)
        else:
            self.tasks.start(self._later(turn, answer, datagram), datagram.connection.id)

    async def _later(self, turn: Turn, answer: ByteAnswer[Datagram], datagram: Datagram) -> None:
        for piece in await answer.make(datagram):
            self._answer(turn, piece)
