"""Rules over packets of MQTT: reasons, lost acknowledgements, duplicates, faults, whatever the version."""

from __future__ import annotations

import re
from typing import Any

import pytest
from helpers import elapsed, later
from mqtt_talk import Talk

from pytest_netmocks import AnyOf, MqttPacket, MqttServer, MqttSubscription, Not
from pytest_netmocks.faults import Answer, Close, Latency, Reset

pytestmark = pytest.mark.in_memory

both = pytest.mark.parametrize("version", ["3.1.1", "5"])
ONE = [MqttSubscription("a", 1)]


@pytest.mark.parametrize(
    ("reason", "old", "new"),
    [
        ("Unsupported Protocol Version", 1, 0x84),
        ("client identifier not valid", 2, 0x85),
        ("Server unavailable", 3, 0x88),
        ("Bad User Name or Password", 4, 0x86),
        ("Not authorized", 5, 0x87),
        (0x89, 3, 0x89),
        (0x9F, 3, 0x9F),
    ],
)
@both
def test_a_connect_is_refused_in_the_words_of_its_version(
    mqtt_server: MqttServer, version: Any, reason: Any, old: int, new: int
) -> None:
    rule = mqtt_server.when("CONNECT", client="c").reply(reason, times=1)
    with Talk(mqtt_server, version=version) as client:
        assert client.connack.reasons == [new if version == "5" else old]
        assert client.end() == b""
    with Talk(mqtt_server, version=version) as client:
        assert client.connack.reasons == [0]
    assert rule.hits == 1


def test_a_server_says_where_else_to_go(mqtt_server: MqttServer) -> None:
    mqtt_server.when("CONNECT").reply("Use another server", properties={"server_reference": "b:1883"})
    with Talk(mqtt_server) as client:
        assert (client.connack.reasons, client.connack.properties) == ([0x9C], {"server_reference": "b:1883"})


def test_what_a_connack_is_made_to_say_of_keep_alive_holds(mqtt_server: MqttServer) -> None:
    mqtt_server.when("CONNECT").reply(properties={"server_keep_alive": 2})
    with Talk(mqtt_server, keep_alive=60) as client:
        later(3.1)
        assert client.hear().reasons == [0x8D]


@pytest.mark.parametrize("qos", [1, 2])
def test_a_message_that_is_refused_reaches_nobody(mqtt_server: MqttServer, qos: int) -> None:
    mqtt_server.when("PUBLISH", topic="a/+").reply("Quota exceeded", times=1)
    with Talk(mqtt_server) as client:
        client.subscribe("#")
        client.publish("a/b", qos=qos)
        answer = client.hear()
        assert (answer.type, answer.reasons) == ("PUBACK" if qos == 1 else "PUBREC", [0x97])
        assert client.synchronise() == []
        client.publish("a/b", qos=qos)
        assert client.hear().reasons == [0]
    assert len(mqtt_server.messages) == 1


def test_where_3_1_1_has_no_word_for_a_refusal_the_connection_ends(mqtt_server: MqttServer) -> None:
    """MQTT 3.1.1, section 3.3.5."""
    mqtt_server.when("PUBLISH").reply("Not authorized")
    with Talk(mqtt_server, version="3.1.1") as client:
        client.publish("a", qos=1)
        assert client.end() == b""


@both
def test_a_message_of_qos_0_is_dropped_where_it_is_refused(mqtt_server: MqttServer, version: Any) -> None:
    mqtt_server.when("PUBLISH").reply("Not authorized")
    with Talk(mqtt_server, version=version) as client:
        client.subscribe("a")
        client.publish("a")
        assert client.synchronise() == []
    assert mqtt_server.messages == []


