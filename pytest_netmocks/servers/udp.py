"""`UdpServer`: datagrams. It echoes them until it has rules."""

from __future__ import annotations

import re
from typing import Unpack

from pytest_netmocks import check
from pytest_netmocks.link.datagrams import DatagramSocket, broadcast_address
from pytest_netmocks.rules import Verdict, decide
from pytest_netmocks.servers.base import ServerOptions
from pytest_netmocks.servers.byte_rules import ByteAnswer, ByteRule, compile_pattern
from pytest_netmocks.servers.datagram import Datagram, DatagramServer, Turn

UdpRule = ByteRule[Datagram]


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

    def when(self, pattern: bytes | re.Pattern[bytes]) -> UdpRule:
        """Begin a rule for a whole datagram, or for those in which a compiled pattern of bytes is found.

        Raises `TypeError` for anything else.
        """
        compiled = compile_pattern(pattern)
        if isinstance(pattern, bytes):
            compiled = re.compile(rb"\A" + compiled.pattern + rb"\Z")
        rule = UdpRule(f"when({pattern!r})", self._inject_into, compiled)
        self._catch_up()
        self.rules.append(rule)
        return rule

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
        matching = [rule for rule in reversed(self.rules) if rule.pattern and rule.pattern.search(datagram.data)]
        if not matching:
            if self.rules:
                self.journal.note(datagram.connection.id, "note", "no rule matches the datagram: no answer")
            else:
                self._answer(turn, datagram.data)
            return
        verdict = decide(matching)
        self._strike_rule(turn, verdict)
        if verdict.answering is None:
            self._answer(turn, datagram.data)
            return
        answer = verdict.answering.take()
        if answer.ready:
            for piece in answer.ready:
                self._answer(turn, piece)
        else:
            self.tasks.start(self._later(turn, answer, datagram), datagram.connection.id)

    def _strike_rule(self, turn: Turn, verdict: Verdict[UdpRule]) -> None:
        turn.add(verdict.injections)
        verdict.struck()

    async def _later(self, turn: Turn, answer: ByteAnswer[Datagram], datagram: Datagram) -> None:
        for piece in await answer.make(datagram):
            self._answer(turn, piece)
