"""What a client says first: in pieces, with names that are none, broken in every way."""

from __future__ import annotations

import random
import ssl
import sys
from typing import Any

import pytest
from helpers import connect, read_exactly, read_to_end, shake

from pytest_netmocks.encryption import hello
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.tcp.server import TlsServer
from pytest_netmocks.servers.stream import StreamServer


def real_hello(**options: Any) -> bytes:
    """The record that Python's own client begins with."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def vector(data: bytes, width: int) -> bytes:
    return len(data).to_bytes(width) + data


def extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2) + vector(content, 2)


def hello_with(*extensions: bytes) -> bytes:
    """A ClientHello of TLS 1.2 that a server with an ECDSA certificate has an answer to."""
    groups = extension(10, vector(b"\x00\x17", 2))  # secp256r1
    signatures = extension(13, vector(b"\x04\x03", 2))  # ecdsa_secp256r1_sha256
    body = b"\x03\x03" + bytes(32) + vector(b"", 1) + vector(b"\xc0\x2b", 2) + vector(b"\x00", 1)
    body += vector(groups + signatures + b"".join(extensions), 2)
    return b"\x16\x03\x01" + vector(b"\x01" + vector(body, 3), 2)


def name(data: bytes) -> bytes:
    return extension(0, vector(b"\x00" + vector(data, 2), 2))


def answer(server: StreamServer, said: bytes) -> bytes:
    """What the server says to it before the end."""
    with connect(server) as sock:
        sock.sendall(said)
        got = read_exactly(sock, 7)
        return got if got[0] != 21 else got + read_to_end(sock)


def alert(number: int) -> bytes:
    return bytes([21, 3, 3, 0, 2, 2, number])


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was raised where nobody could catch it."""
    found: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", found.append)
    return found


def fed(*pieces: bytes) -> hello.Flight:
    flight = hello.Flight()
    for piece in pieces:
        flight.add(piece)
    return flight


def test_a_client_hello_is_complete_wherever_it_is_cut() -> None:
    record = real_hello()
    body = record[5:]
    pieces = [body[at : at + 100] for at in range(0, len(body), 100)]
    fragmented = b"".join(record[:3] + len(piece).to_bytes(2) + piece for piece in pieces)
    for whole in (record, fragmented):
        assert not fed(whole[:-1]).is_complete
        for size in (1, 2, 3, 7, 100):
            flight = fed(*(whole[at : at + size] for at in range(0, len(whole), size)))
            assert (flight.is_complete, bytes(flight.data), bytes(flight.message)) == (True, whole, body)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x80\x2e\x01",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
    ],
)
def test_what_can_never_become_one_is_not_waited_for(garbage: bytes) -> None:
    assert fed(garbage).is_complete


def test_the_name_is_read_as_it_was_sent() -> None:
    assert hello.server_name(real_hello()[5:]) == b"localhost"
    assert hello.server_name(hello_with(name(b"a\xff\x00"))[5:]) == b"a\xff\x00"
    assert hello.server_name(hello_with()[5:]) is None


@pytest.mark.parametrize("good", [b"localhost", b"a_b.test", b"xn--bcher-kva.test", b"127.0.0.1", b"x" * 255])
def test_a_name_of_visible_ascii_is_answered_and_on_record(tls_server: TlsServer, good: bytes) -> None:
    assert answer(tls_server, hello_with(name(good)))[:1] == b"\x16"
    (connection,) = tls_server.connections
    assert connection.tls is not None
    assert connection.tls.sni == good.decode()


@pytest.mark.parametrize("bad", [b"b\xc3\xbccher.test", b"\xff", b"a\x00b", b"a\nb", b"a b", b"x" * 256, b"x" * 60000])
def test_a_name_that_is_none_is_an_unrecognized_name(tls_server: TlsServer, unheard: list[Any], bad: bytes) -> None:
    said = hello_with(name(bad))
    records = [b"\x16\x03\x01" + vector(said[5 + at : 5 + at + 16384], 2) for at in range(0, len(said) - 5, 16384)]
    assert answer(tls_server, b"".join(records) if len(bad) > 16384 else said) == alert(112)
    (connection,) = tls_server.connections
    assert connection.tls is not None
    assert (connection.tls.alert_sent, connection.tls.sni, connection.closed_by) == (
        "unrecognized_name",
        None,
        "server",
    )
    assert not unheard
    assert "alert unrecognized_name sent" in str(tls_server.timeline)


@pytest.mark.parametrize(
    ("kind", "before"),
    [
        ("https", []),
        ("wss", []),
        ("smtps", []),
        ("smtp", [b"EHLO a\r\n", b"STARTTLS\r\n"]),
        ("ftps", [b"AUTH TLS\r\n"]),
    ],
)
def test_and_so_it_is_on_every_server(netmocks: Netmocks, unheard: list[Any], kind: str, before: list[bytes]) -> None:
    with connect(getattr(netmocks, kind)()) as sock:
        for command in before:
            assert sock.recv(1000)[:1] == b"2"
            sock.sendall(command)
        assert not before or sock.recv(1000)[:1] == b"2"
        sock.sendall(hello_with(name(b"\xff")))
        assert read_to_end(sock) == alert(112)
    assert not unheard


@pytest.mark.parametrize(
    ("broken", "number"),
    [
        (name(b"a") * 2, 47),  # illegal_parameter: twice the same extension
        (extension(0, vector(b"\x01" + vector(b"a", 2), 2)), 50),  # decode_error: a name of another type
        (extension(0, b"\x00\xff\x00"), 50),
        (extension(16, b"\x00\x05\x02h2"), 50),  # ALPN
        (extension(16, vector(vector(b"", 1), 2)), 50),
        (extension(16, vector(b"\xffh2", 2)), 50),
    ],
)
def test_broken_extensions_get_the_alert_that_openssl_has_for_them(
    netmocks: Netmocks, unheard: list[Any], broken: bytes, number: int
) -> None:
    server = netmocks.tls(alpn=["h2"])
    assert answer(server, hello_with(broken)) == alert(number)
    assert not unheard


def test_no_mutation_of_a_client_hello_is_more_than_an_alert_or_silence(
    tls_server: TlsServer, unheard: list[Any]
) -> None:
    chance = random.Random(1)
    seeds = [real_hello(), hello_with(name(b"localhost")), hello_with(extension(16, vector(vector(b"h2", 1), 2)))]
    for _ in range(300):
        said = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 5))):
            at = chance.randrange(len(said))
            match chance.randrange(4):
                case 0:
                    said[at] = chance.randrange(256)
                case 1:
                    del said[at : at + chance.randrange(1, 20)]
                case 2:
                    said[at:at] = chance.randbytes(chance.randrange(1, 20))
                case _:
                    said[at : at + 2] = b"\xff\xff"
            said = said or bytearray(b"\x16")
        with connect(tls_server) as sock:
            sock.sendall(said)
            sock.shutdown(1)
            got = read_to_end(sock)
        assert got[:1] in (b"", b"\x15", b"\x16"), bytes(said)
    shake(tls_server).close()
    tls_server.wait_for(lambda s: not s.open_connections)
    assert not tls_server.journal.take_errors()
    assert not unheard
