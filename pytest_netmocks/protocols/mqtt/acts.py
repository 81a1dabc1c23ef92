"""`Acts`: what each packet of a client does, and what is answered to it (MQTT 5.0, chapter 3)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

from pytest_netmocks.protocols.mqtt import reasons
from pytest_netmocks.protocols.mqtt.broker import FOREVER, Broker, Connected, Session
from pytest_netmocks.protocols.mqtt.records import MqttMessage, MqttPacket, Properties, Version
from pytest_netmocks.protocols.mqtt.rules import ANSWERS, COMING, Scripted
from pytest_netmocks.protocols.mqtt.wire import MalformedError
from pytest_netmocks.servers.tasks import nothing


class Settings(Protocol):
    """How the server is to be."""

    users: dict[str, str]
    versions: tuple[Version, ...]
    keep_alive: int | None
    maximum_packet_size: int
    maximum_qos: int
    receive_maximum: int
    topic_alias_maximum: int
    retain_available: bool

    def next_client_id(self) -> str:
        """An id for a client that brings none."""

    def received(self, packet: MqttPacket) -> MqttMessage:
        """The message that a client publishes."""


class Way(Connected, Protocol):
    """The connection that the packets come by."""

    version: Version
    receive_maximum: int
    maximum_packet_size: int | None

    def keep_alive(self, seconds: int) -> None:
        """The client says something every so many seconds."""

    def said_goodbye(self) -> None:
        """The client has disconnected."""

    def login_failed(self) -> None:
        """The client's credentials are wrong."""


@dataclasses.dataclass(slots=True)
class Done:
    """What is to be answered, and done once that has been sent."""

    answer: MqttPacket | None = None
    then: Callable[[], object] = nothing
    closes: bool = False


