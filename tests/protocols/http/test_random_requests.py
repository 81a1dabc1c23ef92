"""Random and mutated requests: never a crash, never a hang, never a wrong answer to the next client."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from helpers import connect, read_to_end
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pytest_netmocks
from pytest_netmocks.link import loop
from pytest_netmocks.protocols.h2.frames import are_frames
from pytest_netmocks.protocols.http.server import HttpServer

pytestmark = pytest.mark.in_memory

GOOD = [
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /form?a=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\na=b&c",
    b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"GET /%ff%00{} HTTP/1.0\r\nConnection: keep-alive\r\nCookie: a=b; c\r\nRange: bytes=0-1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
]
BITS = [
    b"\r\n",
    b"\r\n\r\n",
    b":",
    b" ",
    b"HTTP/1.1",
    b"Content-Length: 9999999999999999999\r\n",
    b"\x00",
    b"\xff",
    b"%",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(b"".join(draw(st.lists(st.sampled_from(GOOD), min_size=1, max_size=3))))
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0:
                data[at:at] = draw(st.sampled_from(BITS))
            case 1:
                del data[at : at + draw(st.integers(1, 20))]
            case 2:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=3))
            case _:
                del data[at:]
    return bytes(data)


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with pytest_netmocks.http() as server:
        server.when("/").reply(text="root")
        server.when("POST", "/form", form={"a": "b"}).reply(200)
        server.when("/{rest:path}", json={"a": 1}).reply(201)
        server.when("/fine").reply(text="fine")
        yield server


def check(server: HttpServer, data: bytes, pieces: int) -> None:
    with connect(server) as sock, contextlib.suppress(ConnectionError):
        size = max(1, len(data) // pieces)
        for at in range(0, len(data), size):
            sock.sendall(data[at : at + size])
        sock.shutdown(1)
        answer = read_to_end(sock)
        assert not answer or answer.startswith(b"HTTP/1.1 ") or are_frames(answer)  # chance knows the preface, too
        assert b"HTTP/1.1 500" not in answer
    with connect(server) as sock:
        sock.sendall(b"GET /fine HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert read_to_end(sock).endswith(b"\r\n\r\nfine")
    assert server.journal.take_errors() == []
    assert loop.take_errors() == []


SOME = settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@SOME
@given(data=mutated(), pieces=st.integers(1, 6))
def test_mutated_requests(server: HttpServer, data: bytes, pieces: int) -> None:
    check(server, data, pieces)


@SOME
@given(data=st.binary(max_size=300))
def test_random_bytes(server: HttpServer, data: bytes) -> None:
    check(server, data, 1)
