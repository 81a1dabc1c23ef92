"""What the broker answers to each packet, exact to the packet, in memory and in virtual time."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest
from helpers import abort, connect, later, read_to_end
from mqtt_talk import Talk

from pytest_netmocks import MqttMessage, MqttServer, Netmocks
from pytest_netmocks.protocols.mqtt import broker, outgoing
from pytest_netmocks.protocols.mqtt.broker import LEVEL, SUBSCRIBED_BYTES, SUBSCRIPTIONS
from pytest_netmocks.protocols.mqtt.topics import DEEPEST
from pytest_netmocks.reports.ladder import ladder
from pytest_netmocks.reports.story import Story

pytestmark = pytest.mark.in_memory

both = pytest.mark.parametrize("version", ["3.1.1", "5"])


def types(packets: list[Any]) -> list[str]:
    return [packet.type for packet in packets]


def published(server: MqttServer) -> list[tuple[str, bytes]]:
    return [(message.topic, message.payload) for message in server.messages]


# Both versions, byte by byte


@pytest.mark.parametrize(
    ("connect_bytes", "connack"),
    [
        (b"\x10\x0d\0\4MQTT\4\2\0\x3c\0\1c", b"\x20\2\0\0"),
        (b"\x10\x0e\0\4MQTT\5\2\0\x3c\0\0\1c", b"\x20\x0b\0\0\x08\x27\0\x10\0\0\x22\0\x64"),
    ],
    ids=["3.1.1", "5"],
)
def test_a_session_byte_by_byte(mqtt_server: MqttServer, connect_bytes: bytes, connack: bytes) -> None:
    is_new = connect_bytes[8] == 5
    new = b"\0" if is_new else b""  # no properties

    def packet(first: int, before: bytes, behind: bytes) -> bytes:
        return bytes([first, len(before + new + behind)]) + before + new + behind

    says_and_hears = [
        (connect_bytes, connack),
        (packet(0x82, b"\0\1", b"\0\1a\2"), packet(0x90, b"\0\1", b"\2")),
        (packet(0x32, b"\0\1b\0\2", b"x"), b"\x40\3\0\2\x10" if is_new else b"\x40\2\0\2"),
        (packet(0x34, b"\0\1b\0\3", b"x"), b"\x50\3\0\3\x10" if is_new else b"\x50\2\0\3"),
        (b"\x62\2\0\3", b"\x70\2\0\3"),
        (b"\xc0\0", b"\xd0\0"),
        (packet(0x30, b"\0\1a", b"x"), packet(0x30, b"\0\1a", b"x")),
        (packet(0xA2, b"\0\4", b"\0\1a"), b"\xb0\4\0\4\0\0" if is_new else b"\xb0\2\0\4"),
    ]
    with connect(mqtt_server) as sock:
        for said, heard in says_and_hears:
            sock.sendall(said)
            assert sock.recv(100) == heard
        sock.sendall(b"\xe0\0")


@both
@pytest.mark.parametrize("of", [0, 1, 2])
@pytest.mark.parametrize("asked", [0, 1, 2])
def test_a_message_goes_out_with_the_lesser_qos_and_the_flow_of_that(
    mqtt_server: MqttServer, version: Any, of: int, asked: int
) -> None:
    with Talk(mqtt_server, "r", version) as reader, Talk(mqtt_server, "w", version) as writer:
        assert reader.subscribe("a/#", qos=asked).reasons == [asked]
        writer.publish("a/b", b"x", of)
        if of:
            assert writer.hear().type == {1: "PUBACK", 2: "PUBREC"}[of]
        if of == 2:
            assert writer.ask("PUBREL", packet_id=1).type == "PUBCOMP"
        message = reader.hear()
        qos = min(of, asked)
        assert (message.type, message.topic, message.payload, message.qos) == ("PUBLISH", "a/b", b"x", qos)
        assert (message.dup, message.retain, message.packet_id) == (False, False, 1 if qos else None)
        if qos == 1:
            reader.say("PUBACK", packet_id=1)
        if qos == 2:
            assert reader.ask("PUBREC", packet_id=1).type == "PUBREL"
            reader.say("PUBCOMP", packet_id=1)
        assert reader.synchronise() == []
        assert mqtt_server.sessions["r"].queued == []
    assert published(mqtt_server) == [("a/b", b"x")]
    assert mqtt_server.messages[0].client == "w"


@both
def test_a_message_of_qos_2_is_taken_once_however_often_it_comes(mqtt_server: MqttServer, version: Any) -> None:
    with Talk(mqtt_server, version=version) as client:
        client.publish("a", qos=2, packet_id=7)
        assert client.hear().type == "PUBREC"
        client.publish("a", qos=2, packet_id=7, dup=True)
        assert client.hear().type == "PUBREC"
        assert client.ask("PUBREL", packet_id=7).reasons == [0]
        assert client.ask("PUBREL", packet_id=7).reasons == [0x92 if version == "5" else 0]
        client.publish("a", qos=2, packet_id=7)
        assert client.hear().type == "PUBREC"
    assert len(mqtt_server.messages) == 2


@both
def test_what_was_not_acknowledged_comes_again_in_its_order(mqtt_server: MqttServer, version: Any) -> None:
    keep = {"session_expiry_interval": 100}
    with Talk(mqtt_server, version=version, clean=False, properties=keep) as client:
        client.subscribe("a")
        for qos in (1, 2, 2):
            mqtt_server.publish("a", str(qos), qos=qos)
        assert [client.hear().packet_id for _ in range(3)] == [1, 2, 3]
        assert client.ask("PUBREC", packet_id=2).type == "PUBREL"
        abort(client.sock)
    later(0.1)
    mqtt_server.publish("a", b"new", qos=1)
    mqtt_server.publish("a", b"lost", qos=0)
    with Talk(mqtt_server, version=version, clean=False, properties=keep) as client:
        assert client.connack.session_present
        came = client.synchronise()
        assert [(packet.type, packet.packet_id, packet.dup) for packet in came] == [
            ("PUBLISH", 1, True),
            ("PUBREL", 2, False),
            ("PUBLISH", 3, True),
            ("PUBLISH", 4, False),
        ]
    assert [delivery.dup for delivery in mqtt_server.deliveries] == [False, False, False, True, True, False]


@both
def test_a_clean_start_forgets(mqtt_server: MqttServer, version: Any) -> None:
    keep = {"session_expiry_interval": 100}
    with Talk(mqtt_server, version=version, clean=False, properties=keep) as client:
        assert not client.connack.session_present
        client.subscribe("a")
    later(0.1)
    with Talk(mqtt_server, version=version) as client:
        assert not client.connack.session_present
        assert mqtt_server.sessions["c"].subscriptions == {}


def test_a_session_ends_when_its_expiry_is_over(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server, clean=False, properties={"session_expiry_interval": 100}) as client:
        client.say("DISCONNECT")
    later(99)
    assert "c" in mqtt_server.sessions
    later(2)
    assert "c" not in mqtt_server.sessions


def test_a_disconnect_may_change_the_expiry_unless_there_was_none(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server, properties={"session_expiry_interval": 100}) as client:
        client.say("DISCONNECT", properties={"session_expiry_interval": 10})
    later(11)
    assert "c" not in mqtt_server.sessions
    with Talk(mqtt_server) as client:
        answer = client.ask("DISCONNECT", properties={"session_expiry_interval": 10})
        assert (answer.type, answer.reasons) == ("DISCONNECT", [0x82])


# Who connects


@pytest.mark.parametrize(
    ("user", "password", "old", "new"),
    [("u", b"p", 0, 0), ("u", b"x", 4, 0x86), ("v", b"p", 4, 0x86), (None, None, 5, 0x87), ("u", None, 4, 0x86)],
)
@both
def test_users_are_let_in(
    netmocks: Netmocks, version: Any, user: str | None, password: bytes | None, old: int, new: int
) -> None:
    server = netmocks.mqtt(users={"u": "p"})
    with Talk(server, version=version, username=user, password=password) as client:
        assert client.connack.reasons == [new if version == "5" else old]
        if old:
            assert client.end() == b""
    assert server.requests[0].refused is bool(old)


def test_a_client_without_an_id_gets_one(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server, "") as one, Talk(mqtt_server, "") as two, Talk(mqtt_server, "", "3.1.1"):
        names = [one.connack.properties["assigned_client_identifier"] for one in (one, two)]
        assert names == ["netmocks-1", "netmocks-2"]
        assert list(mqtt_server.sessions) == [*names, "netmocks-3"]
    with Talk(mqtt_server, "", "3.1.1", clean=False) as client:
        assert client.connack.reasons == [2]


def test_a_version_that_it_does_not_speak_is_refused(netmocks: Netmocks) -> None:
    server = netmocks.mqtt(versions=["3.1.1"])
    with Talk(server, version="5") as client:
        assert client.connack.reasons == [0x84]
    server.versions = ("5",)
    with Talk(server, version="3.1.1") as client:
        assert client.connack.reasons == [1]
    for level in (b"\6MQIsdp\3", b"\4MQTT\6"):
        with connect(server) as sock:
            sock.sendall(b"\x10" + bytes([len(level) + 7]) + b"\0" + level + b"\2\0\0\0\1c")
            assert read_to_end(sock) == b"\x20\2\0\1"


@both
def test_a_client_with_the_same_id_takes_over(mqtt_server: MqttServer, version: Any) -> None:
    with Talk(mqtt_server, version=version) as first, Talk(mqtt_server, version=version) as second:
        if version == "5":
            assert first.hear().reasons == [0x8E]
        assert first.end() == b""
        assert second.synchronise() == []
        assert [session.client for session in mqtt_server.sessions.values()] == ["c"]
    assert mqtt_server.connections[0].closed_by == "server"


def test_a_session_that_ends_with_its_connection_is_not_taken_over(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server) as first:
        first.subscribe("a")
        with Talk(mqtt_server, clean=False) as second:
            assert not second.connack.session_present
            assert mqtt_server.sessions["c"].subscriptions == {}


def test_what_the_server_can_is_announced_and_held_to(netmocks: Netmocks) -> None:
    server = netmocks.mqtt(
        maximum_qos=1, retain_available=False, receive_maximum=9, topic_alias_maximum=0, maximum_packet_size=999
    )
    told = {"maximum_packet_size": 999, "receive_maximum": 9, "maximum_qos": 1, "retain_available": 0}
    wrong: list[tuple[dict[str, Any], int]] = [
        ({"qos": 2}, 0x9B),
        ({"retain": True}, 0x9A),
        ({"payload": bytes(1000)}, 0x95),
        ({"properties": {"topic_alias": 1}}, 0x94),
    ]
    for fields, code in wrong:
        with Talk(server) as client:
            assert client.connack.properties == told
            assert client.subscribe("a").reasons == [1]
            client.publish("a", **fields)
            answer = client.hear()
            assert (answer.type, answer.reasons) == ("DISCONNECT", [code])
            assert answer.properties["reason_string"]
            assert client.end() == b""
    will = MqttMessage("a", b"", qos=2)
    for fields, code in ({"will": will}, 0x9B), ({"will": MqttMessage("a", b"", retain=True)}, 0x9A):
        with Talk(server, **fields) as client:  # type: ignore[arg-type]
            assert client.connack.reasons == [code]
    assert server.messages == []


def test_more_messages_of_qos_2_than_the_receive_maximum_end_the_connection(netmocks: Netmocks) -> None:
    with Talk(netmocks.mqtt(receive_maximum=2)) as client:
        for number in (1, 2):
            client.publish("a", qos=2, packet_id=number)
            assert client.hear().type == "PUBREC"
        client.publish("a", qos=2, packet_id=3)
        assert client.hear().reasons == [0x93]


# What breaks the protocol


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"\x10\x0e\0\4MQTT\5\2\0\x3c\0\0\1c", 0x82),
        (b"\x00\0", 0x81),
        (b"\xc1\0", 0x81),
        (b"\x20\2\0\0", 0x82),
        (b"\x30\xff\xff\xff\xff\1", 0x81),
        (b"\x30\xff\xff\xff\x7f", 0x95),
        (b"\x30\6\0\0\3\x23\0\1", 0x82),
        (b"\xf0\0", 0x82),
        (b"\x40\2\0\0", 0x82),
    ],
)
@both
def test_what_breaks_the_protocol_ends_the_connection(
    mqtt_server: MqttServer, version: Any, said: bytes, code: int
) -> None:
    if said == b"\x30\6\0\0\3\x23\0\1" and version != "5":
        code = 0x81
    with Talk(mqtt_server, version=version) as client:
        client.sock.sendall(said)
        if version == "5":
            answer = client.hear()
            assert (answer.type, answer.reasons) == ("DISCONNECT", [code])
        assert client.end() == b""
    assert mqtt_server.connections[0].closed_by == "server"


def test_only_the_broker_says_to_which_subscription_a_message_belongs(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server) as client:
        client.publish("a", properties={"subscription_identifier": [1]})
        assert client.hear().reasons == [0x82]
    assert mqtt_server.messages == []


def test_a_packet_has_so_many_properties_and_filters(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server) as client:
        client.publish("a", properties={"user_property": [("", "")] * 1001})
        assert client.hear().reasons == [0x97]
    with Talk(mqtt_server) as client:
        assert client.subscribe(*["a"] * 2001).reasons == [0x97]


@pytest.mark.parametrize("said", [b"\xc0\0", b"\x30\3\0\1a", b"GET / HTTP/1.1\r\n\r\n", b"\x10\2\0\1"])
def test_what_does_not_begin_with_a_connect_is_ended_without_a_word(mqtt_server: MqttServer, said: bytes) -> None:
    with connect(mqtt_server) as sock:
        sock.sendall(said)
        assert read_to_end(sock) == b""


def test_an_acknowledgement_of_the_wrong_kind_ends_the_connection(mqtt_server: MqttServer) -> None:
    for qos, wrong in ((1, "PUBREC"), (1, "PUBCOMP"), (2, "PUBACK"), (2, "PUBCOMP")):
        with Talk(mqtt_server) as client:
            client.subscribe("a")
            mqtt_server.publish("a", qos=qos)
            assert client.hear().packet_id == 1
            answer = client.ask(wrong, packet_id=1)
            assert (answer.type, answer.reasons) == ("DISCONNECT", [0x82])


def test_acknowledgements_of_nothing_are_borne(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server) as client:
        client.say("PUBACK", packet_id=9)
        client.say("PUBCOMP", packet_id=9)
        assert client.ask("PUBREC", packet_id=9).reasons == [0x92]
        assert client.synchronise() == []


# Retained messages, wills, keep-alive


@both
def test_a_retained_message_waits_for_who_subscribes(mqtt_server: MqttServer, version: Any) -> None:
    mqtt_server.publish("a/1", b"one", qos=1, retain=True)
    with Talk(mqtt_server, version=version) as client:
        client.publish("a/2", b"two", retain=True)
        client.publish("b", b"no", retain=True)
        assert client.subscribe("a/+", qos=0).type == "SUBACK"
        came = client.synchronise()
        assert [(one.topic, one.payload, one.retain) for one in came] == [("a/1", b"one", True), ("a/2", b"two", True)]
        client.publish("a/1", b"", retain=True)
        assert [(one.payload, one.retain) for one in client.synchronise()] == [(b"", False)]
        client.subscribe("a/+")
        assert [one.topic for one in client.synchronise()] == ["a/2"]
    assert list(mqtt_server.retained) == ["a/2", "b"]


def test_the_options_of_a_subscription_are_kept_to(mqtt_server: MqttServer) -> None:
    mqtt_server.publish("a", b"old", retain=True)
    with Talk(mqtt_server) as client:
        client.subscribe("a", retain_handling=2)
        assert client.synchronise() == []
        client.subscribe("a", retain_handling=1)
        assert client.synchronise() == []  # it was subscribed to
        client.subscribe("a", no_local=True, retain_as_published=True)
        assert [one.payload for one in client.synchronise()] == [b"old"]
        client.publish("a", b"mine")
        mqtt_server.publish("a", b"theirs", retain=True)
        assert [(one.payload, one.retain) for one in client.synchronise()] == [(b"theirs", True)]


def test_overlapping_subscriptions_are_one_delivery_with_all_identifiers(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server) as client:
        client.subscribe("a/+", qos=0, identifier=1)
        client.subscribe("#", qos=1, identifier=2)
        mqtt_server.publish("a/b", qos=2)
        (came,) = client.synchronise()
        assert came.qos == 1
        assert sorted(came.properties["subscription_identifier"]) == [1, 2]


def test_a_shared_subscription_goes_round_and_skips_who_is_away(mqtt_server: MqttServer) -> None:
    keep = {"session_expiry_interval": 100}
    with Talk(mqtt_server, "1", properties=keep) as one, Talk(mqtt_server, "2", properties=keep) as two:
        for client in (one, two):
            client.subscribe("$share/g/a/#")
        for number in range(4):
            mqtt_server.publish("a/x", str(number))
        assert [packet.payload for packet in one.synchronise()] == [b"0", b"2"]
        assert [packet.payload for packet in two.synchronise()] == [b"1", b"3"]
        one.say("DISCONNECT")
        later(0.1)
        for number in range(2):
            mqtt_server.publish("a/x", str(number))
        assert len(two.synchronise()) == 2


WILL = MqttMessage("gone", b"c", qos=1)


@both
@pytest.mark.parametrize(
    ("end", "is_published"),
    [
        (lambda client: client.say("DISCONNECT"), False),
        (lambda client: abort(client.sock), True),
        (lambda client: client.sock.close(), True),
        (lambda client: client.sock.sendall(b"\0\0"), True),
    ],
    ids=["goodbye", "reset", "FIN", "malformed"],
)
def test_a_will_is_published_unless_the_client_says_goodbye(
    mqtt_server: MqttServer, version: Any, end: Callable[[Talk], None], is_published: bool
) -> None:
    with Talk(mqtt_server, "w", version) as watcher, Talk(mqtt_server, version=version, will=WILL) as client:
        watcher.subscribe("gone")
        end(client)
        later(0.1)
        assert [one.payload for one in watcher.synchronise()] == [b"c"] * is_published
    assert [(one.topic, one.is_will, one.client) for one in mqtt_server.messages] == [
        ("gone", True, "c")
    ] * is_published


def test_a_goodbye_may_ask_for_the_will(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server, will=WILL) as client:
        client.say("DISCONNECT", reasons=[4])
    later(0.1)
    assert published(mqtt_server) == [("gone", b"c")]


@pytest.mark.parametrize(("expiry", "due"), [(100, 30), (10, 10)])
def test_a_will_is_delayed_and_a_client_that_comes_back_takes_it_with_it(
    mqtt_server: MqttServer, expiry: int, due: int
) -> None:
    will = dataclasses.replace(WILL, properties={"will_delay_interval": 30})
    keep = {"session_expiry_interval": expiry}
    for _ in range(2):
        with Talk(mqtt_server, will=will, properties=keep, clean=False) as client:
            abort(client.sock)
        later(due - 1)
        assert published(mqtt_server) == []
    later(2)
    assert published(mqtt_server) == [("gone", b"c")]


@both
def test_silence_ends_a_connection_after_one_and_a_half_keep_alives(mqtt_server: MqttServer, version: Any) -> None:
    with Talk(mqtt_server, version=version, keep_alive=10, will=WILL) as client:
        later(14)
        client.synchronise()
        later(14.9)
        assert mqtt_server.open_connections
        later(0.2)
        if version == "5":
            assert client.hear().reasons == [0x8D]
        assert client.end() == b""
    assert published(mqtt_server) == [("gone", b"c")]


def test_no_keep_alive_is_patience_and_the_server_may_say_another(netmocks: Netmocks) -> None:
    server = netmocks.mqtt()
    with Talk(server, keep_alive=0):
        later(1_000_000)
        assert server.open_connections
    server.keep_alive = 2
    with Talk(server, keep_alive=0) as client:
        assert client.connack.properties["server_keep_alive"] == 2
        later(3.1)
        assert client.hear().reasons == [0x8D]


def test_a_client_that_does_not_close_behind_its_goodbye_is_ended(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server) as client:
        client.say("DISCONNECT")
        client.publish("a")
        later(4.9)
        assert mqtt_server.open_connections
        later(0.2)
        assert client.end() == b""
    assert mqtt_server.messages == []


# Properties


def test_properties_go_with_the_message(mqtt_server: MqttServer) -> None:
    given = {
        "payload_format_indicator": 1,
        "content_type": "text/plain",
        "response_topic": "r",
        "correlation_data": b"7",
        "user_property": [("a", "1"), ("a", "2")],
    }
    with Talk(mqtt_server) as client, Talk(mqtt_server, "old", "3.1.1") as old:
        client.subscribe("a")
        old.subscribe("a")
        client.publish("a", properties=given)
        assert [one.properties for one in client.synchronise()] == [given]
        assert [one.payload for one in old.synchronise()] == [b"x"]
    assert mqtt_server.messages[0].properties == given


def test_an_alias_stands_for_its_topic(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server) as client:
        client.publish("a/b", b"1", properties={"topic_alias": 100})
        client.publish("", b"2", properties={"topic_alias": 100})
        client.publish("", b"3", properties={"topic_alias": 99})
        assert client.hear().reasons == [0x82]
    assert [(message.topic, message.properties) for message in mqtt_server.messages] == [("a/b", {})] * 2


def test_a_message_expires_while_it_waits(mqtt_server: MqttServer) -> None:
    keep = {"session_expiry_interval": 1000}
    with Talk(mqtt_server, clean=False, properties=keep) as client:
        client.subscribe("a")
        client.say("DISCONNECT")
    for seconds in (10, 100):
        mqtt_server.publish("a", str(seconds), qos=1, properties={"message_expiry_interval": seconds})
        mqtt_server.publish(f"r/{seconds}", b"", retain=True)
        mqtt_server.publish(f"r/{seconds}", b"x", retain=True, properties={"message_expiry_interval": seconds})
    later(60)
    with Talk(mqtt_server, clean=False, properties=keep) as client:
        assert [(one.payload, one.properties["message_expiry_interval"]) for one in client.synchronise()] == [
            (b"100", 40)
        ]
        client.subscribe("r/#")
        assert [one.topic for one in client.synchronise()] == ["r/100"]
    assert list(mqtt_server.retained) == ["r/100"]


def test_a_client_has_no_more_on_its_way_than_it_takes(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server, properties={"receive_maximum": 2, "maximum_packet_size": 50}) as client:
        client.subscribe("a")
        mqtt_server.publish("a", bytes(100), qos=1)
        for number in range(4):
            mqtt_server.publish("a", str(number), qos=1)
        assert [one.payload for one in client.synchronise()] == [b"0", b"1"]
        client.say("PUBACK", packet_id=2)
        assert [one.payload for one in client.synchronise()] == [b"2"]
    assert "is not sent: the client takes 50 B" in str(mqtt_server.timeline)


def test_a_message_that_is_refused_is_not_sent_again(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server) as client:
        client.subscribe("a")
        mqtt_server.publish("a", qos=2)
        assert client.hear().packet_id == 1
        client.say("PUBREC", packet_id=1, reasons=[0x83])
        assert client.synchronise() == []
        assert mqtt_server.sessions["c"].queued == []


def test_what_happened_reads_as_a_ladder_of_packets(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server, username="u") as client:
        client.subscribe("a")
        mqtt_server.publish("a", b"x", qos=1)
        assert client.hear().packet_id == 1
        client.say("PUBACK", packet_id=1)
        client.publish("b", qos=1)
        client.hear()
    rungs = [line[17:] for line in ladder(Story(mqtt_server), 80)[2:]]
    assert [re.sub(" -[->|]+$", "", rung) for rung in rungs] == [
        "|-- CONNECT 'c' MQTT 5 clean as 'u'",
        "|<-- CONNACK Success",
        "|-- SUBSCRIBE #1 a (QoS 2)",
        "|<-- SUBACK #1 Granted QoS 2",
        "|<-- PUBLISH #1 a 'x' (QoS 1)",
        "|-- PUBACK #1",
        "|-- PUBLISH #1 b 'x' (QoS 1)",
        "|<-- PUBACK #1 No matching subscribers",
    ]


# Bounds


def test_what_waits_for_a_client_has_a_bound(mqtt_server: MqttServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "QUEUED", 20)
    with Talk(mqtt_server, properties={"receive_maximum": 1}) as client:
        client.subscribe("a")
        for _ in range(30):
            mqtt_server.publish("a", qos=1)
        assert len(mqtt_server.sessions["c"].queued) == 21
    assert str(mqtt_server.timeline).count("more are dropped") == 1


def test_filters_and_topics_of_many_levels_have_a_bound_in_bytes(
    mqtt_server: MqttServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "RETAINED_BYTES", 1 << 20)
    deep = "/" * (DEEPEST - 1)
    with Talk(mqtt_server) as client:
        granted = client.subscribe(*(f"{number}{deep}" for number in range(100))).reasons
        assert granted[0] == 2
        assert granted[-1] == 0x97
        assert granted.count(2) * DEEPEST * LEVEL <= SUBSCRIBED_BYTES
        client.ask("UNSUBSCRIBE", packet_id=2, filters=[f"0{deep}"])
        assert client.subscribe(f"99{deep}").reasons == [2]
        for number in range((1 << 20) // DEEPEST // LEVEL + 10):
            client.publish(f"{number}{deep}", b"x", retain=True)
        client.publish(f"0{deep}", b"", retain=True)
        client.synchronise()
        assert 0 < len(mqtt_server.retained) * DEEPEST * LEVEL <= 1 << 20
        assert client.subscribe(f"{deep}/").type == "DISCONNECT"


def test_of_clients_that_are_away_the_oldest_sessions_end(
    mqtt_server: MqttServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "SESSIONS", 20)
    for number in range(23):
        with Talk(mqtt_server, f"{number}", "3.1.1", clean=False) as client:
            client.say("DISCONNECT")
    assert list(mqtt_server.sessions)[:2] == ["3", "4"]
    assert len(mqtt_server.sessions) == 20


def test_one_client_has_so_many_subscriptions(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server) as client:
        names = [f"a/{number}" for number in range(SUBSCRIPTIONS + 2)]
        assert client.subscribe(*names).reasons == [2] * SUBSCRIPTIONS + [0x97] * 2
        assert client.ask("UNSUBSCRIBE", packet_id=2, filters=["a/0", "b"]).reasons == [0, 0x11]
        assert client.subscribe("b").reasons == [2]


def test_a_stopped_server_keeps_sessions_and_a_reset_one_forgets_them(netmocks: Netmocks) -> None:
    server = netmocks.mqtt()
    with Talk(server, "c", "3.1.1", clean=False) as client:
        client.subscribe("a")
        server.stop()
        assert client.end() == b""
    server.publish("a", b"meanwhile", qos=1)
    server.publish("r", b"kept", retain=True)
    server.start()
    with Talk(server, "c", "3.1.1", clean=False) as client:
        assert client.connack.session_present
        assert [one.payload for one in client.synchronise()] == [b"meanwhile"]
    server.reset()
    assert (server.sessions, server.retained, server.messages, server.deliveries) == ({}, {}, [], [])
