"""Random packets and floods of them: no error, no hang, no turn of the loop that others notice, and bounded memory."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from canary import ALLOWED, metered
from helpers import connect, in_thread, read_to_end
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mqtt_talk import Talk

import pytest_netmocks
from pytest_netmocks import MqttPacket, MqttServer, MqttSubscription
from pytest_netmocks.link import loop
from pytest_netmocks.protocols.mqtt.codec import encode

TOPICS = st.sampled_from(["a", "a/b", "$SYS/x", "", "a/" * 30])
FILTERS = st.sampled_from(["a", "a/+", "#", "$share/g/a/#", "$share/h/#", "+/+"])
IDS = st.integers(1, 3)
PROPERTIES = st.sampled_from([{}, {"topic_alias": 1}, {"message_expiry_interval": 0}, {"subscription_identifier": [7]}])
EXPIRY = st.sampled_from([{}, {"session_expiry_interval": 100}, {"receive_maximum": 1}, {"maximum_packet_size": 5}])


def packet(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[MqttPacket]:
    return st.builds(MqttPacket, st.just(kind), **fields)


CODE = st.sampled_from([[0], [0x80], [0x10]])
PACKETS = st.one_of(
    packet(
        "PUBLISH", topic=TOPICS, payload=st.binary(max_size=5), qos=st.integers(0, 2), retain=st.booleans(),
        dup=st.booleans(), packet_id=IDS, properties=PROPERTIES,
    ),
    *(packet(kind, packet_id=IDS, reasons=CODE) for kind in ("PUBACK", "PUBREC", "PUBREL", "PUBCOMP")),
    packet(
        "SUBSCRIBE", packet_id=IDS,
        subscriptions=st.lists(st.builds(MqttSubscription, FILTERS, st.integers(0, 2), st.booleans()), max_size=3),
    ),
    packet("UNSUBSCRIBE", packet_id=IDS, filters=st.lists(FILTERS, max_size=3)),
    packet("PINGREQ"),
    packet("DISCONNECT", reasons=CODE, properties=EXPIRY),
    packet("AUTH", reasons=CODE),
    packet("CONNECT", client=st.just("other")),
)  # fmt: skip
NOISE = st.binary(max_size=10)


@pytest.fixture(scope="module")
def server() -> Iterator[MqttServer]:
    with pytest_netmocks.mqtt() as server:
        yield server


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.sampled_from(["3.1.1", "5"]), st.booleans(), EXPIRY, st.lists(PACKETS.map(encode) | NOISE, max_size=8))
def test_random_packets_harm_nobody(
    server: MqttServer, version: Any, clean: bool, properties: dict[str, Any], packets: list[bytes]
) -> None:
    with Talk(server, "random", version, clean=clean, properties=properties) as client, contextlib.suppress(OSError):
        client.sock.sendall(b"".join(packets) + encode(MqttPacket("DISCONNECT", version)))
        client.sock.settimeout(0.02)
        client.end()
    assert loop.take_errors() == []
    assert server.journal.take_errors() == []
    with Talk(server, "next", version) as client:
        assert client.subscribe("own").reasons == [2]
        server.publish("own", b"mine", qos=1)
        assert any(came.topic == "own" for came in client.synchronise())


def say(sock: Any, data: bytes) -> None:
    with contextlib.suppress(OSError):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)


def flood(server: MqttServer, data: bytes) -> None:
    with Talk(server, "flood") as client:
        thread = in_thread(say, client.sock, data)
        with contextlib.suppress(OSError):
            read_to_end(client.sock)
        thread.join(20)


MANY = [f"a/{number}" for number in range(900)]
FLOODS: dict[str, Callable[[], bytes]] = {
    "pings": lambda: encode(MqttPacket("PINGREQ")) * 5000,
    "messages of QoS 0": lambda: encode(MqttPacket("PUBLISH", topic="a", payload=b"x")) * 5000,
    "messages of QoS 1": lambda: encode(MqttPacket("PUBLISH", topic="a", qos=1, packet_id=1)) * 3000,
    "retained messages": lambda: b"".join(
        encode(MqttPacket("PUBLISH", topic=f"{number}" + "/" * 50, payload=b"x", retain=True)) for number in range(1000)
    ),
    "subscriptions": lambda: (
        encode(MqttPacket("SUBSCRIBE", packet_id=1, subscriptions=[MqttSubscription(name) for name in MANY])) * 10
    ),
    "a subscription to all that is retained": lambda: (
        b"".join(encode(MqttPacket("PUBLISH", topic=name, payload=b"x", retain=True)) for name in MANY)
        + encode(MqttPacket("SUBSCRIBE", packet_id=1, subscriptions=[MqttSubscription("#", 1)])) * 10
    ),
    "user properties": lambda: encode(
        MqttPacket("PUBLISH", topic="a", properties={"user_property": [("", "")] * 50_000})
    ),
    "acknowledgements": lambda: encode(MqttPacket("PUBREC", packet_id=1)) * 5000,
}


@pytest.mark.parametrize("data", FLOODS.values(), ids=FLOODS)
def test_no_client_of_mqtt_has_the_loop_to_itself(mqtt_server: MqttServer, data: Callable[[], bytes]) -> None:
    said = data()
    with metered() as meter:
        flood(mqtt_server, said)
        mqtt_server.settle()
    assert meter.turns > 1
    assert meter.worst < ALLOWED


def test_a_message_for_many_clients_is_no_long_turn(mqtt_server: MqttServer) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Talk(mqtt_server, f"{number}")) for number in range(200)]
        for client in clients:
            client.subscribe("a")
        with metered() as meter:
            assert mqtt_server.publish("a", b"x") == 200
        assert meter.worst < ALLOWED
        assert all(client.hear().payload == b"x" for client in clients)


def test_who_does_not_read_gets_no_more_of_qos_0_than_there_is_room_for(mqtt_server: MqttServer) -> None:
    with connect(mqtt_server) as sock:
        client = Talk(mqtt_server, "slow", sock=sock)
        client.subscribe("a")
        for _ in range(40):
            mqtt_server.publish("a", bytes(500_000))
        assert mqtt_server.connections[0].bytes_sent < 12_000_000
        assert "messages of QoS 0 are dropped" in str(mqtt_server.timeline)