@both
def test_a_subscription_is_refused_or_granted_less(mqtt_server: MqttServer, version: Any) -> None:
    mqtt_server.when("SUBSCRIBE", topic="a").reply("Not authorized", times=1).reply(0)
    with Talk(mqtt_server, version=version) as client:
        assert client.subscribe("a").reasons == [0x87 if version == "5" else 0x80]
        assert mqtt_server.sessions["c"].subscriptions == {}
        assert client.subscribe("a").reasons == [0]
        mqtt_server.publish("a", qos=2)
        assert [one.qos for one in client.synchronise()] == [0]


@both
@pytest.mark.parametrize("kind", ["PINGREQ", "PUBREL", "PUBACK"])
def test_a_reason_without_a_place_in_the_answer_is_a_disconnect(
    mqtt_server: MqttServer, version: Any, kind: str
) -> None:
    mqtt_server.when(kind).reply("Server busy", properties={"reason_string": "later"})
    with Talk(mqtt_server, version=version) as client:
        client.say(kind, packet_id=1)
        if version == "5":
            answer = client.hear()
            assert (answer.type, answer.reasons, answer.properties) == (
                "DISCONNECT",
                [0x89],
                {"reason_string": "later"},
            )
        assert client.end() == b""


@both
@pytest.mark.parametrize("qos", [1, 2])
def test_an_acknowledgement_that_is_lost_leaves_the_message_taken(
    mqtt_server: MqttServer, version: Any, qos: int
) -> None:
    mqtt_server.when("PUBLISH").reply(None, times=1)
    with Talk(mqtt_server, version=version) as client:
        client.publish("a", qos=qos)
        assert client.synchronise() == []
        client.publish("a", qos=qos, dup=True)
        assert client.hear().packet_id == 1
    # QoS 1 is at least once, QoS 2 exactly once.
    assert len(mqtt_server.messages) == (2 if qos == 1 else 1)
    assert next(packet.answer for packet in mqtt_server.requests if packet.type == "PUBLISH") == ""


@both
def test_an_acknowledgement_of_the_clients_that_is_lost_is_a_message_twice(
    mqtt_server: MqttServer, version: Any
) -> None:
    mqtt_server.when("PUBACK").reply(raw=b"", times=1)
    keep = {"session_expiry_interval": 100}
    with Talk(mqtt_server, version=version, clean=False, properties=keep) as client:
        client.subscribe("a", qos=1)
        mqtt_server.publish("a", qos=1)
        assert not client.hear().dup
        client.say("PUBACK", packet_id=1)
    later(0.1)
    with Talk(mqtt_server, version=version, clean=False, properties=keep) as client:
        assert client.hear().dup
        client.say("PUBACK", packet_id=1)
        client.synchronise()
        assert mqtt_server.sessions["c"].queued == []


@both
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_is_delivered_twice_where_a_test_says_so(mqtt_server: MqttServer, version: Any, qos: int) -> None:
    mqtt_server.when("PUBLISH", topic="b").reply(duplicate=True)
    with Talk(mqtt_server, version=version) as client:
        client.subscribe("a", "b")
        mqtt_server.publish("a", qos=qos, duplicate=True)
        one, two = client.synchronise()
        assert (one.dup, two.dup) == (False, qos > 0)
        assert one.packet_id == two.packet_id
        client.publish("b")
        assert len(client.synchronise()) == 2
    assert len(mqtt_server.messages) == 1


def test_pings_that_are_not_answered(mqtt_server: MqttServer) -> None:
    mqtt_server.when("PINGREQ").reply(None)
    with Talk(mqtt_server) as client:
        client.sock.settimeout(10)
        client.say("PINGREQ")
        with pytest.raises(TimeoutError):
            client.hear()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
