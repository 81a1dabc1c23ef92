"""`MqttServer`: a broker that a test looks into, rules over packets."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Unpack

from pytest_netmocks import check
from pytest_netmocks.link.link import Link, Top
from pytest_netmocks.protocols.mqtt import properties as props
from pytest_netmocks.protocols.mqtt import reasons, rules
from pytest_netmocks.protocols.mqtt.broker import Broker, Session
from pytest_netmocks.protocols.mqtt.codec import encode
from pytest_netmocks.protocols.mqtt.records import MqttMessage, MqttPacket, Version
from pytest_netmocks.protocols.mqtt.rules import MqttRule
from pytest_netmocks.protocols.mqtt.session import MqttSession
from pytest_netmocks.protocols.mqtt.topics import wrong_topic
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.rules.book import Exchanges, RuleBook
from pytest_netmocks.rules.commands import Command, Wanted
from pytest_netmocks.servers.limited import Parting
from pytest_netmocks.servers.option import Option
from pytest_netmocks.servers.stream import StreamOptions, StreamServer

VERSIONS: tuple[Version, ...] = ("3.1.1", "5")

PARTINGS: dict[Parting, int] = {"silence": reasons.KEEP_ALIVE_TIMEOUT}
"""What a client of MQTT 5 is told; one that is not let in has its CONNACK."""


def _versions(name: str, value: Any) -> tuple[Version, ...]:
    """Some of the versions there are. Raises `TypeError` or `ValueError`."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a list of versions such as ['3.1.1', '5'], not {value!r}")
    found = tuple(value)
    for one in found:
        check.one_of(name, one, VERSIONS)
    if not found:
        raise ValueError(f"{name} must have one version at least, of {', '.join(VERSIONS)}")
    return found


