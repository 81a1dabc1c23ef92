"""A client of MQTT that is no more than its packets."""

from __future__ import annotations

import contextlib
import socket
from types import TracebackType
from typing import Any, Self

from helpers import connect, read_exactly, read_to_end

from pytest_netmocks import MqttPacket, MqttServer, MqttSubscription
from pytest_netmocks.protocols.mqtt.codec import decode, encode

Version = Any


class Talk:
    """Connects unless told otherwise; says packets and gives those that come."""

    def __init__(
        self,
        server: MqttServer,
        client: str = "c",
        version: Version = "5",
        *,
        clean: bool = True,
        sock: socket.socket | None = None,
        **options: Any,
    ) -> None:
        self.sock: Any = sock or connect(server)
        self.version = version
        try:
            self.say("CONNECT", client=client, clean_start=clean, **options)
            self.connack = self.hear()
        except BaseException:
            self.sock.close()
            raise

    def say(self, kind: str, **fields: Any) -> None:
        self.sock.sendall(encode(MqttPacket(kind, self.version, **fields)))

    def hear(self) -> MqttPacket:
        """The next packet."""
        first, size, shift = read_exactly(self.sock, 1)[0], 0, 0
        while True:
            byte = read_exactly(self.sock, 1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        return decode(first, read_exactly(self.sock, size), self.version)

    def ask(self, kind: str, **fields: Any) -> MqttPacket:
        """Say a packet, and hear the next."""
        self.say(kind, **fields)
        return self.hear()

    def subscribe(self, *filters: str, qos: int = 2, **options: Any) -> MqttPacket:
        identifier = options.pop("identifier", None)
        properties = {} if identifier is None else {"subscription_identifier": identifier}
        wanted = [MqttSubscription(name, qos, **options) for name in filters]
        return self.ask("SUBSCRIBE", packet_id=1, subscriptions=wanted, properties=properties)

    def publish(self, topic: str, payload: bytes = b"x", qos: int = 0, **fields: Any) -> None:
        number = fields.pop("packet_id", 1) if qos else None
        self.say("PUBLISH", topic=topic, payload=payload, qos=qos, packet_id=number, **fields)

    def synchronise(self) -> list[MqttPacket]:
        """All that comes before the answer to a ping."""
        self.say("PINGREQ")
        came: list[MqttPacket] = []
        while (packet := self.hear()).type != "PINGRESP":
            came.append(packet)
        return came

    def end(self) -> bytes:
        """What comes up to the server's end."""
        return read_to_end(self.sock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self.sock.close()
