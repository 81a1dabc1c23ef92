"""One connection: packets come, rules are asked about each, and the broker does what they say (chapter 4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.mqtt import reasons
from pytest_netmocks.protocols.mqtt.acts import Acts, Done, Settings
from pytest_netmocks.protocols.mqtt.broker import Broker
from pytest_netmocks.protocols.mqtt.codec import decode, encode, type_of
from pytest_netmocks.protocols.mqtt.records import MqttPacket, Version, in_words
from pytest_netmocks.protocols.mqtt.rules import AS_USUAL, MqttAnswer, MqttRule, Scripted
from pytest_netmocks.protocols.mqtt.wire import Frames, MalformedError
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.servers.dialogue import Dialogue
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.tasks import Tasks

GOODBYE = 5.0
"""Seconds that a client has to close behind its DISCONNECT (section 3.14.4)."""

FULL = 4 << 20
"""Bytes that wait for the client before nothing more is sent to it of its own accord."""


class Desk(Settings, Protocol):
    """What a session asks of its server."""

    tasks: Tasks
    journal: Journal
    broker: Broker

    def decide(self, packet: MqttPacket) -> Verdict[MqttRule]:
        """Who answers it, and with which faults."""

    def delivered(self, packet: MqttPacket) -> None:
        """A message goes to a client."""

    def login_failed(self, connection: Connection) -> None:
        """The client's credentials are wrong."""