class Acts:
    """One connection's."""

    def __init__(self, way: Way, broker: Broker, settings: Settings) -> None:
        self._way = way
        self._broker = broker
        self._settings = settings
        self._session: Session | None = None
        self._aliases: dict[int, str] = {}
        self._expiry = 0
        self._goodbye = False
        self.client = ""
        self.is_connected = False
        """Whether a CONNECT was accepted."""

    def check_place(self, kind: str) -> None:
        """Raise `MalformedError` for a packet that is not to come now."""
        if kind not in COMING:
            raise MalformedError(reasons.PROTOCOL_ERROR, f"{kind} is nothing that a client sends")
        if (kind == "CONNECT") is self.is_connected:
            text = "a second CONNECT" if self.is_connected else f"{kind} comes before CONNECT"
            raise MalformedError(reasons.PROTOCOL_ERROR, text)

    def complete(self, packet: MqttPacket) -> None:
        """Give the packet what is known from before: the client's id, and the topic of an alias."""
        if packet.type != "CONNECT":
            packet.client = self.client
        if packet.type == "PUBLISH" and "subscription_identifier" in packet.properties:
            raise MalformedError(reasons.PROTOCOL_ERROR, "PUBLISH of a client has a subscription identifier")
        alias = packet.properties.get("topic_alias")
        if packet.type == "PUBLISH" and alias is not None:
            if alias > self._settings.topic_alias_maximum:
                most = self._settings.topic_alias_maximum
                raise MalformedError(reasons.BAD_ALIAS, f"topic alias {alias}, and the server takes {most} at most")
            if packet.topic:
                self._aliases[alias] = packet.topic
            elif alias in self._aliases:
                packet.topic = self._aliases[alias]
            else:
                raise MalformedError(reasons.PROTOCOL_ERROR, f"topic alias {alias} stands for nothing")

    def execute(self, packet: MqttPacket, scripted: Scripted) -> Done:
        """Do what the packet says, as a rule has it. Raises `MalformedError` for what breaks the protocol."""
        kind, code = packet.type, scripted.code
        has_place = code is None or any(one in reasons.PACKETS[code] for one in ANSWERS.get(kind, "").split())
        if code is not None and code >= reasons.UNSPECIFIED and not self._can_say(packet, has_place=has_place):
            return self._turned_away(packet, code, scripted.properties)
        done: Done = getattr(self, f"_{kind.lower()}")(packet, code if has_place else None, scripted)
        if done.answer is not None:
            done.answer.properties |= scripted.properties
        return done

    def _can_say(self, packet: MqttPacket, *, has_place: bool) -> bool:
        """Whether the answer can be a refusal: 3.1.1 has none for messages, and QoS 0 has no answer."""
        if packet.type == "PUBLISH":
            return packet.qos == 0 or (has_place and packet.version == "5")
        if packet.type == "UNSUBSCRIBE":
            return has_place and packet.version == "5"
        return has_place or packet.type == "CONNECT"

    def _turned_away(self, packet: MqttPacket, code: int, properties: Properties) -> Done:
        """End the connection for a reason that the answer has no place for."""
        answer = None
        if packet.version == "5":
            answer = MqttPacket("DISCONNECT", packet.version, reasons=[code], properties=dict(properties))
        return Done(answer, closes=True)

    def _answer(self, packet: MqttPacket, kind: str, *codes: int, **properties: Any) -> MqttPacket:
        return MqttPacket(
            kind, packet.version, packet_id=packet.packet_id, reasons=list(codes), properties=dict(properties)
        )

    @property
    def _its_session(self) -> Session:
        assert self._session is not None, "only packets behind a CONNECT come here"
        return self._session

    # CONNECT

    def _connect(self, packet: MqttPacket, code: int | None, scripted: Scripted) -> Done:
        refused = code if code is not None and code >= reasons.UNSPECIFIED else self._refusal(packet)
        old = packet.version != "5"
        if refused is not None:
            if refused == reasons.BAD_LOGIN:
                self._way.login_failed()
            answer = self._answer(packet, "CONNACK", reasons.return_code(refused) if old else refused)
            return Done(answer, closes=True)
        given: Properties = {}
        self.client = packet.client
        if not packet.client:
            self.client = given["assigned_client_identifier"] = self._settings.next_client_id()
            packet.client = self.client
        self._take(packet)
        session, present = self._broker.connect(self.client, self._way, clean=packet.clean_start)
        self._session = session
        self.is_connected = True
        session.expiry, session.will = self._expiry, packet.will
        if packet.will is not None:
            packet.will = session.will = dataclasses.replace(
                packet.will, client=self.client, connection=packet.connection, at=packet.at
            )
        keep_alive = packet.keep_alive
        if not old:
            given |= self._announced()
            given |= scripted.properties
            keep_alive = given.get("server_keep_alive", keep_alive)
        answer = self._answer(packet, "CONNACK", reasons.SUCCESS, **given)
        answer.session_present = present
        self._way.keep_alive(keep_alive)
        return Done(answer, lambda: session.outgoing.resume(self._way))

    def _take(self, packet: MqttPacket) -> None:
        """What the client says of itself."""
        said = packet.properties
        if packet.version == "5":
            self._expiry = said.get("session_expiry_interval", 0)
            self._way.receive_maximum = said.get("receive_maximum", 65535)
            self._way.maximum_packet_size = said.get("maximum_packet_size")
        else:
            self._expiry = 0 if packet.clean_start else FOREVER

    def _announced(self) -> Properties:
        """What a server says of itself where it is not as the standard takes for granted."""
        settings = self._settings
        given: Properties = {"maximum_packet_size": settings.maximum_packet_size}
        if settings.topic_alias_maximum:
            given["topic_alias_maximum"] = settings.topic_alias_maximum
        if settings.receive_maximum != 65535:
            given["receive_maximum"] = settings.receive_maximum
        if settings.maximum_qos < 2:
            given["maximum_qos"] = settings.maximum_qos
        if not settings.retain_available:
            given["retain_available"] = 0
        if settings.keep_alive is not None:
            given["server_keep_alive"] = settings.keep_alive
        return given

    def _refusal(self, packet: MqttPacket) -> int | None:
        """Why a client is refused, `None` if it is not."""
        settings, will = self._settings, packet.will
        if packet.version not in settings.versions:
            return reasons.UNSUPPORTED_VERSION
        if "authentication_method" in packet.properties:
            return reasons.BAD_METHOD
        if settings.users:
            if packet.username is None:
                return reasons.NOT_AUTHORIZED
            wanted = settings.users.get(packet.username)
            if wanted is None or wanted.encode() != packet.password:
                return reasons.BAD_LOGIN
        if not packet.client and not packet.clean_start and packet.version != "5":
            return reasons.BAD_CLIENT_ID
        if will is not None and will.qos > settings.maximum_qos:
            return reasons.NO_SUCH_QOS
        if will is not None and will.retain and not settings.retain_available:
            return reasons.NO_RETAIN
        return None

    # Messages

    def _publish(self, packet: MqttPacket, code: int | None, scripted: Scripted) -> Done:
        settings, session, number = self._settings, self._its_session, packet.packet_id
        if packet.qos > settings.maximum_qos:
            raise MalformedError(reasons.NO_SUCH_QOS, f"QoS {packet.qos}, and the server takes {settings.maximum_qos}")
        if packet.retain and not settings.retain_available:
            raise MalformedError(reasons.NO_RETAIN, "a message to be retained, and the server retains none")
        known = packet.qos == 2 and number in session.incoming
        kind = {0: "", 1: "PUBACK", 2: "PUBREC"}[packet.qos]
        if code is not None and code >= reasons.UNSPECIFIED:
            return Done(self._answer(packet, kind, code) if kind else None)
        if known:  # section 4.3.3: it was taken already
            return Done(self._answer(packet, kind, code or reasons.SUCCESS))
        if packet.qos == 2:
            if len(session.incoming) >= settings.receive_maximum:
                text = f"more than {settings.receive_maximum} messages on their way"
                raise MalformedError(reasons.RECEIVE_MAXIMUM_EXCEEDED, text)
            assert number is not None
            session.incoming.add(number)
        assert packet.topic is not None
        message = settings.received(packet)
        receivers = self._broker.receivers(packet.topic, session)
        if code is None:
            code = reasons.SUCCESS if receivers or packet.version != "5" else reasons.NO_SUBSCRIBERS
        answer = self._answer(packet, kind, code) if kind else None
        self._broker.keep(message)  # whoever has the answer finds it there
        return Done(answer, lambda: self._broker.send(message, receivers, again=scripted.again))

    def _pubrel(self, packet: MqttPacket, code: int | None, scripted: Scripted) -> Done:
        known = packet.packet_id in self._its_session.incoming
        self._its_session.incoming.discard(packet.packet_id or 0)
        usual = reasons.SUCCESS if known else reasons.UNKNOWN_ID
        return Done(self._answer(packet, "PUBCOMP", usual if code is None else code))

    def _puback(self, packet: MqttPacket, code: int | None, scripted: Scripted) -> Done:
        assert packet.packet_id is not None
        flying = self._its_session.outgoing.stage_of(packet.packet_id)
        if flying is not None and flying[0] != 1:
            raise MalformedError(reasons.PROTOCOL_ERROR, f"PUBACK to #{packet.packet_id}, which has QoS {flying[0]}")
        self._its_session.outgoing.acknowledged(packet.packet_id, self._way)
        return Done()

    def _pubrec(self, packet: MqttPacket, code: int | None, scripted: Scripted) -> Done:
        number = packet.packet_id
        assert number is not None
        outgoing = self._its_session.outgoing
        flying = outgoing.stage_of(number)
        if flying is not None and flying[0] != 2:
            raise MalformedError(reasons.PROTOCOL_ERROR, f"PUBREC to #{number}, which has QoS {flying[0]}")
        if packet.refuses:
            outgoing.acknowledged(number, self._way)
            return Done()
        usual = reasons.SUCCESS if outgoing.received(number) else reasons.UNKNOWN_ID
        return Done(self._answer(packet, "PUBREL", usual if code is None else code))

    def _pubcomp(self, packet: MqttPacket, code: int | None, scripted: Scripted) -> Done:
        assert packet.packet_id is not None
        flying = self._its_session.outgoing.stage_of(packet.packet_id)
        if flying is not None and flying != (2, "PUBREL"):
            raise MalformedError(reasons.PROTOCOL_ERROR, f"PUBCOMP to #{packet.packet_id}, which was not released")
        self._its_session.outgoing.acknowledged(packet.packet_id, self._way)
        return Done()

    # Subscriptions

    def _subscribe(self, packet: MqttPacket, code: int | None, scripted: Scripted) -> Done:
        if code is not None and code >= reasons.UNSPECIFIED:
            return Done(self._answer(packet, "SUBACK", *[code] * len(packet.subscriptions)))
        granted: list[int] = []
        send: dict[str, Callable[[], None]] = {}
        for asked in packet.subscriptions:
            qos = min(asked.qos, self._settings.maximum_qos) if code is None else code
            retained = self._broker.subscribe(self._its_session, dataclasses.replace(asked, qos=qos))
            granted.append(qos if retained is not None else reasons.QUOTA_EXCEEDED)
            if retained is not None:
                send.pop(asked.filter, None)
                send[asked.filter] = retained

        def send_retained() -> None:
            for one in send.values():
                one()

        return Done(self._answer(packet, "SUBACK", *granted), send_retained)

    def _unsubscribe(self, packet: MqttPacket, code: int | None, scripted: Scripted) -> Done:
        if code is not None and code >= reasons.UNSPECIFIED:
            return Done(self._answer(packet, "UNSUBACK", *[code] * len(packet.filters)))
        ended = [self._broker.unsubscribe(self._its_session, name) for name in packet.filters]
        codes = [(reasons.SUCCESS if known else reasons.NOT_SUBSCRIBED) if code is None else code for known in ended]
        return Done(self._answer(packet, "UNSUBACK", *codes))

    # All else

    def _pingreq(self, packet: MqttPacket, code: int | None, scripted: Scripted) -> Done:
        return Done(self._answer(packet, "PINGRESP"))

    def _disconnect(self, packet: MqttPacket, code: int | None, scripted: Scripted) -> Done:
        expiry = packet.properties.get("session_expiry_interval")
        if expiry is not None:
            if expiry and not self._expiry:
                raise MalformedError(reasons.PROTOCOL_ERROR, "a session that ends with its connection gets no expiry")
            self._its_session.expiry = expiry
        self._goodbye = not packet.reasons[0]
        return Done(then=self._way.said_goodbye)

    def _auth(self, packet: MqttPacket, code: int | None, scripted: Scripted) -> Done:
        raise MalformedError(reasons.PROTOCOL_ERROR, "AUTH, and no authentication method was agreed on")

    # What the connection says

    def pump(self) -> None:
        """The client takes what is written again."""
        if self._session is not None and self._session.live is self._way:
            self._session.outgoing.pump(self._way)

    def lost(self) -> None:
        """The client has gone; once it has this changes nothing."""
        if self._session is not None:
            self._broker.disconnected(self._session, self._way, with_will=not self._goodbye)
