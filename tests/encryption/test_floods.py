"""Clients that keep a server busy with TLS: nobody else waits for long."""

from __future__ import annotations

import asyncio
import socket
import ssl
from types import SimpleNamespace

import pytest
from canary import ALLOWED, metered
from helpers import connect, in_thread, read_exactly

from pytest_netmocks import Authority
from pytest_netmocks.link import runqueue
from pytest_netmocks.link.runqueue import SHARE, RunQueue
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.tcp.server import TlsServer
from pytest_netmocks.servers.stream import StreamServer


class Client:
    """A client in memory, whose cipher text the test sends as it likes."""

    def __init__(self, server: StreamServer, **options: ssl.TLSVersion) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=server.ca.cert_file)
        for name, value in options.items():
            setattr(context, name, value)
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self.sock = connect(server)

    def hello(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self._outgoing.read()

    def shake(self) -> None:
        self.sock.sendall(self.hello())
        while True:
            self._incoming.write(self.sock.recv(65536))
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.sock.sendall(self._outgoing.read())
            else:
                self.sock.sendall(self._outgoing.read())
                return

    def records(self, count: int) -> bytes:
        for _ in range(count):
            self.tls.write(b"x")
        return self._outgoing.read()


def send(sock: socket.socket, data: bytes) -> bytes:
    """Send all of it and give what comes, to the end or to the reset that cuts both short."""
    with sock:
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            return sock.recv(10)
        except ConnectionError:
            return b""


@pytest.mark.parametrize("key_type", ["ecdsa", "rsa"])
def test_a_flood_of_handshakes(netmocks: Netmocks, tls_ca: Authority, key_type: str) -> None:
    server = netmocks.tls(certificate=tls_ca.issue("localhost", key_type=key_type))  # type: ignore[arg-type]
    clients = [Client(server) for _ in range(150)]
    hellos = [client.hello() for client in clients]
    with metered() as meter:
        for client, hello in zip(clients, hellos, strict=True):
            client.sock.sendall(hello)
        for client in clients:
            assert read_exactly(client.sock, 1) == b"\x16"
    assert meter.worst < ALLOWED
    for client in clients:
        client.sock.close()


def test_who_finishes_while_he_waits_for_his_turn_gets_his_answer(tls_server: TlsServer) -> None:
    clients = [Client(tls_server) for _ in range(100)]
    for client in clients:
        client.sock.sendall(client.hello())
        client.sock.shutdown(socket.SHUT_WR)
    assert [read_exactly(client.sock, 1) for client in clients] == [b"\x16"] * 100
    tls_server.wait_for(lambda s: not s.open_connections)
    assert {connection.closed_by for connection in tls_server.connections} == {"client"}
    for client in clients:
        client.sock.close()


def test_clients_that_connect_without_end(tls_server: TlsServer) -> None:
    def flood() -> None:
        for _ in range(2000):
            socks.append(connect(tls_server))

    socks: list[socket.socket] = []
    with metered() as meter:
        in_thread(flood).join()
    tls_server.wait_for(lambda s: len(s.connections) == 2000, timeout=30)
    for sock in socks:
        sock.close()
    assert meter.worst < ALLOWED


def test_a_client_hello_in_records_of_one_byte(tls_server: TlsServer) -> None:
    body = b"\x01\x01\xff\xff" + bytes(130_000)
    records = b"".join(b"\x16\x03\x01\x00\x01" + body[at : at + 1] for at in range(len(body)))
    with metered() as meter:
        send(connect(tls_server), records)
        tls_server.wait_for(lambda s: not s.open_connections)
    assert meter.worst < ALLOWED


def test_a_flood_of_change_cipher_spec(tls_server: TlsServer) -> None:
    client = Client(tls_server)
    with metered() as meter:
        send(client.sock, client.hello() + b"\x14\x03\x03\x00\x01\x01" * 100_000)
        tls_server.wait_for(lambda s: not s.open_connections)
    assert meter.worst < ALLOWED


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_records_of_one_byte(tls_server: TlsServer, version: ssl.TLSVersion) -> None:
    tls_server.when(b"nobody says this").reply(b"")
    client = Client(tls_server, maximum_version=version)
    client.shake()
    records = client.records(50_000)
    with metered() as meter:
        client.sock.sendall(records)
        tls_server.wait_for(lambda s: s.connections[0].bytes_received == 50_000)
    assert meter.worst < ALLOWED
    client.sock.close()


async def test_work_is_done_at_once_while_there_is_time_and_then_in_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(runqueue, "clock", SimpleNamespace(now=lambda: now))
    queue = RunQueue(asyncio.get_running_loop())
    done: list[str] = []

    def work(name: str, seconds: float = 0.0) -> None:
        nonlocal now
        done.append(name)
        now += seconds

    queue.take(lambda: work("a"))
    queue.take(lambda: work("b", 2 * SHARE))
    for name in ("c", "d"):
        queue.take(lambda name=name: work(name, 2 * SHARE))  # type: ignore[misc]
    asyncio.get_running_loop().call_soon(done.append, "somebody else")
    assert done == ["a", "b"]
    for _ in range(10):
        await asyncio.sleep(0)
    assert done == ["a", "b", "c", "somebody else", "d"]
