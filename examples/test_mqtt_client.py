"""A sensor that reports its readings with paho-mqtt: nothing is lost, and a server that is away is waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from pytest_netmocks import MqttServer
from pytest_netmocks.faults import Reset


class Sensor:
    """What an application would use: at least once, in order, whatever the network does."""

    def __init__(self, name: str, host: str, port: int) -> None:
        self.topic = f"sensors/{name}"
        self.connected = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        self.client.will_set(f"{self.topic}/state", b"gone", qos=1, retain=True)
        self.client.reconnect_delay_set(1, 60)
        self.client.on_connect = self._greet
        self.client.connect_async(host, port, keepalive=60)
        self.client.loop_start()

    def _greet(self, client: mqtt.Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if not reason.is_failure:
            client.publish(f"{self.topic}/state", b"there", qos=1, retain=True)
            self.connected.set()

    def report(self, reading: float, timeout: float = 60.0) -> None:
        if not self.connected.wait(timeout):
            raise TimeoutError("the broker is away")
        self.client.publish(self.topic, f"{reading:g}".encode(), qos=1).wait_for_publish(timeout)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def plug_in(mqtt_server: MqttServer) -> Iterator[Callable[[], Sensor]]:
    sensors: list[Sensor] = []

    def start() -> Sensor:
        sensors.append(Sensor("attic", mqtt_server.host, mqtt_server.port))
        return sensors[-1]

    yield start
    for sensor in sensors:
        sensor.close()


PlugIn = Callable[[], Sensor]


def readings(server: MqttServer) -> list[str]:
    return [message.text for message in server.messages if message.topic == "sensors/attic"]


def test_a_reading_arrives(mqtt_server: MqttServer, plug_in: PlugIn) -> None:
    plug_in().report(21.5)
    assert readings(mqtt_server) == ["21.5"]
    assert mqtt_server.retained["sensors/attic/state"].text == "there"


@pytest.mark.virtual_time
def test_a_server_that_is_busy_is_asked_again(mqtt_server: MqttServer, plug_in: PlugIn) -> None:
    mqtt_server.when("CONNECT").reply("Server unavailable", times=3)
    plug_in().report(21.5)
    assert readings(mqtt_server) == ["21.5"]
    assert [packet.refused for packet in mqtt_server.requests if packet.type == "CONNECT"] == [True] * 3 + [False]


@pytest.mark.virtual_time
def test_a_reading_whose_acknowledgement_is_lost_is_reported_twice_and_never_not(
    mqtt_server: MqttServer, plug_in: PlugIn
) -> None:
    mqtt_server.when("PUBLISH", topic="sensors/attic").inject(Reset(), nth=1)
    plug_in().report(21.5)
    assert readings(mqtt_server) == ["21.5", "21.5"]
    assert [packet.dup for packet in mqtt_server.requests if packet.topic == "sensors/attic"] == [False, True]


@pytest.mark.virtual_time
def test_who_watches_learns_that_the_sensor_has_gone(mqtt_server: MqttServer, plug_in: PlugIn) -> None:
    plug_in()
    mqtt_server.wait_for(lambda server: server.retained)
    mqtt_server.connections[0].close()
    mqtt_server.wait_for(lambda server: len(server.messages) == 3, timeout=60)
    assert [message.text for message in mqtt_server.messages] == ["there", "gone", "there"]
