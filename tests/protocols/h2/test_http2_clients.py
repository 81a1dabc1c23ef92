"""HTTP/2 as real clients speak it: curl, nghttp, h2load, httpx, and hosted applications behind it."""

from __future__ import annotations

import asyncio
import pathlib
import subprocess
from typing import Any

import httpx
import pytest
from framing import Said, speaking
from helpers import program

import pytest_netmocks
from pytest_netmocks import Netmocks
from pytest_netmocks.faults import Close, Latency, Refused, Reset
from pytest_netmocks.protocols.http.server import HttpServer, HttpsServer
from pytest_netmocks.virtual.clock import VirtualClock


def run(*command: str, say: bytes = b"") -> str:
    return subprocess.run(command, capture_output=True, input=say, check=True, timeout=60).stdout.decode()


@program("curl")
def test_curl_by_alpn_and_by_prior_knowledge(http_server: HttpServer, https_server: HttpsServer) -> None:
    for server, how in ((http_server, "--http2-prior-knowledge"), (https_server, "--http2")):
        server.when("PUT", "/up").reply(lambda request: pytest_netmocks.Response(200, text=str(len(request.body))))
        server.when("/hello").reply(stream=["hel", "lo"], trailers={"X-Sum": "5"}, interim=[103])
        curl = ["curl", "-sS", "--noproxy", "*", "--max-time", "20", "--cacert", server.ca.cert_file, how]
        assert run(*curl, server.url_for("/hello")) == "hello"
        assert run(*curl, "-T", "-", server.url_for("/up"), say=b"x" * 2_000_000) == "2000000"
        assert run(*curl, "-w", "%{http_version}", server.url_for("/hello")) == "hello2"
        assert {request.http_version for request in server.requests} == {"2"}


@program("curl")
def test_curl_offers_an_upgrade_on_clear_text_and_stays_with_what_there_is(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="hello")
    assert run("curl", "-sS", "--noproxy", "*", "--http2", "-w", "%{http_version}", http_server.url) == "hello1.1"


@program("curl")
def test_a_request_as_a_command_is_sent_by_the_same_version(http_server: HttpServer, https_server: HttpsServer) -> None:
    for server in (http_server, https_server):
        server.when("/").reply(text="x")
        with httpx.Client(http1=False, http2=True, verify=server.client_context()) as client:
            client.post(server.url, content=b"body", headers={"X-Test": "1"})
        run("sh", "-c", server.requests[0].curl().replace("curl", "curl -sS --noproxy '*'", 1))
        _, again = server.requests
        assert (again.http_version, again.body, again.headers["X-Test"]) == ("2", b"body", "1")


@program("nghttp")
def test_nghttp_gets_and_sends(http_server: HttpServer, tmp_path: pathlib.Path) -> None:
    http_server.when("GET", "/big").reply(body=b"x" * 300_000)
    http_server.when("POST", "/up").reply(lambda request: pytest_netmocks.Response(text=str(len(request.body))))
    (tmp_path / "data").write_bytes(b"y" * 200_000)
    assert run("nghttp", http_server.url_for("/big")) == "x" * 300_000
    assert run("nghttp", "-d", str(tmp_path / "data"), http_server.url_for("/up")) == "200000"
    assert "status=200" in run("nghttp", "-ans", http_server.url_for("/big")) or http_server.requests[-1].response


@program("h2load")
def test_h2load_with_many_streams_at_once(http_server: HttpServer) -> None:
    http_server.when("/hello").reply(text="hello")
    told = run("h2load", "-n", "500", "-c", "5", "-m", "50", http_server.url_for("/hello"))
    assert "500 succeeded, 0 failed, 0 errored" in told
    assert len(http_server.requests) == 500


async def test_httpx_has_a_hundred_answers_at_once(https_server: HttpsServer) -> None:
    https_server.when("/{n:int}").reply(lambda request: pytest_netmocks.Response(text=str(request.path_params["n"])))
    async with httpx.AsyncClient(http2=True, verify=https_server.client_context(), timeout=30) as client:
        answers = await asyncio.gather(*(client.get(https_server.url_for(f"/{n}")) for n in range(100)))
    assert [answer.text for answer in answers] == [str(n) for n in range(100)]
    assert len(https_server.connections) == 1


def test_httpx_tries_again_what_was_refused(http_server: HttpServer) -> None:
    http_server.when("POST", "/order").reply(201).inject(Refused(), first=1)
    with httpx.Client(http1=False, http2=True) as client:
        with pytest.raises(httpx.RemoteProtocolError, match="error_code:7"):
            client.post(http_server.url_for("/order"))
        assert client.post(http_server.url_for("/order")).status_code == 201


