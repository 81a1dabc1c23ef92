"""Packets of MQTT and their bytes: any that a client may send, and none that the standard forbids."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_netmocks import MqttMessage, MqttPacket, MqttSubscription
from pytest_netmocks.protocols.mqtt import properties as props
from pytest_netmocks.protocols.mqtt import topics
from pytest_netmocks.protocols.mqtt.codec import decode, encode
from pytest_netmocks.protocols.mqtt.reasons import NAMES, PACKETS, code_of
from pytest_netmocks.protocols.mqtt.wire import Frames, MalformedError, Reader, varint

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
LEVELS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0+#/"), max_size=5)
TOPIC = st.lists(LEVELS, min_size=1, max_size=5).map("/".join).filter(bool)
FILTER = (
    st.lists(LEVELS | st.just("+"), min_size=1, max_size=5).map("/".join).filter(lambda name: name and name[0] != "$")
)
IDS = st.integers(1, 65535)
CODES = st.sampled_from(sorted(NAMES))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "flag": st.integers(0, 1),
    "u16": st.integers(1, 0xFFFF),
    "u32": st.integers(1, 0xFFFFFFFF),
    "varint": st.integers(1, 0xFFFFFFF),
    "text": TEXT,
    "binary": st.binary(max_size=20),
    "pair": st.tuples(TEXT, TEXT),
}


def properties_of(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Any that a packet of the type may have."""
    found = {}
    for name, one in props.PROPERTIES.items():
        if kind in one.packets:
            value = VALUES[one.kind] if name != "response_topic" else TOPIC
            listed = name == "user_property" or (name, kind) == ("subscription_identifier", "PUBLISH")
            found[name] = st.lists(value, min_size=1, max_size=3) if listed else value
    return st.fixed_dictionaries({}, optional=found)


