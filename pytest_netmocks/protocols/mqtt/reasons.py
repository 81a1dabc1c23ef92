"""Reason codes: their names, which packets have them, and what MQTT 3.1.1 says in their place.

MQTT 5.0, section 2.4; MQTT 3.1.1, sections 3.2.2.3 and 3.9.3.
"""

from __future__ import annotations

from pytest_netmocks import check

SUCCESS = 0x00
NO_SUBSCRIBERS = 0x10
NOT_SUBSCRIBED = 0x11
UNSPECIFIED = 0x80
MALFORMED = 0x81
PROTOCOL_ERROR = 0x82
UNSUPPORTED_VERSION = 0x84
BAD_CLIENT_ID = 0x85
BAD_LOGIN = 0x86
NOT_AUTHORIZED = 0x87
BAD_METHOD = 0x8C
KEEP_ALIVE_TIMEOUT = 0x8D
TAKEN_OVER = 0x8E
UNKNOWN_ID = 0x92
RECEIVE_MAXIMUM_EXCEEDED = 0x93
BAD_ALIAS = 0x94
TOO_LARGE = 0x95
QUOTA_EXCEEDED = 0x97
NO_RETAIN = 0x9A
NO_SUCH_QOS = 0x9B

_C, _A, _D, _S, _U = "CONNACK", "PUBACK PUBREC", "DISCONNECT", "SUBACK", "UNSUBACK"

_TABLE = {
    0x00: ("Success", f"{_C} {_A} PUBREL PUBCOMP {_S} {_U} AUTH"),
    0x01: ("Granted QoS 1", _S),
    0x02: ("Granted QoS 2", _S),
    0x04: ("Disconnect with Will Message", _D),
    0x10: ("No matching subscribers", _A),
    0x11: ("No subscription existed", _U),
    0x18: ("Continue authentication", "AUTH"),
    0x19: ("Re-authenticate", "AUTH"),
    0x80: ("Unspecified error", f"{_C} {_A} {_S} {_U} {_D}"),
    0x81: ("Malformed Packet", f"{_C} {_D}"),
    0x82: ("Protocol Error", f"{_C} {_D}"),
    0x83: ("Implementation specific error", f"{_C} {_A} {_S} {_U} {_D}"),
    0x84: ("Unsupported Protocol Version", _C),
    0x85: ("Client Identifier not valid", _C),
    0x86: ("Bad User Name or Password", _C),
    0x87: ("Not authorized", f"{_C} {_A} {_S} {_U} {_D}"),
    0x88: ("Server unavailable", _C),
    0x89: ("Server busy", f"{_C} {_D}"),
    0x8A: ("Banned", _C),
    0x8B: ("Server shutting down", _D),
    0x8C: ("Bad authentication method", f"{_C} {_D}"),
    0x8D: ("Keep Alive timeout", _D),
    0x8E: ("Session taken over", _D),
    0x8F: ("Topic Filter invalid", f"{_S} {_U} {_D}"),
    0x90: ("Topic Name invalid", f"{_C} {_A} {_D}"),
    0x91: ("Packet Identifier in use", f"{_A} {_S} {_U}"),
    0x92: ("Packet Identifier not found", "PUBREL PUBCOMP"),
    0x93: ("Receive Maximum exceeded", _D),
    0x94: ("Topic Alias invalid", _D),
    0x95: ("Packet too large", f"{_C} {_D}"),
    0x96: ("Message rate too high", _D),
    0x97: ("Quota exceeded", f"{_C} {_A} {_S} {_D}"),
    0x98: ("Administrative action", _D),
    0x99: ("Payload format invalid", f"{_C} {_A} {_D}"),
    0x9A: ("Retain not supported", f"{_C} {_D}"),
    0x9B: ("QoS not supported", f"{_C} {_D}"),
    0x9C: ("Use another server", f"{_C} {_D}"),
    0x9D: ("Server moved", f"{_C} {_D}"),
    0x9E: ("Shared Subscriptions not supported", f"{_S} {_D}"),
    0x9F: ("Connection rate exceeded", f"{_C} {_D}"),
    0xA0: ("Maximum connect time", _D),
    0xA1: ("Subscription Identifiers not supported", f"{_S} {_D}"),
    0xA2: ("Wildcard Subscriptions not supported", f"{_S} {_D}"),
}

NAMES = {code: name for code, (name, _) in _TABLE.items()}
"""The names of the reason codes; 0 of a SUBACK is "Granted QoS 0", of a DISCONNECT "Normal disconnection"."""

PACKETS = {code: frozenset(packets.split()) for code, (_, packets) in _TABLE.items()}
"""Which packets have a reason code."""

_BY_NAME = {
    **{name.lower(): code for code, name in NAMES.items()},
    "granted qos 0": SUCCESS,
    "normal disconnection": SUCCESS,
}

_OLD = {0x84: 1, 0x85: 2, 0x86: 4, 0x87: 5, 0x88: 3, 0x89: 3, 0x8C: 5, 0x90: 2}
_OLD_NAMES = {1: NAMES[0x84], 2: NAMES[0x85], 3: NAMES[0x88], 4: NAMES[0x86], 5: NAMES[0x87]}


def code_of(name: str, reason: object) -> int:
    """The number of a reason, which is its name in the standard, whatever its case, or the number.

    Raises `TypeError` or `ValueError`.
    """
    accepted = "a reason code of MQTT 5 (section 2.4) or its name"
    if isinstance(reason, str):
        code = _BY_NAME.get(reason.lower())
        if code is None:
            raise ValueError(f"{name} {reason!r} is no {accepted[2:]}{check.nearest(reason, NAMES.values())}")
        return code
    if type(reason) is bool or not isinstance(reason, int):
        raise TypeError(f"{name} must be {accepted}, not {reason!r}")
    if reason not in NAMES:
        raise ValueError(f"{name} must be {accepted}, not {reason:#04x}: raw= sends what is none")
    return reason


def return_code(code: int) -> int:
    """What a CONNACK of MQTT 3.1.1 says for it (section 3.2.2.3): "Server unavailable" where nothing is nearer."""
    return code if code < UNSPECIFIED else _OLD.get(code, 3)


def name_of(packet: str, code: int, *, old: bool = False) -> str:
    """The name of a code that a packet has."""
    if old and packet == "CONNACK":
        return _OLD_NAMES.get(code, f"{code:#04x}" if code else NAMES[0])
    if code == SUCCESS and packet == "SUBACK":
        return "Granted QoS 0"
    if code == SUCCESS and packet == "DISCONNECT":
        return "Normal disconnection"
    return NAMES.get(code, f"{code:#04x}")
