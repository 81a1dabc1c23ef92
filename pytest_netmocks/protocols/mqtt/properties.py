"""The properties of MQTT 5 (section 2.2.2): how each is written, and which packets have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from pytest_netmocks import check
from pytest_netmocks.protocols.mqtt.reasons import BAD_ALIAS, MALFORMED, PROTOCOL_ERROR, QUOTA_EXCEEDED
from pytest_netmocks.protocols.mqtt.records import Properties
from pytest_netmocks.protocols.mqtt.wire import MalformedError, Reader, binary, text, varint

Kind = Literal["flag", "u8", "u16", "u32", "varint", "text", "binary", "pair"]


class Property(NamedTuple):
    """One property."""

    number: int
    kind: Kind
    packets: frozenset[str]


_WILL = "PUBLISH WILL"
_ANSWERS = "CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH"
_ALL = f"CONNECT {_WILL} SUBSCRIBE UNSUBSCRIBE {_ANSWERS}"
_ROWS: list[tuple[int, str, Kind, str]] = [
    (1, "payload_format_indicator", "flag", _WILL),
    (2, "message_expiry_interval", "u32", _WILL),
    (3, "content_type", "text", _WILL),
    (8, "response_topic", "text", _WILL),
    (9, "correlation_data", "binary", _WILL),
    (11, "subscription_identifier", "varint", "PUBLISH SUBSCRIBE"),
    (17, "session_expiry_interval", "u32", "CONNECT CONNACK DISCONNECT"),
    (18, "assigned_client_identifier", "text", "CONNACK"),
    (19, "server_keep_alive", "u16", "CONNACK"),
    (21, "authentication_method", "text", "CONNECT CONNACK AUTH"),
    (22, "authentication_data", "binary", "CONNECT CONNACK AUTH"),
    (23, "request_problem_information", "flag", "CONNECT"),
    (24, "will_delay_interval", "u32", "WILL"),
    (25, "request_response_information", "flag", "CONNECT"),
    (26, "response_information", "text", "CONNACK"),
    (28, "server_reference", "text", "CONNACK DISCONNECT"),
    (31, "reason_string", "text", _ANSWERS),
    (33, "receive_maximum", "u16", "CONNECT CONNACK"),
    (34, "topic_alias_maximum", "u16", "CONNECT CONNACK"),
    (35, "topic_alias", "u16", "PUBLISH"),
    (36, "maximum_qos", "flag", "CONNACK"),
    (37, "retain_available", "flag", "CONNACK"),
    (38, "user_property", "pair", _ALL),
    (39, "maximum_packet_size", "u32", "CONNECT CONNACK"),
    (40, "wildcard_subscription_available", "flag", "CONNACK"),
    (41, "subscription_identifier_available", "flag", "CONNACK"),
    (42, "shared_subscription_available", "flag", "CONNACK"),
]
PROPERTIES = {name: Property(number, kind, frozenset(packets.split())) for number, name, kind, packets in _ROWS}
_NAMES = {number: name for number, name, _, _ in _ROWS}

NOT_ZERO = {
    "subscription_identifier": PROTOCOL_ERROR,
    "receive_maximum": PROTOCOL_ERROR,
    "topic_alias": BAD_ALIAS,
    "maximum_packet_size": PROTOCOL_ERROR,
}
"""What may not be 0, and what is wrong with it then."""

MANY = 1000
"""Properties of one packet: of more the loop would have no time for others."""

_MOST = {"u8": 0xFF, "u16": 0xFFFF, "u32": 0xFFFFFFFF, "varint": 0xFFFFFFF, "flag": 1}

_READ: dict[Kind, Callable[[Reader], Any]] = {
    "flag": Reader.byte,
    "u8": Reader.byte,
    "u16": Reader.u16,
    "u32": Reader.u32,
    "varint": Reader.varint,
    "text": Reader.text,
    "binary": Reader.binary,
    "pair": lambda reader: (reader.text(), reader.text()),
}
_WRITE: dict[Kind, Callable[[Any], bytes]] = {
    "flag": lambda value: bytes([value]),
    "u8": lambda value: bytes([value]),
    "u16": lambda value: int(value).to_bytes(2),
    "u32": lambda value: int(value).to_bytes(4),
    "varint": varint,
    "text": text,
    "binary": binary,
    "pair": lambda value: text(value[0]) + text(value[1]),
}


def _is_list(name: str, packet: str) -> bool:
    return name == "user_property" or (name == "subscription_identifier" and packet == "PUBLISH")


def read(reader: Reader, packet: str) -> Properties:
    """The properties that begin there. Raises `MalformedError`."""
    inner = Reader(reader.take(reader.varint()))
    found: Properties = {}
    count = 0
    while inner.left:
        count += 1
        if count > MANY:
            raise MalformedError(QUOTA_EXCEEDED, f"{packet} has more than {MANY} properties")
        number = inner.varint()
        name = _NAMES.get(number, "")
        if not name or packet not in PROPERTIES[name].packets:
            raise MalformedError(MALFORMED, f"{packet} has no property {number:#04x} {name}".rstrip())
        kind = PROPERTIES[name].kind
        value = _READ[kind](inner)
        if kind == "flag" and value > 1:
            raise MalformedError(PROTOCOL_ERROR, f"{name} is {value}")
        if name in NOT_ZERO and not value:
            raise MalformedError(NOT_ZERO[name], f"{name} is 0")
        if _is_list(name, packet):
            found.setdefault(name, []).append(value)
        elif name in found:
            raise MalformedError(PROTOCOL_ERROR, f"{name} is there twice")
        else:
            found[name] = value
    return found


def write(properties: Properties, packet: str) -> bytes:
    """Their bytes, the length before them; those that the packet cannot have are left out."""
    out = b""
    for name, value in properties.items():
        number, kind, packets = PROPERTIES[name]
        if packet in packets:
            for one in value if _is_list(name, packet) else [value]:
                out += bytes([number]) + _WRITE[kind](one)
    return varint(len(out)) + out


def accepted(name: str, given: object, *packets: str) -> Properties:
    """The properties that a test gives for one of these packets. Raises `TypeError` or `ValueError`."""
    if given is None:
        return {}
    check.instance(name, given, Mapping, "a mapping of the names of properties to values")
    assert isinstance(given, Mapping)
    known = [one for one, (_, _, of) in PROPERTIES.items() if of & set(packets)]
    for key, value in given.items():
        if key not in known:
            raise ValueError(f"{name} has no {key!r} here{check.nearest(str(key), known)}")
        _check(f"{name}[{key!r}]", PROPERTIES[key].kind, value, listed=any(_is_list(key, one) for one in packets))
        if key in NOT_ZERO and not value:
            raise ValueError(f"{name}[{key!r}] must not be 0")
    return dict(given)


def _check(name: str, kind: Kind, value: Any, *, listed: bool) -> None:
    if listed:
        wanted = "a list of pairs of text" if kind == "pair" else "a list of numbers"
        check.instance(name, value, (list, tuple), wanted)
        for one in value:
            _check(name, kind, one, listed=False)
    elif kind == "pair":
        check.instance(name, value, (list, tuple), "a list of pairs of text")
        if len(value) != 2:
            raise ValueError(f"{name} must be a list of pairs of text, not one with {value!r}")
        for part in value:
            check_text(name, part)
    elif kind == "text":
        check_text(name, value)
    elif kind == "binary":
        check.instance(name, value, bytes, "bytes")
        if len(value) > 65535:
            raise ValueError(f"{name} must have at most 65535 bytes, not {len(value)}")
    else:
        check.whole(
            name,
            int(value) if kind == "flag" and isinstance(value, bool) else value,
            unit=kind,
            minimum=0,
            maximum=_MOST[kind],
        )


def check_text(name: str, value: object) -> None:
    """Refuse what no string of MQTT can be (section 1.5.4). Raises `TypeError` or `ValueError`."""
    check.instance(name, value, str, "text")
    try:
        data = str(value).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} must be text that UTF-8 has bytes for: {error}") from None
    if len(data) > 65535 or b"\0" in data:
        raise ValueError(f"{name} must have at most 65535 bytes, and no NUL")