def packets(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[MqttPacket]:
    return st.builds(MqttPacket, st.just(kind), properties=properties_of(kind), **fields)


WILL = st.none() | st.builds(
    MqttMessage, TOPIC, st.binary(max_size=20), st.integers(0, 2), st.booleans(), properties_of("WILL"),
    is_will=st.just(True),
)  # fmt: skip
SUBSCRIPTION = st.builds(MqttSubscription, FILTER, st.integers(0, 2), st.booleans(), st.booleans(), st.integers(0, 2))
PUBLISH = packets(
    "PUBLISH", topic=TOPIC, payload=st.binary(max_size=50), qos=st.integers(0, 2), retain=st.booleans(),
    packet_id=IDS,
)  # fmt: skip
PACKETS_OF = [
    packets(
        "CONNECT", client=TEXT, clean_start=st.booleans(), keep_alive=st.integers(0, 65535), will=WILL,
        username=st.none() | TEXT, password=st.none() | st.binary(max_size=10),
    ),
    packets("CONNACK", session_present=st.booleans(), reasons=st.lists(CODES, min_size=1, max_size=1)),
    PUBLISH.map(lambda packet: packet if packet.qos else dataclasses.replace(packet, packet_id=None)),
    *(
        packets(kind, packet_id=IDS, reasons=st.lists(CODES, min_size=1, max_size=1))
        for kind in ("PUBACK", "PUBREC", "PUBREL", "PUBCOMP")
    ),
    packets("SUBSCRIBE", packet_id=IDS, subscriptions=st.lists(SUBSCRIPTION, min_size=1, max_size=4)),
    packets("UNSUBSCRIBE", packet_id=IDS, filters=st.lists(FILTER, min_size=1, max_size=4)),
    packets("SUBACK", packet_id=IDS, reasons=st.lists(CODES, min_size=1, max_size=4)),
    packets("UNSUBACK", packet_id=IDS, reasons=st.lists(CODES, min_size=1, max_size=4)),
    packets("DISCONNECT", reasons=st.lists(CODES, min_size=1, max_size=1)),
    packets("AUTH", reasons=st.lists(CODES, min_size=1, max_size=1)),
]  # fmt: skip


def taken(data: bytes, version: Any = "5", longest: int = 1 << 20) -> MqttPacket:
    frames = Frames(longest)
    frames.add(data)
    found = frames.next()
    assert found is not None
    assert len(frames) == 0
    return decode(*found, version)


@given(st.one_of(PACKETS_OF))
def test_a_packet_is_what_its_bytes_say(packet: MqttPacket) -> None:
    if packet.will is not None:
        packet.will.client = packet.client
    identifier = packet.properties.get("subscription_identifier")
    packet.subscriptions = [dataclasses.replace(one, identifier=identifier) for one in packet.subscriptions]
    again = taken(encode(packet))
    packet.filters = [one.filter for one in packet.subscriptions] or packet.filters
    assert again == packet
    assert str(again) == str(packet)


@given(st.lists(PUBLISH, max_size=4), st.integers(1, 9))
def test_packets_come_whole_however_they_were_cut(wanted: list[MqttPacket], size: int) -> None:
    stream = b"".join(map(encode, wanted))
    frames, found = Frames(1 << 20), []
    for start in range(0, len(stream), size):
        frames.add(stream[start : start + size])
        while (one := frames.next()) is not None:
            found.append(encode(decode(*one)))
    assert b"".join(found) == stream


@given(st.binary(max_size=60), st.sampled_from(["3.1.1", "5"]))
def test_bytes_are_a_packet_or_malformed(data: bytes, version: Any) -> None:
    try:
        packet = decode(data[0] if data else 0, data[1:], version)
    except MalformedError as error:
        assert error.code in NAMES
        assert str(error)
    else:
        assert packet.type


@given(st.integers(0, 0xFFFFFFF))
def test_a_variable_byte_integer_has_its_least_bytes(value: int) -> None:
    data = varint(value)
    assert Reader(data).varint() == value
    assert len(data) == 1 + (value > 127) + (value > 16383) + (value > 2097151)


def test_the_examples_of_the_standard() -> None:
    """MQTT 5.0, table 1-1 and figure 1-2; MQTT 3.1.1, figure 3.6."""
    connect = taken(b"\x10\x19\0\4MQTT\4\xce\0\x0a\0\1c\0\1t\0\1w\0\1u\0\1p")
    assert (connect.version, connect.keep_alive, connect.clean_start, connect.client) == ("3.1.1", 10, True, "c")
    assert connect.will == MqttMessage("t", b"w", 1, client="c", is_will=True)
    assert (connect.username, connect.password) == ("u", b"p")
    assert [varint(number) for number in (0, 127, 128, 16383, 16384)] == [
        b"\0",
        b"\x7f",
        b"\x80\1",
        b"\xff\x7f",
        b"\x80\x80\1",
    ]
    assert Reader(b"\0\5A\xf0\xaa\x9b\x94").text() == "A\U0002a6d4"


FORBIDDEN = [
    (0x00, b"", "no type 0"),
    (0x80, b"\0\1\0\0\1a\0", "flags of SUBSCRIBE"),
    (0xC1, b"", "flags of PINGREQ"),
    (0x36, b"\0\1a\0\1\0", "QoS is 3"),
    (0x38, b"\0\1a\0", "DUP is set"),
    (0x32, b"\0\1a\0\0\0", "identifier is 0"),
    (0x30, b"\0\1+\0", "has a wildcard"),
    (0x30, b"\0\0\0", "is empty"),
    (0x30, b"\0\1\0\0", "NUL"),
    (0x30, b"\0\1\xff\0", "no UTF-8"),
    (0x30, b"\0\3\xed\xa0\x80\0", "no UTF-8"),
    (0x30, b"\0\x09a\0", "ends within a field"),
    (0x82, b"\0\1\0", "has no filter"),
    (0x82, b"\0\1\0\0\1a\x40", "options of 'a'"),
    (0x82, b"\0\1\0\0\1a\x30", "options of 'a'"),
    (0x82, b"\0\1\0\0\3#/a\0", "not its last level"),
    (0x82, b"\0\1\0\0\2a+\0", "no level of its own"),
    (0x82, b"\0\1\0\0\x08$share/g\0", "no shared subscription"),
    (0x82, b"\0\1\0\0\x0a$share/g/a\4", "No Local"),
    (0x30, b"\0\1a\3\x21\0\1", "no property 0x21 receive_maximum"),
    (0x30, b"\0\1a\2\x7f\0", "no property 0x7f"),
    (0x30, b"\0\1a\4\1\0\1\0", "twice"),
    (0x30, b"\0\1a\2\1\2", "indicator is 2"),
    (0x30, b"\0\1a\3\x23\0\0", "topic_alias is 0"),
    (0x30, b"\0\1a\5\x08\0\2a+", "response topic 'a\\+'"),
    (0x30, b"\0\1a\x09", "ends within a field"),
    (0xC0, b"x", "1 B behind"),
    (0x10, b"\0\4MQTX\5\2\0\0\0\0\0", "name is b'MQTX'"),
    (0x10, b"\0\4MQTT\6\2\0\0\0\0\0", "level is 6"),
    (0x10, b"\0\6MQIsdp\3\2\0\0\0\0", "level is 3"),
    (0x10, b"\0\4MQTT\4\3\0\0\0\0", "reserved flag"),
    (0x10, b"\0\4MQTT\4\x0a\0\0\0\0", "there is no will"),
    (0x10, b"\0\4MQTT\4\x1e\0\0\0\0\0\1t\0\0", "will's QoS is 3"),
    (0x10, b"\0\4MQTT\4\x42\0\0\0\0\0\0", "no user name"),
]


@pytest.mark.parametrize(("first", "body", "words"), FORBIDDEN, ids=[words for _, _, words in FORBIDDEN])
def test_what_the_standard_forbids_is_malformed(first: int, body: bytes, words: str) -> None:
    with pytest.raises(MalformedError, match=words):
        decode(first, body)


def test_options_of_mqtt_5_are_malformed_in_3_1_1() -> None:
    with pytest.raises(MalformedError, match="options of 'a'"):
        decode(0x82, b"\0\1\0\1a\4", "3.1.1")
    with pytest.raises(MalformedError, match="no AUTH"):
        decode(0xF0, b"", "3.1.1")


@pytest.mark.parametrize(
    "data", [b"\x10\xff\xff\xff\xff\1", b"\x10\xff\xff\xff\x7f", b"\x30\x80\x80\x01"], ids=["five", "most", "over"]
)
def test_a_packet_that_is_too_long_is_refused_by_its_length(data: bytes) -> None:
    frames = Frames(1000)
    frames.add(data)
    with pytest.raises(MalformedError):
        frames.next()


@pytest.mark.parametrize(
    ("name", "topic", "is_meant"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("#", "sport/tennis", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/monitor", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/monitor", True),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
        ("ACCOUNTS", "Accounts", False),
    ],
)
def test_the_examples_of_filters_in_the_standard(name: str, topic: str, is_meant: bool) -> None:
    """Sections 4.7.1 to 4.7.3."""
    assert topics.fits(name, topic) is is_meant
    of_filters: topics.Tree[int] = topics.Tree()
    of_filters[name] = 1
    assert list(of_filters.of_filters(topic)) == [1] * is_meant
    of_topics: topics.Tree[int] = topics.Tree()
    of_topics[topic] = 1
    assert list(of_topics.of_topics(name)) == [1] * is_meant


NAMES_OF = st.lists(st.sampled_from(["a", "b", "", "$c"]), min_size=1, max_size=4).map("/".join).filter(bool)
FILTERS_OF = st.lists(st.sampled_from(["a", "b", "", "+", "$c"]), min_size=1, max_size=4).map("/".join).filter(bool)


@given(
    st.sets(FILTERS_OF | FILTERS_OF.map(lambda name: f"{name}/#") | st.just("#"), max_size=8),
    st.sets(NAMES_OF, max_size=8),
)
def test_a_search_finds_what_fits_one_by_one(filters: set[str], names: set[str]) -> None:
    of_filters: topics.Tree[str] = topics.Tree()
    of_topics: topics.Tree[str] = topics.Tree()
    for name in filters:
        of_filters[name] = name
    for name in names:
        of_topics[name] = name
    for topic in names:
        assert sorted(of_filters.of_filters(topic)) == sorted(one for one in filters if topics.fits(one, topic))
    for name in filters:
        assert sorted(of_topics.of_topics(name)) == sorted(one for one in names if topics.fits(name, one))
    for name in filters:
        of_filters.remove(name)
    assert not of_filters.below


@pytest.mark.parametrize("code", sorted(NAMES))
def test_every_reason_has_a_name_whatever_its_case(code: int) -> None:
    assert code_of("reason", NAMES[code]) == code_of("reason", NAMES[code].upper()) == code_of("reason", code) == code
    assert PACKETS[code]


@pytest.mark.parametrize(("reason", "words"), [("Not authorised", "Not authorized"), (0x7F, "raw="), (1.0, "its name")])
def test_what_is_no_reason_is_refused(reason: object, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        code_of("reason", reason)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"content-type": "x"}, "did you mean 'content_type'"),
        ({"content_type": b"x"}, "must be text"),
        ({"content_type": "\0"}, "NUL"),
        ({"user_property": [("a",)]}, "pairs"),
        ({"user_property": {"a": "b"}}, "list of pairs"),
        ({"topic_alias": 0}, "must not be 0"),
        ({"message_expiry_interval": -1}, "u32"),
        ({"receive_maximum": 1}, "has no 'receive_maximum' here"),
        ("x", "a mapping"),
    ],
)
def test_what_are_no_properties_is_refused(given: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        props.accepted("properties", given, "PUBLISH")
