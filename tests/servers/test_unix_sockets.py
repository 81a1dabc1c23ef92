"""`path=`: every server over a byte stream listens on a UNIX socket as it does on a port."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import http.client
import os
import pathlib
import re
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import httpx
import pytest
import redis
import requests
import trio
from helpers import Suite, elapsed, outcome, program, read_exactly, read_to_end, redis_of
from openings import OPENINGS, STREAMS, opened, secured, speaks

import pytest_netmocks
from pytest_netmocks import Netmocks, Response
from pytest_netmocks.faults import Bandwidth, Blackhole, Close, Latency, Refuse, Reset, Stall, Unreachable
from pytest_netmocks.link.unix import LONGEST
from pytest_netmocks.servers.stream import StreamServer

TCP_TOO = {"ftp": "data connections", "ftps": "data connections", "dns": "UDP too", "syslog": "UDP too"}
ON_PATHS = [name for name in STREAMS if name not in TCP_TOO]


@pytest.fixture
def path() -> Iterator[pathlib.Path]:
    """In a short directory: pytest's own may be too long."""
    with tempfile.TemporaryDirectory(prefix="u") as directory:
        yield pathlib.Path(directory, "s")


def connect(path: Any, timeout: float | None = 10.0) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        sock.connect(str(path))
    except BaseException:
        sock.close()
        raise
    return sock


def echo(path: Any) -> bytes:
    with connect(path) as sock:
        sock.sendall(b"hello")
        return read_exactly(sock, 5)


# Every server


@pytest.mark.parametrize("name", ON_PATHS)
def test_a_server_on_a_path_is_what_it_is_on_a_port(netmocks: Netmocks, path: pathlib.Path, name: str) -> None:
    server = opened(netmocks, name, path=path)
    where: Any = server.address
    assert (where, server.path, server.host, server.port) == (str(path), str(path), "localhost", 0)
    assert server.url == f"{server.scheme}+unix://{str(path).replace('/', '%2F')}"
    assert server.url in repr(server)
    with connect(path) as sock, secured(server, sock) as secure:
        speaks(server, name, secure)
        [connection] = server.connections
    assert (connection.client_address, connection.server_address) == (("unix", 0), (f"unix:{path}", 0))
    assert "opened by unix" in str(server.timeline)
    server.wait_for(lambda server: not server.open_connections)
    assert connection.closed_by == "client"
    server.close()
    assert not path.exists()


@pytest.mark.parametrize("name", ON_PATHS)
def test_a_proxy_before_a_path_is_what_it_is_before_a_port(netmocks: Netmocks, path: pathlib.Path, name: str) -> None:
    server = opened(netmocks, name, path=path)
    proxy = netmocks.tcp_proxy(server)
    assert proxy.scheme == server.scheme
    with socket.create_connection(proxy.address, timeout=10) as sock, secured(server, sock) as secure:
        speaks(server, name, secure)


@pytest.mark.parametrize("name", ON_PATHS)
def test_it_comes_back_on_the_same_path(netmocks: Netmocks, path: pathlib.Path, name: str) -> None:
    server = opened(netmocks, name, path=path)
    for _ in range(2):
        server.stop()
        assert path.is_socket()
        with pytest.raises(ConnectionRefusedError):
            connect(path)
        server.start()
        with connect(path) as sock, secured(server, sock) as secure:
            speaks(server, name, secure)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("name", TCP_TOO)
def test_what_needs_more_than_a_stream_says_so(netmocks: Netmocks, path: pathlib.Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"path=.*{TCP_TOO[name]}"):
        getattr(netmocks, name)(path=path)


