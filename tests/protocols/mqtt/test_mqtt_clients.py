"""Clients of MQTT as they are: paho-mqtt, aiomqtt, mosquitto's programs; over TLS, swept, in virtual time."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
import pytest
from helpers import program
from mqtt_talk import Talk
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

import pytest_netmocks
from pytest_netmocks import MqttServer, MqttsServer, Netmocks
from pytest_netmocks.faults import Answer, Blackhole, Latency, Reset

VERSIONS = {"3.1.1": paho.MQTTv311, "5": paho.MQTTv5}
both = pytest.mark.parametrize("version", VERSIONS)


class Paho:
    """A client of paho's with its loop in a thread; gives what came, in order."""

    def __init__(self, version: str, client_id: str = "", **options: Any) -> None:
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=VERSIONS[version], **options
        )
        self.subscribed = threading.Event()
        self.client.on_message = lambda client, data, message: self.came(message)
        self.client.on_connect = lambda client, data, flags, reason, properties: self.connected(reason)
        self.client.on_subscribe = lambda client, data, mid, reasons, properties: self.subscribed.set()
        self.messages: list[Any] = []
        self.reasons: list[str] = []
        self._changed = threading.Condition()
        self.client.reconnect_delay_set(1, 1)

    def came(self, message: Any) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def connected(self, reason: Any) -> None:
        with self._changed:
            self.reasons.append(str(reason))
            self._changed.notify_all()

    def wait(self, condition: Callable[[], object], seconds: float = 10) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, seconds)

    def start(self, server: MqttServer, **options: Any) -> None:
        self.client.connect(server.host, server.port, **options)
        self.client.loop_start()
        self.wait(lambda: self.reasons)

    def subscribe(self, *arguments: Any, **options: Any) -> None:
        self.subscribed.clear()
        self.client.subscribe(*arguments, **options)
        assert self.subscribed.wait(10)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def made() -> Iterator[Callable[..., Paho]]:
    clients: list[Paho] = []

    def make(*arguments: Any, **options: Any) -> Paho:
        clients.append(Paho(*arguments, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.stop()


Make = Callable[..., Paho]


@both
def test_paho_publishes_and_subscribes_with_every_qos(mqtt_server: MqttServer, made: Make, version: str) -> None:
    client = made(version)
    client.start(mqtt_server)
    client.subscribe([("a/+", 2), ("b", 1)])
    for qos in (0, 1, 2):
        client.client.publish(f"a/{qos}", b"%d" % qos, qos=qos).wait_for_publish(10)
        mqtt_server.publish("b", str(qos), qos=qos)
    client.wait(lambda: len(client.messages) == 6)
    assert sorted((one.topic, one.payload, one.qos) for one in client.messages) == [
        ("a/0", b"0", 0), ("a/1", b"1", 1), ("a/2", b"2", 2), ("b", b"0", 0), ("b", b"1", 1), ("b", b"2", 1),
    ]  # fmt: skip
    client.stop()
    mqtt_server.wait_for(lambda server: not server.open_connections)
    assert mqtt_server.connections[0].closed_by == "client"
    assert mqtt_server.requests[-1].type == "DISCONNECT"


@both
def test_paho_is_told_why_it_is_refused(netmocks: Netmocks, made: Make, version: str) -> None:
    client = made(version)
    client.client.username_pw_set("u", "wrong")
    client.start(netmocks.mqtt(users={"u": "p"}))
    assert client.reasons[0] == "Bad user name or password"


@both
def test_paho_sends_again_what_was_not_acknowledged(mqtt_server: MqttServer, made: Make, version: str) -> None:
    mqtt_server.when("PUBLISH").inject(Reset(), nth=1)
    options = {"clean_start": False} if version == "5" else {}
    client = made(version, "c", **({} if version == "5" else {"clean_session": False}))
    client.start(mqtt_server, **options)
    client.client.publish("a", b"x", qos=1).wait_for_publish(10)
    client.wait(lambda: len(client.reasons) == 2)
    sent = [packet for packet in mqtt_server.requests if packet.type == "PUBLISH"]
    assert [(packet.packet_id, packet.answer != "") for packet in sent] == [(1, False), (1, True)]
    assert len(mqtt_server.messages) == 2


def test_properties_come_and_go(mqtt_server: MqttServer, made: Make) -> None:
    client = made("5")
    client.start(mqtt_server)
    client.subscribe("a", options=SubscribeOptions(qos=1, retainAsPublished=True))
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = "text/plain"
    properties.UserProperty = [("a", "1"), ("b", "2")]
    properties.CorrelationData = b"7"
    properties.TopicAlias = 5
    client.client.publish("a", b"x", qos=1, retain=True, properties=properties).wait_for_publish(10)
    client.wait(lambda: client.messages)
    came = client.messages[0]
    assert (came.retain, came.properties.ContentType) == (True, "text/plain")
    assert came.properties.UserProperty == [("a", "1"), ("b", "2")]
    assert mqtt_server.messages[0].properties["correlation_data"] == b"7"


def test_over_tls(mqtts_server: MqttsServer, made: Make) -> None:
    client = made("5")
    client.client.tls_set_context(mqtts_server.client_context())
    client.start(mqtts_server)
    client.client.publish("a", b"x", qos=2).wait_for_publish(10)
    assert mqtts_server.url == f"mqtts://127.0.0.1:{mqtts_server.port}"
    assert mqtts_server.messages[0].payload == b"x"


@pytest.mark.virtual_time
def test_paho_gives_a_server_up_that_answers_no_ping(mqtt_server: MqttServer, made: Make) -> None:
    mqtt_server.when("PINGREQ").reply(None)
    client = made("3.1.1")
    client.start(mqtt_server, keepalive=60)
    client.wait(lambda: len(client.reasons) == 2, 1000)
    assert mqtt_server.connections[0].closed_by == "client"


@both
async def test_aiomqtt(mqtt_server: MqttServer, version: str) -> None:
    protocol = aiomqtt.ProtocolVersion.V5 if version == "5" else aiomqtt.ProtocolVersion.V311
    will = aiomqtt.Will("gone", b"c", qos=1)
    options: dict[str, Any] = {"protocol": protocol, "will": will}
    async with aiomqtt.Client(mqtt_server.host, mqtt_server.port, **options) as client:
        await client.subscribe("a/#", qos=2)
        await client.publish("a/b", "hi", qos=2)
        mqtt_server.publish("a/c", "yo", qos=1)
        came = [await anext(client.messages) for _ in range(2)]
    assert sorted((str(one.topic), one.payload) for one in came) == [("a/b", b"hi"), ("a/c", b"yo")]
    assert [message.text for message in mqtt_server.messages] == ["hi"]


@pytest.mark.virtual_time  # its subscribe() waits for its time-out, whatever has ended
async def test_aiomqtt_comes_back_after_the_server_breaks_off(mqtt_server: MqttServer) -> None:
    mqtt_server.when("SUBSCRIBE").inject(Reset(), nth=1)
    readings: list[bytes] = []
    for _ in range(2):
        try:
            async with aiomqtt.Client(mqtt_server.host, mqtt_server.port) as client:
                await client.subscribe("a")
                mqtt_server.publish("a", b"1")
                readings.append((await anext(client.messages)).payload)
        except aiomqtt.MqttError:
            continue
    assert readings == [b"1"]


MOSQUITTO = {"3.1.1": "311", "5": "5"}


def mosquitto(server: MqttServer, name: str, version: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    where = ["-h", server.host, "-p", str(server.port), "-V", f"mqttv{MOSQUITTO[version]}"]
    return subprocess.run([name, *where, *arguments], capture_output=True, check=False, timeout=30)


@program("mosquitto_pub")
@both
def test_mosquittos_programs(mqtt_server: MqttServer, version: str) -> None:
    for qos in "012":
        done = mosquitto(mqtt_server, "mosquitto_pub", version, "-t", f"a/{qos}", "-m", qos, "-q", qos, "-r")
        assert (done.returncode, done.stderr) == (0, b"")
    assert [message.text for message in mqtt_server.messages] == ["0", "1", "2"]
    done = mosquitto(mqtt_server, "mosquitto_sub", version, "-t", "a/#", "-q", "2", "-v", "-C", "3")
    assert (done.returncode, sorted(done.stdout.splitlines())) == (0, [b"a/0 0", b"a/1 1", b"a/2 2"])
    assert [delivery.qos for delivery in mqtt_server.deliveries] == [0, 1, 2]


@program("mosquitto_pub")
@both
def test_mosquittos_program_says_why_it_is_refused(mqtt_server: MqttServer, version: str) -> None:
    mqtt_server.when("CONNECT").reply("Not authorized")
    done = mosquitto(mqtt_server, "mosquitto_pub", version, "-t", "a", "-m", "x")
    assert done.returncode != 0
    assert b"authori" in done.stderr.lower()


@program("mosquitto_rr")
def test_mosquittos_request_is_answered_by_the_test(mqtt_server: MqttServer) -> None:
    def answer(packet: Any) -> str:
        mqtt_server.publish(packet.properties["response_topic"], b"42", qos=1)
        return "Success"

    mqtt_server.when("PUBLISH", topic="ask").reply(answer)
    done = mosquitto(mqtt_server, "mosquitto_rr", "5", "-t", "ask", "-e", "answers", "-m", "?", "-q", "1")
    assert (done.returncode, done.stdout) == (0, b"42\n")


# Sweeps and virtual time


def report_a_reading() -> None:
    """A client that sends until it is acknowledged, and the server that has to know of it."""
    with pytest_netmocks.mqtt() as server:
        for _ in range(3):
            try:
                with Talk(server) as client:
                    if client.connack.reasons != [0]:
                        continue
                    client.sock.settimeout(60)
                    client.publish("a", b"21", qos=1)
                    if client.hear().type == "PUBACK":
                        break
            except (OSError, EOFError):
                continue
        assert b"21" in [message.payload for message in server.messages]


@pytest.mark.virtual_time
@pytest.mark.parametrize("fault", [Reset(), Blackhole(direction="downstream")], ids=lambda fault: fault.name)
def test_a_reading_arrives_wherever_the_conversation_breaks(fault: Any) -> None:
    report = pytest_netmocks.sweep(report_a_reading, fault, limit=20)
    assert {place.direction for place in report.places} >= {"downstream"}
    assert not report.failures, report


@pytest.mark.virtual_time
def test_every_packet_is_a_place_for_an_answer() -> None:
    report = pytest_netmocks.sweep(report_a_reading, Answer("Quota exceeded"))
    assert [place.number for place in report.places] == [1, 2]
    assert len(report.failures) == 1  # a PUBACK that refuses is taken for one that does not


@pytest.mark.virtual_time
def test_a_keep_alive_is_kept_in_no_time(mqtt_server: MqttServer, made: Make) -> None:
    mqtt_server.inject(Latency(0.1))
    client = made("3.1.1", "c")
    client.start(mqtt_server, keepalive=60)
    time.sleep(300)
    assert [packet.type for packet in mqtt_server.requests].count("PINGREQ") >= 3
    assert len(mqtt_server.open_connections) == 1
