"""`Outgoing`: the messages on their way to one client, in their order (MQTT 5.0, sections 4.3 to 4.6 and 4.9)."""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any, Literal, Protocol

from pytest_netmocks.protocols.mqtt.records import MqttMessage, MqttPacket, Properties, Version

QUEUED = 10_000
"""Messages that wait for one client; of more the newest are dropped."""

QUEUED_BYTES = 32 << 20
"""Bytes of their payloads."""


@dataclasses.dataclass(slots=True)
class Delivery:
    """One message for one client."""

    message: MqttMessage
    qos: int
    retain: bool
    identifiers: list[int]
    expires_at: float | None
    again: bool = False
    """Whether it is sent twice."""
    stage: Literal["PUBLISH", "PUBREL"] = "PUBLISH"
    """What was sent last of it."""
    sent: bool = False
    """Whether it was sent before: then it is a duplicate."""

    @property
    def size(self) -> int:
        """Bytes that it takes in a queue."""
        return len(self.message.payload) + len(self.message.topic) + 200


class Live(Protocol):
    """The connection of a client that is there."""

    version: Version
    receive_maximum: int
    """How many messages of QoS 1 and 2 the client has on their way to it, at most."""

    def send(self, packet: MqttPacket) -> bool:
        """Send a packet; whether it is one that the client takes."""

    @property
    def is_full(self) -> bool:
        """Whether the client does not take what is written."""

    def now(self) -> float:
        """Seconds, by the servers' clock."""

    def note(self, text: str) -> None:
        """Put a line on record."""


class Outgoing:
    """One client's, from one connection to the next."""

    def __init__(self) -> None:
        self.queue: deque[Delivery] = deque()
        """What has no packet identifier yet, oldest first."""
        self.flying: dict[int, Delivery] = {}
        """What has one and is not done, in the order in which it was sent first."""
        self._again: deque[int] = deque()
        """Of those, the ones that this connection has not carried."""
        self._bytes = 0
        self._latest = 0
        self._dropped = False

    def __len__(self) -> int:
        return len(self.queue) + len(self.flying)

    @property
    def is_full(self) -> bool:
        """Whether nothing more is kept."""
        return len(self.queue) >= QUEUED or self._bytes >= QUEUED_BYTES

    def put(self, delivery: Delivery, live: Live | None) -> None:
        """One more; of QoS 0 it goes out at once or never."""
        if delivery.qos == 0:
            if live is not None and not live.is_full:
                self._send(delivery, None, live)
            elif live is not None:
                self._drop(live, "the client does not take what is sent: messages of QoS 0 are dropped")
            return
        if self.is_full:
            if live is not None:
                self._drop(live, f"{len(self.queue)} messages wait for the client: more are dropped")
            return
        self.queue.append(delivery)
        self._bytes += delivery.size
        if live is not None:
            self.pump(live)

    def _drop(self, live: Live, text: str) -> None:
        if not self._dropped:
            self._dropped = True
            live.note(text)

    def resume(self, live: Live) -> None:
        """A new connection: what was not done is sent again, in its order, then what waits (section 4.4)."""
        self._again = deque(self.flying)
        self._dropped = False
        self.pump(live)

    def pump(self, live: Live) -> None:
        """Send what may be sent now."""
        while self._again and not live.is_full and self._in_flight < live.receive_maximum:
            number = self._again.popleft()
            delivery = self.flying.get(number)
            if delivery is None:
                continue
            if delivery.stage == "PUBREL":
                live.send(MqttPacket("PUBREL", live.version, packet_id=number, reasons=[0]))
            else:
                self._send(delivery, number, live)
        while self.queue and not live.is_full and len(self.flying) < live.receive_maximum and not self._again:
            delivery = self.queue.popleft()
            self._bytes -= delivery.size
            if delivery.expires_at is not None and delivery.expires_at <= live.now():
                continue
            number = self._next()
            self.flying[number] = delivery
            if not self._send(delivery, number, live):
                del self.flying[number]

    @property
    def _in_flight(self) -> int:
        return len(self.flying) - len(self._again)

    def _next(self) -> int:
        while True:
            self._latest = self._latest % 65535 + 1
            if self._latest not in self.flying:
                return self._latest

    def _send(self, delivery: Delivery, number: int | None, live: Live) -> bool:
        message = delivery.message
        properties: Properties = dict(message.properties)
        properties.pop("will_delay_interval", None)
        properties.pop("topic_alias", None)
        if delivery.expires_at is not None:
            properties["message_expiry_interval"] = max(0, round(delivery.expires_at - live.now()))
        if delivery.identifiers:
            properties["subscription_identifier"] = list(delivery.identifiers)
        made: dict[str, Any] = {
            "topic": message.topic,
            "payload": message.payload,
            "qos": delivery.qos,
            "retain": delivery.retain,
            "packet_id": number,
            "properties": properties,
        }
        taken = live.send(MqttPacket("PUBLISH", live.version, dup=delivery.sent and delivery.qos > 0, **made))
        if taken and delivery.again and not delivery.sent:
            live.send(MqttPacket("PUBLISH", live.version, dup=delivery.qos > 0, **made))
        delivery.sent = taken
        return taken

    def acknowledged(self, number: int, live: Live) -> bool:
        """PUBACK, PUBCOMP, or a PUBREC that refuses: it is done. Whether there was such a one."""
        known = self.flying.pop(number, None) is not None
        self.pump(live)
        return known

    def received(self, number: int) -> bool:
        """PUBREC: from now on it is released, and sent no more. Whether there is such a one."""
        delivery = self.flying.get(number)
        if delivery is None or delivery.qos != 2:
            return False
        delivery.stage = "PUBREL"
        return True

    def stage_of(self, number: int) -> tuple[int, str] | None:
        """The QoS of what flies under that number, and what was sent last of it."""
        delivery = self.flying.get(number)
        return None if delivery is None else (delivery.qos, delivery.stage)