@pytest.mark.parametrize(
    ("fault", "delivered"), [(Reset(), b""), (Close(after_bytes=1), b"\x40"), (Reset(after_bytes=3), b"\x40\2\0")]
)
def test_a_fault_strikes_the_answer_and_the_message_was_taken(
    mqtt_server: MqttServer, version: Any, fault: Any, delivered: bytes
) -> None:
    mqtt_server.when("CONNECT").reply()
    rule = mqtt_server.when("PUBLISH", topic="#", payload=re.compile(b"^x"))
    rule.inject(fault)
    with Talk(mqtt_server, "s", version) as client, Talk(mqtt_server, "reader", version) as reader:
        reader.subscribe("a")
        client.publish("a", b"y", qos=1)
        assert client.hear().type == "PUBACK"
        before = mqtt_server.connections[0].bytes_delivered
        client.publish("a", b"xy", qos=1)
        later(0.1)
        assert mqtt_server.connections[0].delivered[before:] == delivered
        assert mqtt_server.connections[0].closed_by == "fault"
        assert len(reader.synchronise()) == 2
    assert rule.hits == 1


def test_a_fault_strikes_where_nothing_is_answered(mqtt_server: MqttServer) -> None:
    mqtt_server.when("PUBLISH").inject(Reset())
    with Talk(mqtt_server) as client:
        client.publish("a")
        with pytest.raises(ConnectionResetError):
            client.hear()
    assert len(mqtt_server.messages) == 1


def test_latency_delays_the_one_answer(mqtt_server: MqttServer) -> None:
    mqtt_server.when("PINGREQ").inject(Latency(3), nth=1)
    with Talk(mqtt_server) as client:
        assert elapsed(client.synchronise) >= 3
        assert elapsed(client.synchronise) < 1


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_a_function_gives_the_reason(mqtt_server: MqttServer, kind: str) -> None:
    def decide(packet: MqttPacket) -> Any:
        return {b"no": 0x87, b"silent": None}.get(packet.payload, "Success")

    async def decide_soon(packet: MqttPacket) -> Any:
        return decide(packet)

    mqtt_server.when("PUBLISH").reply(decide if kind == "plain" else decide_soon, delay=1)
    with Talk(mqtt_server) as client:
        client.publish("a", b"no", qos=1, packet_id=1)
        client.publish("a", b"silent", qos=1, packet_id=2)
        client.publish("a", b"yes", qos=1, packet_id=3)
        assert [(one.packet_id, one.reasons) for one in client.synchronise()] == [(1, [0x87]), (3, [0x10])]
    assert [message.payload for message in mqtt_server.messages] == [b"silent", b"yes"]


def test_a_function_that_gives_no_reason_fails_the_test(mqtt_server: MqttServer) -> None:
    mqtt_server.when("PINGREQ").reply(lambda packet: "no reason")
    with Talk(mqtt_server) as client:
        client.say("PINGREQ")
        assert client.end() == b""
    (error,) = mqtt_server.journal.take_errors()
    assert "'no reason' is no reason code" in str(error)


def test_raw_bytes_go_out_in_place_of_the_answer_and_the_packet_is_not_executed(mqtt_server: MqttServer) -> None:
    mqtt_server.when("SUBSCRIBE").reply(raw=b"\x90\x7f", then_close=True)
    with Talk(mqtt_server) as client:
        client.say("SUBSCRIBE", packet_id=1, subscriptions=ONE)
        assert client.end() == b"\x90\x7f"
    assert mqtt_server.requests[-1].answer == r"b'\x90\x7f'"
    assert mqtt_server.sessions == {}


def test_the_server_disconnects_clients_and_says_why(mqtt_server: MqttServer) -> None:
    with Talk(mqtt_server, "new") as new, Talk(mqtt_server, "old", "3.1.1") as old, Talk(mqtt_server, "more") as more:
        mqtt_server.disconnect("new", "Server moved", properties={"server_reference": "b"})
        answer = new.hear()
        assert (answer.reasons, answer.properties) == ([0x9D], {"server_reference": "b"})
        assert new.end() == b""
        mqtt_server.disconnect()
        assert old.end() == b""
        assert more.hear().reason == "Server shutting down"