# Applications


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Says what it was asked, with trailers and a hint before."""
    if scope["type"] != "http":
        return
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.early_hint", "links": [b"</a.css>"]})
    told = "http.response.trailers" in scope["extensions"]
    headers = [(b"content-type", b"text/plain"), (b"connection", b"keep-alive")]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": told})
    line = f"{scope['http_version']} {scope['method']} {scope['path']} {dict(scope['headers'])[b'host'].decode()} "
    await send({"type": "http.response.body", "body": line.encode(), "more_body": True})
    await send({"type": "http.response.body", "body": body})
    if told:
        await send({"type": "http.response.trailers", "headers": [(b"X-Sum", b"1")]})


def wsgi(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield environ["SERVER_PROTOCOL"].encode()
    yield environ["wsgi.input"].read()


@pytest.mark.in_memory
def test_an_asgi_application_is_asked_as_by_http_1(http_server: HttpServer) -> None:
    http_server.mount(asgi, at="/app")
    with speaking(http_server) as peer:
        stream = peer.ask("/app/x?q", "POST", body=b"b" * 100_000, fields=[("te", "trailers")], end=True)
        peer.window(0, 1 << 20)
        peer.window(stream, 1 << 20)
        said = peer.answer(stream)
    assert said.body == b"2 POST /app/x h " + b"b" * 100_000
    assert [head[0] for head in said.heads] == [(":status", "103"), (":status", "200"), ("x-sum", "1")]
    assert "connection" not in dict(said.heads[1])
    assert said.end == "END_STREAM"


@pytest.mark.in_memory
def test_an_application_that_breaks_off_resets_its_stream_alone(http_server: HttpServer) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
            raise OSError("broken")

    http_server.mount(broken, at="/broken")
    http_server.when("/x").reply(text="x")
    with speaking(http_server) as peer:
        said = peer.answer(peer.ask("/broken"))
        assert (said.body, said.end) == (b"begun", "INTERNAL_ERROR")
        assert peer.answer(peer.ask("/x")).body == b"x"
    assert [type(error) for error in http_server.journal.take_errors()] == [OSError]


def test_a_wsgi_application_and_a_directory(http_server: HttpServer, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file.bin").write_bytes(bytes(range(256)) * 4000)
    http_server.mount(wsgi, at="/app")
    http_server.serve_files(tmp_path, at="/files")
    http_server.jsonrpc({"add": lambda x, y: x + y}, at="/rpc")
    with httpx.Client(http1=False, http2=True) as client:
        assert client.post(http_server.url_for("/app"), content=b"body").content == b"HTTP/2body"
        assert client.get(http_server.url_for("/files/file.bin")).content == bytes(range(256)) * 4000
        asked = {"jsonrpc": "2.0", "id": 1, "method": "add", "params": [1, 2]}
        assert client.post(http_server.url_for("/rpc"), json=asked).json()["result"] == 3


# Before the answer


@pytest.mark.in_memory
@pytest.mark.parametrize(("when", "expected"), [(True, ["100", "204"]), (False, ["204"]), (0.5, ["100", "204"])])
def test_who_expects_100_gets_it_as_the_rule_says(http_server: HttpServer, when: Any, expected: list[str]) -> None:
    http_server.when("PUT", "/x").reply(204, expect_continue=when)
    with speaking(http_server) as peer:
        stream = peer.ask("/x", "PUT", fields=[("expect", "100-continue")], end=False)
        if when is not False:
            while not peer.said.get(stream):
                peer.next()
        peer.say(*peer.data(stream, b"body"))
        said = peer.answer(stream)
    assert [head[0][1] for head in said.heads] == expected
    assert http_server.requests[0].body == b"body"


@pytest.mark.in_memory
def test_an_answer_before_the_body_ends_the_upload_without_an_error(http_server: HttpServer) -> None:
    http_server.when("PUT", "/x").reply(403, text="no", before_body=True)
    with speaking(http_server) as peer:
        stream = peer.ask("/x", "PUT", end=False)
        said = peer.answer(stream)
        assert (said.status, said.body, said.end) == (403, b"no", "END_STREAM")
        peer.ping()
        assert peer.answer(peer.ask("/x", "PUT")).status == 403


@pytest.mark.in_memory
def test_trailers_of_a_request_are_on_record(http_server: HttpServer) -> None:
    http_server.when("POST", "/x").reply(204)
    with speaking(http_server) as peer:
        stream = peer.ask("/x", "POST", end=False)
        peer.say(*peer.data(stream, b"body", end=False))
        peer.say(peer.head(stream, instead=[("x-sum", "4")]))
        assert peer.answer(stream).status == 204
    assert http_server.requests[0].trailers["X-Sum"] == "4"


@pytest.mark.in_memory
def test_what_is_taken_back_is_on_record_as_broken_off(http_server: HttpServer) -> None:
    http_server.when("POST", "/x").reply(204)
    with speaking(http_server) as peer:
        stream = peer.ask("/x", "POST", end=False)
        peer.say(*peer.data(stream, b"bo", end=False))
        peer.say(b"\0\0\x04\x03\0" + stream.to_bytes(4) + b"\0\0\0\x08")
        peer.ping()
        peer.ping()
    request = http_server.requests[0]
    assert (request.complete, request.body) == (False, b"bo")
    assert request.broken_off == "the client has reset the stream (CANCEL)"


# Limits, as on any connection


@pytest.mark.in_memory
def test_rate_limits_and_then_close(http_server: HttpServer) -> None:
    http_server.when("/limited").reply(text="x").limit(1, per=60)
    http_server.when("/last").reply(text="last", then_close=True)
    with speaking(http_server) as peer:
        assert [peer.answer(peer.ask("/limited")).status for _ in range(2)] == [200, 429]
        assert peer.answer(peer.ask("/last")).body == b"last"
        list(peer.until_over())
    assert (peer.goaway, peer.over) == (("NO_ERROR", 5), "FIN")


# Virtual time and sweeps


def test_virtual_time_passes_over_http_2(http_server: HttpServer, virtual_clock: VirtualClock) -> None:
    http_server.when("/").reply(text="late").inject(Latency(3600))
    with httpx.Client(http1=False, http2=True, timeout=7200) as client:
        began = virtual_clock.now()
        assert client.get(http_server.url).text == "late"
        assert virtual_clock.now() - began >= 3600


# When a client acknowledges SETTINGS depends on what it has read by then.
@pytest.mark.filterwarnings("ignore:the conversation is not the same:pytest_netmocks.NetmocksWarning")
def test_wherever_it_breaks_httpx_has_the_right_answer_or_an_error() -> None:
    def fetch() -> None:
        with pytest_netmocks.http() as server:
            server.when("/x").reply(text="hello" * 10)
            try:
                with httpx.Client(http1=False, http2=True, timeout=60) as client:
                    assert client.get(server.url_for("/x")).text == "hello" * 10
            except (httpx.HTTPError, OSError):
                pass

    report = pytest_netmocks.sweep(fetch, Reset(), Close(), limit=12)
    report.raise_for_failures()
    assert len(report.places) >= 12


def test_the_places_of_a_sweep_are_the_parts_of_frames(netmocks: Netmocks) -> None:
    server = netmocks.http()
    server.when("/").reply(text="x")
    with speaking(server) as peer:
        peer.answer(peer.ask())
    connection = server.connections[0]
    sent, received = connection.sent, connection.received
    for direction, data, preface in (("downstream", sent, 0), ("upstream", received, 24)):
        places = list(server.parts(connection, direction, data))  # type: ignore[arg-type]  # either
        at, expected = preface, [preface] if preface else []
        while at < len(data):
            size = int.from_bytes(data[at : at + 3])
            expected += [at + 9, at + 9 + size] if size else [at + 9]
            at += 9 + size
        assert places == expected


@pytest.mark.parametrize("size", [0, 3])
def test_a_reset_of_a_stream_is_an_error_of_the_request_alone(http_server: HttpServer, size: int) -> None:
    http_server.when("/").reply(text="hello").inject(Reset(after_bytes=size), first=1)
    with httpx.Client(http1=False, http2=True) as client:
        with pytest.raises(httpx.RemoteProtocolError, match="error_code:8"):
            client.get(http_server.url)
        assert client.get(http_server.url).text == "hello"
    assert len(http_server.connections) == 1


# Tunnels


def test_connect_opens_a_tunnel_on_its_stream_alone(netmocks: Netmocks, http_server: HttpServer) -> None:
    """RFC 9113, section 8.5; what comes before the answer belongs into the tunnel, and each end ends that way alone."""
    echo = netmocks.tcp()
    http_server.when("CONNECT", "{host}:{port:int}").tunnel(echo)
    http_server.when("/").reply(text="x")
    with speaking(http_server) as peer:
        peer.say(peer.head(1, instead=[(":method", "CONNECT"), (":authority", "host:443")], end=False))
        peer.say(*peer.data(1, b"early ", end=False))
        said = peer.said.setdefault(1, Said())
        while said.body != b"early ":
            assert peer.next() is not None
        assert said.status == 200
        peer.say(peer.head(3))
        assert peer.answer(3).body == b"x"
        peer.say(*peer.data(1, b"late", end=True))
        assert peer.answer(1).body == b"early late"
    assert said.end == "END_STREAM"
    assert http_server.requests[0].method == "CONNECT"
    assert echo.connections[0].received == b"early late"