class MqttServer(StreamServer):
    """An MQTT broker: 3.1.1 and 5, QoS 0 to 2, retained messages, wills, sessions, shared subscriptions.

    With `users` (names to passwords) only those are let in; without them any credentials pass. `versions` are those
    that it speaks, `keep_alive` is a number of seconds that clients of MQTT 5 are told in place of their own,
    `maximum_packet_size` the most bytes of a packet, `receive_maximum` how many messages of QoS 2 a client may have
    unfinished, `maximum_qos`, `topic_alias_maximum` and `retain_available` what it says it can (MQTT 5.0, section
    3.2.2.3). Times are those of the servers' clock.
    """

    scheme = "mqtt"
    secure_scheme: ClassVar[str | None] = "mqtts"
    lets_log_in = True
    no_requests = "packets of MQTT come for as long as a client is connected: disconnect() ends it"
    users = Option(check.passwords)
    versions = Option(_versions)
    keep_alive: Option[int | None] = Option(check.optional(check.whole, unit="seconds", minimum=0, maximum=65535))
    maximum_packet_size: Option[int] = Option(check.kept(check.whole, unit="bytes", minimum=16, maximum=268435460))
    receive_maximum: Option[int] = Option(check.kept(check.whole, unit="messages", minimum=1, maximum=65535))
    maximum_qos: Option[int] = Option(check.kept(check.whole, unit="QoS", minimum=0, maximum=2))
    topic_alias_maximum: Option[int] = Option(check.kept(check.whole, unit="aliases", minimum=0, maximum=65535))
    retain_available = Option(check.flag)

    def __init__(
        self,
        *,
        tls: bool = False,
        users: Mapping[str, str] | None = None,
        versions: Iterable[Version] = VERSIONS,
        keep_alive: int | None = None,
        maximum_packet_size: int = 1048576,
        receive_maximum: int = 65535,
        maximum_qos: int = 2,
        topic_alias_maximum: int = 100,
        retain_available: bool = True,
        **options: Unpack[StreamOptions],
    ) -> None:
        self._take_options(
            users=users,
            versions=versions,
            keep_alive=keep_alive,
            maximum_packet_size=maximum_packet_size,
            receive_maximum=receive_maximum,
            maximum_qos=maximum_qos,
            topic_alias_maximum=topic_alias_maximum,
            retain_available=retain_available,
        )
        super().__init__(tls=tls, **options)

    def _prepare(self) -> None:
        super()._prepare()
        self.rules: RuleBook[MqttRule] = self.book()
        """The rules over packets, oldest first."""
        self._messages = self.journal.shelf()
        self._deliveries = self.journal.shelf()
        self._assigned = 0
        self._at_first: list[MqttMessage] = []
        self.broker = Broker(lambda: self._loop, self._will)
        """What it keeps of its clients."""

    def _make_exchanges(self) -> Exchanges[MqttRule]:
        """Each packet of a client is one."""
        return Exchanges(self.rules, MqttRule(None))

    # What a test says

    @property
    def requests(self) -> list[MqttPacket]:
        """Every packet of clients so far, oldest first."""
        return super().requests

    @property
    def messages(self) -> list[MqttMessage]:
        """Every message that clients published so far, oldest first, their wills among them."""
        return list(self._messages)

    @property
    def deliveries(self) -> list[MqttPacket]:
        """Every PUBLISH that went to a client so far, oldest first, repeated ones too."""
        return list(self._deliveries)

    @property
    def retained(self) -> dict[str, MqttMessage]:
        """The messages that are retained, by topic; `publish(..., retain=True)` puts one in."""
        return {topic: message for topic, (message, _) in self.broker.retained.copy().items()}

    @property
    def sessions(self) -> dict[str, Session]:
        """What is kept of each client, by its id: `is_connected`, `subscriptions` by filter, messages `queued`."""
        return dict(self.broker.sessions)

    def when(self, packet: Command, *, topic: Wanted = None, payload: Any = None, client: Wanted = None) -> MqttRule:
        """Begin a rule for packets of this type ("CONNECT", "PUBLISH", "SUBSCRIBE", "PINGREQ", ...).

        `topic` is a topic filter, which may have wildcards, or a compiled pattern; of what is subscribed to it is the
        filter as it is written. `payload` is bytes, text or a compiled pattern of bytes, `client` the client's id.
        Raises `TypeError` or `ValueError` that names the argument.
        """
        return self.rules.add(rules.rule(packet, topic, payload, client))

    def publish(
        self,
        topic: str,
        payload: bytes | str = b"",
        *,
        qos: int = 0,
        retain: bool = False,
        properties: Mapping[str, Any] | None = None,
        duplicate: bool = False,
    ) -> int:
        """Publish a message, which goes to whoever has subscribed to it; gives to how many sessions.

        A message that is to be retained and has no payload removes the one that is. `properties` are those of PUBLISH
        (MQTT 5.0, section 3.3.2.3). With `duplicate` each subscriber gets it twice, the second time with DUP where that
        may be. Raises `TypeError` or `ValueError` that names the argument.
        """
        props.check_text("topic", topic)
        if wrong := wrong_topic(topic):
            raise ValueError(f"topic must name one topic, not {topic!r}, which {wrong}")
        check.instance("payload", payload, (bytes, str), "bytes, or text that is sent as UTF-8")
        check.whole("qos", qos, unit="QoS", minimum=0, maximum=2)
        given = props.accepted("properties", properties, "PUBLISH")
        check.flag("retain", retain)
        check.flag("duplicate", duplicate)
        data = payload.encode() if isinstance(payload, str) else payload
        message = MqttMessage(topic, data, qos, retain, given)
        if self._state in ("running", "stopped"):
            return self.run_in_loop(self._publish, message, duplicate)
        return self._publish(message, duplicate)

    def _publish(self, message: MqttMessage, again: bool) -> int:
        message.at = self.journal.now()
        return self.broker.publish(message, None, again=again)

    def disconnect(
        self,
        client: str | None = None,
        reason: str | int = "Server shutting down",
        *,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        """End the connections of a client, or of all: with a DISCONNECT of MQTT 5 (section 3.14), then a FIN.

        Raises `TypeError` or `ValueError` that names the argument.
        """
        check.instance("client", client, (str, type(None)), "a client's id, or None for all")
        code = reasons.code_of("reason", reason)
        given = props.accepted("properties", properties, "DISCONNECT")
        self.run_in_loop(self._disconnect, client, code, given)

    def _disconnect(self, client: str | None, code: int, properties: dict[str, Any]) -> None:
        self._drain()
        for session in list(self.broker.sessions.values()):
            if session.live is not None and client in (None, session.client):
                session.live.disconnect(code, properties)

    # What sessions ask

    def next_client_id(self) -> str:
        """In the loop: an id for a client that brings none."""
        self._assigned += 1
        return f"netmocks-{self._assigned}"

    def received(self, packet: MqttPacket) -> MqttMessage:
        """In the loop: put the message of a PUBLISH on record."""
        properties = {name: value for name, value in packet.properties.items() if name != "topic_alias"}
        message = MqttMessage(
            topic=packet.topic or "",
            payload=packet.payload,
            qos=packet.qos,
            retain=packet.retain,
            properties=properties,
            client=packet.client,
            connection=packet.connection,
            at=packet.at,
        )
        self._messages.put(message)
        return message

    def _will(self, message: MqttMessage) -> None:
        message.at = self.journal.now()
        self._messages.put(message)

    def delivered(self, packet: MqttPacket) -> None:
        """In the loop: a message goes to a client."""
        self._deliveries.put(packet)

    def decide(self, packet: MqttPacket) -> Verdict[MqttRule]:
        """In the loop: who answers it, and with which faults."""
        return self.rules.decide(packet, packet.connection)

    def parting(self, connection: Connection, why: Parting) -> bytes:
        live = self.broker.live_on(connection)
        if live is None or live.version != "5" or why not in PARTINGS:
            return b""
        return encode(MqttPacket("DISCONNECT", reasons=[PARTINGS[why]]))

    # From the beginning to the end

    def _build_in(self) -> None:
        super()._build_in()
        self._at_first = [dataclasses.replace(message) for message in self.retained.values()]

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        self.run_in_loop(self._forget_clients)
        self._messages.clear()
        self._deliveries.clear()

    def _forget_clients(self) -> None:
        self.broker.forget()
        for message in self._at_first:
            self.broker.publish(message, {})

    def _close_at_once(self) -> bool:
        return not self.broker.waits and super()._close_at_once()

    def _finish(self) -> None:
        super()._finish()
        self.broker.forget()

    def _protocol(self, link: Link, connection: Connection) -> Top:
        return MqttSession(self, link, connection, self._loop)


class MqttsServer(MqttServer):
    """An MQTT broker over TLS."""

    always_secure = True