def test_dns_over_tls_is_a_stream_alone(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.dns(path=path, tls=True)
    with connect(path) as sock, secured(server, sock) as secure:
        speaks(server, "dns", secure)


def test_datagrams_have_no_path(netmocks: Netmocks) -> None:
    with pytest.raises(TypeError, match="takes no 'path'"):
        netmocks.udp(path="/tmp/x")  # type: ignore[call-arg]


# The path


def test_nobody_else_may_connect(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    server.stop()
    server.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_relative_path_stays_where_it_was(
    netmocks: Netmocks, path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    server = netmocks.tcp(path=path.name)
    monkeypatch.chdir("/")
    assert server.path == str(path)
    assert echo(path) == b"hello"
    server.close()
    assert not path.exists()


@pytest.mark.parametrize("what", ["file", "directory", "socket"])
def test_what_is_there_already_is_left_alone(netmocks: Netmocks, path: pathlib.Path, what: str) -> None:
    if what == "directory":
        path.mkdir()
    elif what == "file":
        path.write_text("mine")
    else:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
    before = path.lstat()
    words = "left behind by one that has gone" if what == "socket" else "which is left alone"
    with pytest.raises(OSError, match=f"cannot listen on {path}: .*{words}"):
        netmocks.tcp(path=path)
    assert path.lstat() == before


def test_what_has_taken_its_place_is_not_removed(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    path.unlink()
    path.write_text("mine")
    with pytest.raises(OSError, match=f"cannot be refusing on {path}: something else has been put in its place"):
        server.inject(Refuse())
    server.close()
    assert path.read_text() == "mine"


def test_a_forked_child_leaves_the_path_to_its_parent(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    child = os.fork()
    if not child:
        server.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert echo(path) == b"hello"


def test_the_path_is_given_back_at_exit(path: pathlib.Path) -> None:
    program = (
        "import atexit, sys\natexit.register(lambda: server.close())\n"
        "import pytest_netmocks\nserver = pytest_netmocks.http(path=sys.argv[1]).start()\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, timeout=60)
    assert not path.exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"path": 3}, "path must be the path of a UNIX socket, not 3"),
        ({"path": b"/x"}, "path must be the path of a UNIX socket"),
        ({"path": ""}, "path must be the path of a UNIX socket, not ''"),
        ({"path": "/a\0b"}, "path must be the path of a UNIX socket"),
        ({"path": "/tmp/" + "x" * LONGEST}, f"at most {LONGEST} bytes.*has {LONGEST + 5}: take a shorter directory"),
        ({"path": "/tmp/x", "port": 1}, "path= and port= exclude each other"),
        ({"path": "/tmp/x", "host": "::1"}, "path= and host= exclude each other"),
    ],
)
def test_a_wrong_path_is_refused_with_words(netmocks: Netmocks, wrong: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        netmocks.tcp(**wrong)


def test_the_longest_path_is_one(netmocks: Netmocks, path: pathlib.Path) -> None:
    longest = path.with_name("x" * (LONGEST - len(str(path.parent)) - 1))
    server = netmocks.tcp(path=longest)
    server.stop()
    server.start()
    assert echo(longest) == b"hello"


def test_without_unix_sockets_a_path_is_refused(netmocks: Netmocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    with pytest.raises(ValueError, match="path is for UNIX sockets, which Python has none of on this system"):
        netmocks.tcp(path="/tmp/x")


# Faults


def test_delays_pieces_and_ends_are_as_on_a_port(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    for slow in (Latency(0.1), Bandwidth(50)):
        with server.inject(slow):
            assert elapsed(lambda: echo(path)) >= 0.1
    with server.inject(Close(after_bytes=3)), connect(path) as sock:
        sock.sendall(b"hello")
        assert read_to_end(sock) == b"hel"
        sock.sendall(b"it still listens")
    for fault in (Blackhole(), Stall()):
        with server.inject(fault), connect(path, timeout=0.1) as sock:
            sock.sendall(b"hello")
            with pytest.raises(TimeoutError):
                sock.recv(1)


def test_a_reset_is_the_end_of_both_ways_at_once(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    server.inject(Reset(after_bytes=3))
    with connect(path) as sock:
        sock.sendall(b"hello")
        assert read_to_end(sock) == b"hel"
        with pytest.raises(BrokenPipeError):
            sock.sendall(b"more")
    assert (server.connections[0].closed_by, server.connections[0].faults) == ("fault", ["Reset"])


def test_a_client_whose_bytes_nobody_has_read_is_told_of_the_reset(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    server.inject(Stall(direction="upstream"))
    with connect(path) as sock:
        sock.sendall(b"x" * 100_000)
        server.inject(Reset())
        with pytest.raises(ConnectionResetError):
            read_to_end(sock)


def test_a_refused_client_finds_nobody_and_later_the_server(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    with server.inject(Refuse()) as injection, pytest.raises(ConnectionRefusedError):
        connect(path)
    assert injection.hits == 1
    assert echo(path) == b"hello"


def test_while_it_refuses_and_comes_back_the_path_is_never_missing(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    missed: list[OSError] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            try:
                path.lstat()
            except OSError as error:
                missed.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(50):
        server.inject(Refuse()).lift()
    done.set()
    thread.join()
    assert missed == []


@pytest.mark.skipif(sys.platform != "linux", reason="the backlog is Linux's")
def test_where_nobody_accepts_a_client_hangs_or_is_told_to_try_again(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    answers: list[bytes] = []

    def blocking() -> None:
        with connect(path, timeout=None) as sock:
            sock.sendall(b"hello")
            answers.append(read_exactly(sock, 5))

    with server.inject(Unreachable()):
        with pytest.raises(BlockingIOError):
            connect(path, timeout=1.0)
        thread = threading.Thread(target=blocking)
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        assert server.connections == []
    thread.join(10)
    assert answers == [b"hello"]


def test_one_too_many_waits_or_is_turned_away_there_too(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path, max_connections=1)
    with connect(path) as first, connect(path) as second:
        for sock in (first, second):
            sock.sendall(b"hello")
        assert read_exactly(first, 5) == b"hello"
        assert len(server.connections) == 1
        first.close()
        assert read_exactly(second, 5) == b"hello"
        server.over_limit = "close"
        with connect(path) as third:
            assert third.recv(1) == b""


def test_who_has_no_ip_address_is_no_business_of_allow_and_deny(netmocks: Netmocks, path: pathlib.Path) -> None:
    netmocks.tcp(path=path, allow=["10.0.0.0/8"], deny=["127.0.0.0/8"])
    assert echo(path) == b"hello"


def test_a_client_that_goes_while_its_answer_waits_is_on_record(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.http(path=path)
    server.when("/").reply(text="late", delay=30)
    with connect(path) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        server.wait_for(lambda server: server.requests)
    server.wait_for(lambda server: not server.open_connections)
    assert server.connections[0].closed_by == "client"


def test_a_client_that_has_finished_and_waits_gets_its_answer(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.http(path=path)
    server.when("/").reply(text="late", delay=0.3)
    with connect(path) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock).endswith(b"late")


# Clients


@program("curl")
def test_curl(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.http(path=path)
    server.when("/x").reply(text="hello")
    command = ["curl", "-sS", "--unix-socket", str(path), "http://localhost/x"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "hello"
    again = subprocess.run(server.requests[0].curl(), shell=True, capture_output=True, text=True, check=True)
    assert again.stdout == "hello"
    assert [request.headers["host"] for request in server.requests] == ["localhost", "localhost"]


@pytest.mark.parametrize("name", ["http", "https"])
def test_httpx(netmocks: Netmocks, path: pathlib.Path, name: str) -> None:
    server = getattr(netmocks, name)(path=path)
    server.when("/x").reply(json={"q": 1})
    transport = httpx.HTTPTransport(uds=server.path, verify=server.client_context())
    with httpx.Client(transport=transport, base_url=f"{name}://localhost") as client:
        assert client.get("/x").json() == {"q": 1}
        assert client.get("/x").json() == {"q": 1}
    assert len(server.connections) == 1


def test_aiohttp_and_asyncio(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.http(path=path)
    server.when("/x").reply(text="hello")

    async def ask() -> str:
        connector = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession(connector=connector) as session, session.get("http://localhost/x") as answer:
            return await answer.text()

    async def say() -> bytes:
        reader, writer = await asyncio.open_unix_connection(server.path)
        writer.write(b"GET /x HTTP/1.0\r\n\r\n")
        data = await reader.read()
        writer.close()
        return data

    assert asyncio.run(ask()) == "hello"
    assert asyncio.run(say()).endswith(b"hello")


def test_the_standard_library_s_client(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.http(path=path)
    server.when("/x").reply(text="hello")

    class Connection(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = connect(server.path)

    with contextlib.closing(Connection("localhost")) as client:
        client.request("GET", "/x")
        assert client.getresponse().read() == b"hello"


def test_hosted_applications_are_told_what_other_servers_tell(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.http(path=path)
    scopes: list[Any] = []

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        scopes.append(environ)
        start_response("204 No Content", [])
        return []

    server.mount(asgi, at="/a")
    server.mount(wsgi, at="/w")
    with httpx.Client(transport=httpx.HTTPTransport(uds=server.path), base_url="http://localhost") as client:
        assert [client.get(at).status_code for at in ("/a", "/w")] == [204, 204]
    _, scope, environ = scopes  # the first is the lifespan's
    assert (scope["client"], scope["server"]) == (None, (server.path, None))
    assert [environ[name] for name in ("SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR")] == ["localhost", "80", ""]


def test_datagrams_of_socks_have_a_port_beside_the_path(netmocks: Netmocks, path: pathlib.Path) -> None:
    netmocks.socks5(path=path)
    udp = netmocks.udp()
    with connect(path) as sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        sock.sendall(b"\5\1\0" + b"\5\3\0\1\0\0\0\0\0\0")
        port = int.from_bytes(read_exactly(sock, 12)[-2:])
        datagrams.settimeout(10)
        to_echo = b"\0\0\0\1" + socket.inet_aton("127.0.0.1") + udp.port.to_bytes(2)
        datagrams.sendto(to_echo + b"hello", ("127.0.0.1", port))
        assert datagrams.recv(100) == to_echo + b"hello"


def test_redis_py_over_a_path(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    server.handle(redis_of(key=b"value"))
    with redis.Redis(unix_socket_path=server.path, protocol=2) as client:
        assert client.get("key") == b"value"


def test_a_client_with_a_path_of_its_own_is_on_record_with_it(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    own = str(path.with_name("client"))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(own)
        sock.connect(str(path))
        sock.sendall(b"hello")
        assert read_exactly(sock, 5) == b"hello"
        assert server.connections[0].client_address == (f"unix:{own}", 0)


# As an upstream


@pytest.mark.parametrize("form", ["text", "path", "server"])
def test_a_proxy_s_upstream_may_be_a_path(netmocks: Netmocks, path: pathlib.Path, form: str) -> None:
    server = netmocks.tcp(path=path)
    upstream: Any = {"text": f"unix:{path}", "path": path, "server": server}[form]
    proxy = netmocks.tcp_proxy(upstream)
    assert outcome(proxy) == "echo"
    proxy.inject(Close(after_bytes=3))
    assert outcome(proxy) == "cut b'hel'"


def test_a_proxy_on_a_path_is_before_a_path(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.http(path=path)
    server.when("/x").reply(text="hello")
    proxy = netmocks.tcp_proxy(server, path=path.with_name("p"))
    assert proxy.url == f"http+unix://{str(proxy.path).replace('/', '%2F')}"
    transport = httpx.HTTPTransport(uds=str(proxy.path))
    with httpx.Client(transport=transport) as client:
        assert client.get("http://localhost/x").text == "hello"


def test_an_upstream_that_is_down_is_as_one_on_a_port(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    server.stop()
    for upstream in (server, f"unix:{path.with_name('nothing')}"):
        proxy = netmocks.tcp_proxy(upstream)
        assert outcome(proxy) == "reset"
        assert f"the upstream unix:{path.parent}/" in str(proxy.timeline)
        assert "cannot be reached: " in str(proxy.timeline)


def test_an_upstream_that_nobody_accepts_on_is_waited_for(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    proxy = netmocks.tcp_proxy(server)
    unreachable = server.inject(Unreachable())
    with socket.create_connection(proxy.address, timeout=10) as sock:
        sock.sendall(b"hello")
        proxy.wait_for(lambda proxy: proxy.connections[0].bytes_received)
        assert server.connections == []
        unreachable.lift()
        assert read_exactly(sock, 5) == b"hello"


def test_a_client_that_goes_before_the_upstream_is_reached_leaves_nothing(
    netmocks: Netmocks, path: pathlib.Path
) -> None:
    server = netmocks.tcp(path=path)
    proxy = netmocks.tcp_proxy(server)
    with server.inject(Unreachable()):
        socket.create_connection(proxy.address).close()
        proxy.wait_for(lambda proxy: proxy.connections and not proxy.open_connections)
    assert echo(path) == b"hello"
    assert len(server.connections) == 1


def test_a_proxy_with_tls_to_a_path_looks_for_localhost(netmocks: Netmocks, path: pathlib.Path) -> None:
    netmocks.tls(path=path)
    assert outcome(netmocks.tcp_proxy(path, upstream_tls=True)) == "echo"


@pytest.mark.parametrize(("version", "family"), [(1, "UNKNOWN"), (2, "UNIX")])
def test_a_proxy_on_a_path_says_so_in_its_header(
    netmocks: Netmocks, path: pathlib.Path, version: Any, family: str
) -> None:
    server = netmocks.tcp(proxy_protocol=True)
    proxy = netmocks.tcp_proxy(server, path=path, proxy_protocol=version)
    assert echo(path) == b"hello"
    header = server.connections[0].proxy_header
    assert header is not None
    assert header.family == family
    if version == 2:
        assert (header.source, header.destination) == (("unix", 0), (f"unix:{proxy.path}", 0))


def test_a_header_comes_over_a_path_too(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.https(path=path, proxy_protocol=True)
    server.when("/").reply(lambda request: Response(200, text=request.connection.client_address[0]))
    proxy = netmocks.tcp_proxy(server, proxy_protocol=2)
    assert requests.get(proxy.url, verify=server.ca.cert_file, timeout=30).text == "127.0.0.1"


@pytest.mark.parametrize("words", ["5432", "unix", "/tmp/x"])
def test_what_is_no_upstream_is_refused_with_words(netmocks: Netmocks, words: str) -> None:
    with pytest.raises(TypeError, match=r'upstream must be a .host, port. pair .*"unix:/path" or a server'):
        netmocks.tcp_proxy(words)


def test_where_a_port_is_needed_a_path_is_refused_with_words(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.http(path=path)
    for use in (
        lambda: netmocks.names({"api.example.com": server}),
        lambda: netmocks.http().when("CONNECT", "a:1").tunnel(to=server),
        lambda: netmocks.socks5().when().tunnel(to=server),
        lambda: netmocks.http_proxy(path=path.with_name("p")).environ,
    ):
        with pytest.raises(ValueError, match="listens on a UNIX socket"):
            use()


# Time, sweeps, records


def test_virtual_time_passes_while_clients_wait_there(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.http(path=path)
    server.when("/").reply(text="late", delay=3600)
    began = time.monotonic()
    with pytest_netmocks.virtual_time(), httpx.Client(transport=httpx.HTTPTransport(uds=server.path)) as client:
        assert client.get("http://localhost/", timeout=5000).text == "late"
        assert server.connections[0].closed_at is None
        with pytest.raises(httpx.ReadTimeout):
            client.get("http://localhost/", timeout=60)
    assert time.monotonic() - began < 60
    assert server.requests[1].at - server.requests[0].at >= 3600


def test_virtual_time_passes_in_asyncio_and_trio_too(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    server.inject(Latency(3600))

    async def by_asyncio() -> bytes:
        reader, writer = await asyncio.open_unix_connection(server.path)
        writer.write(b"hello")
        data = await reader.readexactly(5)
        writer.close()
        return data

    async def by_trio() -> bytes:
        async with await trio.open_unix_socket(str(path)) as stream:
            await stream.send_all(b"hello")
            return bytes(await stream.receive_some(5))

    with pytest_netmocks.virtual_time():
        began = time.monotonic()
        assert asyncio.run(by_asyncio()) == trio.run(by_trio) == b"hello"
        assert time.monotonic() - began >= 7200


def test_a_full_backlog_is_told_in_virtual_time_as_in_real(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    with server.inject(Unreachable()), pytest_netmocks.virtual_time(), pytest.raises(BlockingIOError) as told:
        connect(path, timeout=60)
    assert told.value.errno == errno.EAGAIN


def test_a_sweep_strikes_every_place_there(path: pathlib.Path) -> None:
    texts: list[str] = []

    def run() -> None:
        with (
            pytest_netmocks.http(path=path) as server,
            httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client,
        ):
            server.when("/").reply(text="hi")
            with contextlib.suppress(httpx.TransportError):
                texts.append(client.get("http://localhost/", timeout=10).text)

    report = pytest_netmocks.sweep(run, Close(), Reset(), limit=20)
    assert len(report.places) == 20
    assert set(texts) == {"hi"}


def test_a_stop_that_cannot_be_is_none(netmocks: Netmocks, path: pathlib.Path) -> None:
    server = netmocks.tcp(path=path)
    beside = pathlib.Path(f"{path}~")
    beside.touch()
    with connect(path) as sock:
        with pytest.raises(OSError, match=re.escape(str(beside))):
            server.stop()
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        beside.unlink()
        server.stop()
        assert sock.recv(1) == b""


def test_every_report_is_made_of_it(suite: Suite, path: pathlib.Path) -> None:
    done = suite(
        f"""
        import httpx

        def test_it(netmocks):
            server = netmocks.http(path="{path}")
            server.when("/").reply(text="hello")
            with httpx.Client(transport=httpx.HTTPTransport(uds=server.path)) as client:
                assert client.get("http://localhost/").text == "hello"
                for kind in ("pcapng", "har", "jsonl", "html"):
                    server.save(f"saved.{{kind}}")
                assert client.get("http://localhost/").text == "other"
        """,
        "--netmocks-capture=out",
        "--netmocks-har=out",
        "--netmocks-events=out",
        "--netmocks-report=page.html",
    )
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*http+unix://*"])
    assert "INTERNALERROR" not in done.stdout.str()
    assert len(list(pathlib.Path("out").iterdir())) == 3
    page = subprocess.run(
        [sys.executable, "-m", "pytest_netmocks", "report", *map(str, pathlib.Path("out").iterdir()), "saved.pcapng"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert page.returncode == 0, page.stderr


def test_connections_on_a_path_are_told_apart_in_a_capture(
    netmocks: Netmocks, path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    from pytest_netmocks.reports.readers import read

    server = netmocks.tcp(path=path)
    assert [echo(path), echo(path)] == [b"hello", b"hello"]
    server.wait_for(lambda server: not server.open_connections)
    server.save(tmp_path / "x.pcapng")
    [recording] = read(tmp_path / "x.pcapng")
    assert [event["event"] for event in recording.events].count("opened") == 2


def test_the_table_of_openings_is_whole() -> None:
    assert {*ON_PATHS, *TCP_TOO} == set(OPENINGS)


def test_a_server_of_any_kind_may_be_typed_with_a_path(netmocks: Netmocks, path: pathlib.Path) -> None:
    server: StreamServer = netmocks.smtp(path=str(path), tls=True)
    assert server.path == str(path)


@pytest.mark.parametrize("arguments", [["tcp"], ["proxy", "unix:{upstream}"]])
def test_the_command_line_listens_on_a_path(netmocks: Netmocks, path: pathlib.Path, arguments: list[str]) -> None:
    upstream = netmocks.tcp(path=path.with_name("u"))
    words = [word.format(upstream=upstream.path) for word in arguments]
    command = [sys.executable, "-m", "pytest_netmocks", *words, "--path", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "tcp+unix://" in process.stdout.readline()
        assert echo(path) == b"hello"
        process.terminate()
    assert not path.exists()


def test_the_command_line_takes_a_path_or_a_port(capsys: pytest.CaptureFixture[str]) -> None:
    from pytest_netmocks.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["http", "--path", "/tmp/x", "--port", "0"])
    assert ended.value.code == 2
    assert "--path and --port exclude each other" in capsys.readouterr().err
