"""What the MQTT broker costs, beside mosquitto and amqtt: `python benchmarks/mqtt_messages.py`.

Each broker that is installed runs in a process of its own; the same raw client of MQTT 3.1.1 says the same to all.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import os
import shutil
import socket
import sys
import threading
import time

from peers import announce_when_up, compare, free_port, fresh, heading, ready

import pytest_netmocks

CONNACK, SUBACK = b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x00"
TOPIC, PAYLOAD = b"\x00\x0bsensors/one", b"v" * 20
SUBSCRIBE = b"\x82" + bytes([len(TOPIC) + 3]) + b"\x00\x01" + TOPIC + b"\x00"
DISCONNECT = b"\xe0\x00"
PUBLISH = b"\x30" + bytes([len(TOPIC) + len(PAYLOAD)]) + TOPIC + PAYLOAD
"""At QoS 0, as it is published and as subscribers get it."""

PROGRAM = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
HERE = {"mosquitto": PROGRAM is not None, "amqtt": importlib.util.find_spec("amqtt") is not None}


def serve(kind: str) -> None:
    """Run one broker until the process is killed."""
    if kind == "ours":
        with pytest_netmocks.mqtt() as server:
            ready(server.port)
            threading.Event().wait()
    port = free_port()
    if kind == "mosquitto":
        assert PROGRAM is not None
        settings, written = os.pipe()
        # Without the first line an acknowledgement waits for that of another segment: Nagle's algorithm.
        os.write(written, f"set_tcp_nodelay true\nlistener {port} 127.0.0.1\nallow_anonymous true\n".encode())
        os.close(written)
        os.set_inheritable(settings, True)
        ready(port)  # who connects waits until it is up: this process is mosquitto then, and killed as such
        os.execv(PROGRAM, [PROGRAM, "-c", f"/dev/fd/{settings}"])
    announce_when_up(port)
    asyncio.run(amqtt(port))


async def amqtt(port: int) -> None:
    from amqtt.broker import Broker  # type: ignore[import-not-found]  # it need not be here

    listener = {"type": "tcp", "bind": f"127.0.0.1:{port}"}
    letting_in = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    await Broker({"listeners": {"default": listener}, "plugins": letting_in}).start()
    await asyncio.Event().wait()


def opening(client: bytes) -> bytes:
    """A CONNECT of MQTT 3.1.1 with a clean session."""
    rest = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(client).to_bytes(2) + client
    return b"\x10" + bytes([len(rest)]) + rest


def publish_at_1(number: int) -> bytes:
    return b"\x32" + bytes([len(TOPIC) + 2 + len(PAYLOAD)]) + TOPIC + number.to_bytes(2) + PAYLOAD


def connected(port: int, client: bytes) -> socket.socket:
    """A client that was let in."""
    for _ in range(500):
        with contextlib.suppress(ConnectionRefusedError):
            sock = socket.create_connection(("127.0.0.1", port), timeout=60)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(opening(client))
            take(sock, len(CONNACK))
            return sock
        time.sleep(0.02)
    raise TimeoutError(f"nobody listens on port {port}")


def take(sock: socket.socket, size: int) -> None:
    """Read so many bytes. Raises `EOFError` where there are less."""
    while size:
        got = len(sock.recv(min(size, 1 << 16)))
        if not got:
            raise EOFError(f"{size} bytes are missing")
        size -= got


def delivered(port: int, *, at_once: int = 100, count: int = 5000) -> float:
    """Messages of QoS 0 a second that came to a subscriber."""
    with connected(port, b"reader") as reader, connected(port, b"writer") as writer:
        reader.sendall(SUBSCRIBE)
        take(reader, len(SUBACK))
        data = PUBLISH * at_once
        begin = time.perf_counter()
        for _ in range(count // at_once):
            writer.sendall(data)
            take(reader, len(data))
        return count / (time.perf_counter() - begin)


def acknowledged(port: int, *, at_once: int, count: int) -> float:
    """Messages of QoS 1 a second that the broker has acknowledged; nobody subscribes."""
    data = b"".join(publish_at_1(number) for number in range(1, at_once + 1))
    with connected(port, b"writer") as writer:
        begin = time.perf_counter()
        for _ in range(count // at_once):
            writer.sendall(data)
            take(writer, 4 * at_once)
        return count / (time.perf_counter() - begin)


def connects(port: int, count: int = 300) -> float:
    """Clients a second that connect, one behind the other, and say goodbye."""
    connected(port, b"first").close()
    begin = time.perf_counter()
    for number in range(count):
        with connected(port, b"c%d" % number) as client:
            client.sendall(DISCONNECT)
    return count / (time.perf_counter() - begin)


def main() -> None:
    heading()
    if missing := [name for name, here in HERE.items() if not here]:
        print(f"not here: {', '.join(missing)}")
    peers = ("ours", *(name for name, here in HERE.items() if here))
    compare(__file__, "MQTT, QoS 0 delivered/s", delivered, ">= amqtt's", peers)
    piped = functools.partial(acknowledged, at_once=100, count=5000)
    compare(__file__, "MQTT, QoS 1, 100 at once/s", piped, ">= amqtt's", peers)
    single = functools.partial(acknowledged, at_once=1, count=2000)
    compare(__file__, "MQTT, QoS 1, one by one/s", single, ">= amqtt's", peers)
    compare(__file__, "MQTT, connects/s", connects, ">= amqtt's", peers)
    fresh("fresh mqtt_server", "mqtt_server", "<= 0.6")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        serve(sys.argv[2])
    else:
        main()