@pytest.mark.parametrize(
    ("wanted", "topics"),
    [
        ("a/+", ["a/b"]),
        (Not("a/#"), ["b"]),
        (AnyOf("a", "b"), ["a", "b"]),
        (re.compile("^a"), ["a", "a/b"]),
    ],
)
def test_a_topic_is_meant_by_filter_word_or_pattern(mqtt_server: MqttServer, wanted: Any, topics: list[str]) -> None:
    rule = mqtt_server.when("PUBLISH", topic=wanted)
    with Talk(mqtt_server) as client:
        for topic in ("a", "a/b", "b"):
            before = rule.met
            client.publish(topic)
            client.synchronise()
            assert (rule.met > before) == (topic in topics)


def test_an_answer_stands_in_for_any_packets(mqtt_server: MqttServer) -> None:
    injection = mqtt_server.inject(Answer("Not authorized"), nth=2)
    with Talk(mqtt_server) as client:
        assert client.subscribe("a").reasons == [0x87]
        assert client.subscribe("a").reasons == [2]
    assert injection.hits == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"packet": "PUBLISHED"}, "packet 'PUBLISHED' is not known here .did you mean 'PUBLISH'"),
        ({"packet": 3}, "packet must be the name of a packet"),
        ({"packet": "CONNACK"}, "not known here"),
        ({"packet": "PINGREQ", "topic": "a"}, "topic='a' is for"),
        ({"packet": "PUBLISH", "topic": "a#"}, "must be a topic filter"),
        ({"packet": "PUBLISH", "topic": b"a"}, "topic must be text"),
        ({"packet": "SUBSCRIBE", "payload": b"a"}, "payload=b'a' is for PUBLISH"),
        ({"packet": "PUBLISH", "payload": 1}, "payload must be bytes"),
        ({"packet": "PUBLISH", "payload": re.compile("a")}, "pattern of bytes"),
        ({"packet": "PUBLISH", "client": 1}, "client must be text"),
    ],
)
def test_what_no_packet_can_be_is_refused(mqtt_server: MqttServer, arguments: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        mqtt_server.when(arguments.pop("packet"), **arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"reason": "Not authorised"}, "did you mean 'Not authorized'"),
        ({"reason": 1000}, "raw= sends what is none"),
        ({"reason": 1.5}, "reason must be"),
        ({"raw": "x"}, "raw must be bytes"),
        ({"raw": b"", "reason": 0x80}, "not both"),
        ({"properties": {"topic_alias": 1}}, "has no 'topic_alias' here"),
        ({"duplicate": 1}, "duplicate must be"),
        ({"duplicate": True}, "about none"),
        ({"delay": -1}, "delay must be"),
        ({"times": 0}, "times must be"),
    ],
)
def test_what_no_answer_can_be_is_refused(mqtt_server: MqttServer, arguments: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        mqtt_server.when("SUBSCRIBE").reply(**arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"topic": "a/+"}, "must name one topic"),
        ({"topic": ""}, "is empty"),
        ({"topic": b"a"}, "topic must be text"),
        ({"topic": "a", "payload": {}}, "payload must be bytes"),
        ({"topic": "a", "qos": 3}, "qos must be"),
        ({"topic": "a", "retain": 1}, "retain must be"),
        ({"topic": "a", "properties": {"will_delay_interval": 1}}, "will_delay_interval"),
    ],
)
def test_what_cannot_be_published_is_refused(mqtt_server: MqttServer, arguments: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        mqtt_server.publish(**arguments)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("versions", "5"),
        ("versions", ["4"]),
        ("versions", []),
        ("keep_alive", -1),
        ("maximum_qos", 3),
        ("receive_maximum", 0),
        ("maximum_packet_size", 0),
        ("topic_alias_maximum", 65536),
        ("retain_available", 1),
        ("users", ["u"]),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(mqtt_server: MqttServer, option: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=option):
        MqttServer(**{option: value})
    with pytest.raises((TypeError, ValueError), match=option):
        setattr(mqtt_server, option, value)
