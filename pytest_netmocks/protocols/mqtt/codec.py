"""Packets and their bytes, both ways (MQTT 3.1.1 and 5.0, chapters 2 and 3)."""

from __future__ import annotations

from pytest_netmocks.protocols.mqtt import properties
from pytest_netmocks.protocols.mqtt.reasons import (
    MALFORMED,
    PROTOCOL_ERROR,
    QUOTA_EXCEEDED,
    SUCCESS,
    UNSPECIFIED,
    UNSUPPORTED_VERSION,
)
from pytest_netmocks.protocols.mqtt.records import MqttMessage, MqttPacket, MqttSubscription, Version
from pytest_netmocks.protocols.mqtt.topics import wrong_filter, wrong_topic
from pytest_netmocks.protocols.mqtt.wire import MalformedError, Reader, binary, text, varint

TYPES = {
    **{1: "CONNECT", 2: "CONNACK", 3: "PUBLISH", 4: "PUBACK", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP", 8: "SUBSCRIBE"},
    **{9: "SUBACK", 10: "UNSUBSCRIBE", 11: "UNSUBACK", 12: "PINGREQ", 13: "PINGRESP", 14: "DISCONNECT", 15: "AUTH"},
}
NUMBERS = {name: number for number, name in TYPES.items()}
LEVELS: dict[int, Version] = {4: "3.1.1", 5: "5"}

MANY = 2000
"""Filters of one packet: of more the loop would have no time for others."""

_MARKED = {"PUBREL", "SUBSCRIBE", "UNSUBSCRIBE"}
"""Types whose flags are 2; those of the others, PUBLISH apart, are 0."""

_ACKS = {"PUBACK", "PUBREC", "PUBREL", "PUBCOMP"}
_BARE = {"PINGREQ", "PINGRESP"}


def type_of(first: int) -> str:
    """The type of a packet by its first byte. Raises `MalformedError`."""
    kind = TYPES.get(first >> 4)
    if kind is None:
        raise MalformedError(MALFORMED, "packets have no type 0")
    if kind != "PUBLISH" and first & 0x0F != (2 if kind in _MARKED else 0):
        raise MalformedError(MALFORMED, f"the flags of {kind} are {first & 0x0F:#03x}")
    return kind


def decode(first: int, body: bytes, version: Version = "5") -> MqttPacket:
    """The packet with that first byte and body; a CONNECT says its version itself. Raises `MalformedError`."""
    kind = type_of(first)
    reader = Reader(body)
    packet = MqttPacket(kind, version)
    new = version == "5"
    if kind == "CONNECT":
        _connect(packet, reader)
    elif kind == "PUBLISH":
        _publish(packet, reader, first)
    elif kind == "CONNACK":
        packet.session_present = bool(reader.byte())
        packet.reasons = [reader.byte()]
        packet.properties = properties.read(reader, kind) if new else {}
    elif kind in _ACKS:
        packet.packet_id = _packet_id(reader)
        _reason(packet, reader)
    elif kind in ("SUBSCRIBE", "UNSUBSCRIBE", "SUBACK", "UNSUBACK"):
        packet.packet_id = _packet_id(reader)
        packet.properties = properties.read(reader, kind) if new else {}
        _LISTS[kind](packet, reader)
    elif kind in ("DISCONNECT", "AUTH"):
        if kind == "AUTH" and not new:
            raise MalformedError(MALFORMED, "MQTT 3.1.1 has no AUTH")
        _reason(packet, reader)
    if reader.left:
        raise MalformedError(MALFORMED, f"{reader.left} B behind the last field of {kind}")
    return packet


def _packet_id(reader: Reader) -> int:
    number = reader.u16()
    if not number:
        raise MalformedError(PROTOCOL_ERROR, "the packet identifier is 0")
    return number


def _reason(packet: MqttPacket, reader: Reader) -> None:
    packet.reasons = [SUCCESS]
    if packet.version == "5" and reader.left:
        packet.reasons = [reader.byte()]
        if reader.left:
            packet.properties = properties.read(reader, packet.type)


def _connect(packet: MqttPacket, reader: Reader) -> None:
    name, level = reader.binary(), reader.byte()
    if name not in (b"MQTT", b"MQIsdp"):
        raise MalformedError(MALFORMED, f"the protocol's name is {name[:20]!r}")
    if name == b"MQIsdp" or level not in LEVELS:
        raise MalformedError(UNSUPPORTED_VERSION, f"the protocol's level is {level}: this is 3.1.1 (4) and 5 (5)")
    packet.version = LEVELS[level]
    new = packet.version == "5"
    flags = reader.byte()
    if flags & 1:
        raise MalformedError(MALFORMED, "the reserved flag of CONNECT is set")
    packet.clean_start = bool(flags & 2)
    packet.keep_alive = reader.u16()
    packet.properties = properties.read(reader, "CONNECT") if new else {}
    packet.client = reader.text()
    if flags & 4:
        qos, retain = flags >> 3 & 3, bool(flags & 0x20)
        if qos == 3:
            raise MalformedError(MALFORMED, "the will's QoS is 3")
        given = properties.read(reader, "WILL") if new else {}
        topic = reader.text()
        if wrong := wrong_topic(topic):
            raise MalformedError(MALFORMED, f"the will's topic {topic!r} {wrong}")
        packet.will = MqttMessage(topic, reader.binary(), qos, retain, given, packet.client, is_will=True)
    elif flags & 0x38:
        raise MalformedError(MALFORMED, "there is no will, and flags of one are set")
    if flags & 0x40 and not flags & 0x80 and not new:
        raise MalformedError(MALFORMED, "there is a password and no user name")
    packet.username = reader.text() if flags & 0x80 else None
    packet.password = reader.binary() if flags & 0x40 else None


def _publish(packet: MqttPacket, reader: Reader, first: int) -> None:
    packet.dup, packet.qos, packet.retain = bool(first & 8), first >> 1 & 3, bool(first & 1)
    if packet.qos == 3:
        raise MalformedError(MALFORMED, "the QoS is 3")
    if packet.dup and not packet.qos:
        raise MalformedError(PROTOCOL_ERROR, "QoS 0 has no duplicates, and DUP is set")
    packet.topic = reader.text()
    packet.packet_id = _packet_id(reader) if packet.qos else None
    if packet.version == "5":
        packet.properties = properties.read(reader, "PUBLISH")
    if (packet.topic or "topic_alias" not in packet.properties) and (wrong := wrong_topic(packet.topic)):
        raise MalformedError(MALFORMED, f"the topic {packet.topic!r} {wrong}")
    response = packet.properties.get("response_topic")
    if response is not None and (wrong := wrong_topic(response)):
        raise MalformedError(PROTOCOL_ERROR, f"the response topic {response!r} {wrong}")
    packet.payload = reader.rest()


def _subscribe(packet: MqttPacket, reader: Reader) -> None:
    identifier = packet.properties.get("subscription_identifier")
    while reader.left:
        name, options = reader.text(), reader.byte()
        qos, handling = options & 3, options >> 4 & 3
        if qos == 3 or handling == 3 or options & (0xC0 if packet.version == "5" else 0xFC):
            raise MalformedError(MALFORMED, f"the options of {name!r} are {options:#04x}")
        one = MqttSubscription(name, qos, bool(options & 4), bool(options & 8), handling, identifier)
        packet.subscriptions.append(one)
        packet.filters.append(name)
        _check_filter(packet, name)
        if one.no_local and one.group is not None:
            raise MalformedError(PROTOCOL_ERROR, f"No Local makes no sense on {name!r}")
    _check_any(packet)


def _unsubscribe(packet: MqttPacket, reader: Reader) -> None:
    while reader.left:
        packet.filters.append(reader.text())
        _check_filter(packet, packet.filters[-1])
    _check_any(packet)


def _check_filter(packet: MqttPacket, name: str) -> None:
    if len(packet.filters) > MANY:
        raise MalformedError(QUOTA_EXCEEDED, f"{packet.type} has more than {MANY} filters")
    if wrong := wrong_filter(name):
        raise MalformedError(MALFORMED, f"the filter {name!r} of {packet.type} {wrong}")


def _check_any(packet: MqttPacket) -> None:
    if not packet.filters:
        raise MalformedError(PROTOCOL_ERROR, f"{packet.type} has no filter")


def _codes(packet: MqttPacket, reader: Reader) -> None:
    packet.reasons = list(reader.rest())


_LISTS = {"SUBSCRIBE": _subscribe, "UNSUBSCRIBE": _unsubscribe, "SUBACK": _codes, "UNSUBACK": _codes}


def encode(packet: MqttPacket) -> bytes:
    """The bytes of a packet, as its version has it."""
    kind, new = packet.type, packet.version == "5"
    flags = 2 if kind in _MARKED else 0
    if kind == "PUBLISH":
        flags = packet.dup << 3 | packet.qos << 1 | packet.retain
    body = _BODIES[kind](packet, new)
    return bytes([NUMBERS[kind] << 4 | flags]) + varint(len(body)) + body


def _written(packet: MqttPacket, new: bool) -> bytes:
    return properties.write(packet.properties, packet.type) if new else b""


def _connect_body(packet: MqttPacket, new: bool) -> bytes:
    will = packet.will
    flags = packet.clean_start << 1 | (packet.password is not None) << 6 | (packet.username is not None) << 7
    behind = text(packet.client)
    if will is not None:
        flags |= 4 | will.qos << 3 | will.retain << 5
        behind += properties.write(will.properties, "WILL") if new else b""
        behind += text(will.topic) + binary(will.payload)
    behind += text(packet.username) if packet.username is not None else b""
    behind += binary(packet.password) if packet.password is not None else b""
    head = text("MQTT") + bytes([5 if new else 4, flags]) + packet.keep_alive.to_bytes(2)
    return head + _written(packet, new) + behind


def _publish_body(packet: MqttPacket, new: bool) -> bytes:
    number = (packet.packet_id or 0).to_bytes(2) if packet.qos else b""
    return text(packet.topic or "") + number + _written(packet, new) + packet.payload


def _connack_body(packet: MqttPacket, new: bool) -> bytes:
    return bytes([packet.session_present, *packet.reasons]) + _written(packet, new)


def _ack_body(packet: MqttPacket, new: bool) -> bytes:
    number = (packet.packet_id or 0).to_bytes(2)
    return number + (_reason_body(packet, new) if new else b"")


def _reason_body(packet: MqttPacket, new: bool) -> bytes:
    """The shortest form, which leaves out what is usual (sections 3.4.2.1 and 3.14.2.1)."""
    code = packet.reasons[0] if packet.reasons else SUCCESS
    if not new or (code == SUCCESS and not packet.properties):
        return b""
    return bytes([code]) + (_written(packet, new) if packet.properties else b"")


def _list_body(packet: MqttPacket, new: bool) -> bytes:
    head = (packet.packet_id or 0).to_bytes(2) + _written(packet, new)
    if packet.type == "UNSUBACK" and not new:
        return head
    if packet.type in ("SUBACK", "UNSUBACK"):
        codes = packet.reasons if new else [min(code, UNSPECIFIED) for code in packet.reasons]
        return head + bytes(codes)
    if packet.type == "UNSUBSCRIBE":
        return head + b"".join(text(one) for one in packet.filters)
    return head + b"".join(
        text(one.filter)
        + bytes([one.qos | one.no_local << 2 | one.retain_as_published << 3 | one.retain_handling << 4])
        for one in packet.subscriptions
    )


_BODIES = {
    "CONNECT": _connect_body,
    "CONNACK": _connack_body,
    "PUBLISH": _publish_body,
    **dict.fromkeys(_ACKS, _ack_body),
    **dict.fromkeys(("SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK"), _list_body),
    **dict.fromkeys(_BARE, lambda packet, new: b""),
    **dict.fromkeys(("DISCONNECT", "AUTH"), _reason_body),
}