class MqttSession(Dialogue):
    """One connection."""

    def __init__(self, desk: Desk, link: Link, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(link, connection, desk.tasks)
        self._desk = desk
        self._loop = loop
        self._frames = Frames(desk.maximum_packet_size)
        self._acts = Acts(self, desk.broker, desk)
        self._heard = 0.0
        self._patience = 0.0
        """Seconds of silence that the client may have, 0 for any number."""
        self._timer: asyncio.TimerHandle | None = None
        self.version: Version = "5"
        self.receive_maximum = 65535
        self.maximum_packet_size: int | None = None
        """Of what the client takes."""

    # What comes

    def keep(self, data: bytes) -> None:
        if not self.over:
            self._frames.add(data)
            self._heard = self._loop.time()

    def waiting(self) -> int:
        return len(self._frames)

    def answer_next(self) -> bool:
        packet: MqttPacket | None = None
        try:
            if self._frames.first is None:
                return False
            self._acts.check_place(type_of(self._frames.first))
            found = self._frames.next()
            if found is None:
                return False
            packet = decode(*found, self.version)
            if packet.type == "CONNECT":
                self.version = packet.version
            self._acts.complete(packet)
        except MalformedError as error:
            self.break_off(error.code, str(error))
            return False
        packet.connection, packet.at = self.connection, self._desk.journal.now()
        journal = self._desk.journal
        put = journal.request if packet.is_answered else journal.message
        put(self.connection, packet)
        self._deal(packet)
        return True

    def _deal(self, packet: MqttPacket) -> None:
        verdict = self._desk.decide(packet)
        if verdict.answering is None:
            self._give(packet, verdict, AS_USUAL, None)
            return
        answer: MqttAnswer = verdict.take()
        if answer.delay or answer.function is not None:
            self.answer_later(self._later(packet, verdict, answer))
        else:
            self._give(packet, verdict, answer.scripted, answer.raw)

    async def _later(self, packet: MqttPacket, verdict: Verdict[MqttRule], answer: MqttAnswer) -> None:
        if answer.delay:
            await self.link.pause(answer.delay)
        scripted = await answer.make(packet)
        if not self.over:  # else the client did not wait
            self._give(packet, verdict, scripted, answer.raw)

    def _give(self, packet: MqttPacket, verdict: Verdict[MqttRule], scripted: Scripted, raw: bytes | None) -> None:
        try:
            done = Done() if raw is not None else self._acts.execute(packet, scripted)
        except MalformedError as error:
            self.break_off(error.code, str(error))
            return
        out = encode(done.answer) if done.answer is not None and not scripted.silent else b""
        out = out if raw is None else raw
        told = self._told(packet, done.answer, out)
        if out:
            Exchange(self.link, verdict, packet).answer(b"", out, told)
        elif verdict.injections:
            Exchange(self.link, verdict).answer(b"", b"", told)
        done.then()
        if done.closes or verdict.then_close:
            self.over = True
            self.link.close()

    @staticmethod
    def _told(packet: MqttPacket, answer: MqttPacket | None, out: bytes) -> Callable[[bytes], None]:
        def told(going: bytes) -> None:
            if answer is not None and going == out:
                packet.answer, packet.refused = in_words(answer), answer.refuses
            elif going:
                cut = going != out and out.startswith(going)
                packet.answer = f"{len(going)} of {len(out)} B" if cut else repr(going[:40])

        return told

    # What goes

    def send(self, packet: MqttPacket) -> bool:
        """In the loop: send a packet unasked; one that is larger than the client takes is not (section 3.1.2.11.4)."""
        if self.over or self.link.is_closing():
            return True  # it is lost on its way
        data = encode(packet)
        if self.maximum_packet_size is not None and len(data) > self.maximum_packet_size:
            self.note(f"{packet.type} of {len(data)} B is not sent: the client takes {self.maximum_packet_size} B")
            return False
        self._write(packet, data)
        return True

    def _write(self, packet: MqttPacket, data: bytes) -> None:
        packet.direction, packet.connection, packet.at = "sent", self.connection, self._desk.journal.now()
        packet.client = self._acts.client
        if packet.type == "PUBLISH":
            self._desk.delivered(packet)
        self._desk.journal.phase(packet.at, self.connection.id, packet, "message")
        self.link.write(data)

    @property
    def is_full(self) -> bool:
        """Whether the client does not take what is written."""
        return self.link.get_write_buffer_size() > FULL

    def now(self) -> float:
        """Seconds, by the servers' clock."""
        return self._loop.time()

    def note(self, text: str) -> None:
        """Put a line on record."""
        self._desk.journal.note(self.connection.id, text)

    def login_failed(self) -> None:
        """The client's credentials are wrong."""
        self._desk.login_failed(self.connection)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._acts.pump()

    # The end

    def break_off(self, code: int, text: str) -> None:
        """In the loop: end the connection, for this reason; a client of MQTT 5 is told it (section 4.13)."""
        self.note(text)
        self.disconnect(code, {"reason_string": text[:1000]})

    def disconnect(self, code: int, properties: dict[str, Any]) -> None:
        """In the loop: end the connection; a client of MQTT 5 is told why."""
        if self.over or self.link.is_closing():
            return
        self.over = True
        last: MqttPacket | None = None
        if self._acts.is_connected and self.version == "5":
            last = MqttPacket("DISCONNECT", self.version, reasons=[code], properties=properties)
        elif not self._acts.is_connected and code == reasons.UNSUPPORTED_VERSION:  # every version reads this one
            last = MqttPacket("CONNACK", "3.1.1", reasons=[reasons.return_code(code)])
        if last is not None:
            self._write(last, encode(last))
        self.link.close()

    def taken_over(self) -> None:
        """Another connection has the session from now on."""
        self.note("another connection has its client id")
        self.disconnect(reasons.TAKEN_OVER, {})

    def said_goodbye(self) -> None:
        """The client has disconnected, and closes; one that does not is ended."""
        self.over = True
        self._frames.clear()
        self._acts.lost()
        self._wait_for(GOODBYE, self.link.close)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self._timer is not None:
            self._timer.cancel()
        self._acts.lost()

    # Keep-alive (section 3.1.2.10)

    def keep_alive(self, seconds: int) -> None:
        """The client says something every so many seconds; 0 says nothing of it."""
        self._patience = 1.5 * seconds
        if seconds:
            self._heard = self._loop.time()
            self._wait_for(self._patience, self._look)

    def _wait_for(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, then)

    def _look(self) -> None:
        left = self._heard + self._patience - self._loop.time()
        if left > 0:
            self._wait_for(left, self._look)
        elif self.busy:  # the client is not read: what it says may be on its way
            self._wait_for(self._patience, self._look)
        elif not self.over:
            text = f"nothing came for {self._patience:g} s, one and a half times its keep-alive"
            self.break_off(reasons.KEEP_ALIVE_TIMEOUT, text)
