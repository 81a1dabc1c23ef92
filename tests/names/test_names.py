"""Names that lead to the test's servers, for clients as they are."""

from __future__ import annotations

import asyncio
import errno
import ftplib
import re
import smtplib
import socket
import ssl
import struct
import urllib.request
from typing import Any

import aiohttp
import anyio
import httpx
import psycopg
import pytest
import redis
import requests
import trio
from helpers import Suite, connect, echo

from pytest_netmocks import HttpServer, HttpsServer, Socks5Server, TcpServer
from pytest_netmocks.encryption.authority import Authority
from pytest_netmocks.faults import Reset
from pytest_netmocks.link.calls import METHODS
from pytest_netmocks.names.names import Names
from pytest_netmocks.plugin.factory import Netmocks

URL = "https://api.example.com/x"


def greets(server: TcpServer, data: bytes) -> TcpServer:
    server.when_connected().reply(data)
    return server


@pytest.fixture
def api(netmocks: Netmocks, https_server: HttpsServer, tls_trust: Authority) -> Names:
    https_server.when("/x").reply(200, text="ours")
    return netmocks.names({"api.example.com": https_server})


def test_requests_believes_its_own_url(api: Names, https_server: HttpsServer) -> None:
    assert requests.get(URL, timeout=10).text == "ours"
    assert https_server.requests[0].headers["host"] == "api.example.com"
    info = https_server.connections[0].tls
    assert info is not None
    assert info.sni == "api.example.com"
    https_server.wait_for(lambda server: "asks for api.example.com:443" in str(server.timeline))


def test_so_do_urllib_and_httpx(api: Names) -> None:
    with urllib.request.urlopen(URL, timeout=10) as answer:
        assert answer.read() == b"ours"
    assert httpx.get(URL, timeout=10).text == "ours"


async def test_so_does_aiohttp_with_its_resolver_in_threads(api: Names, tls_trust: Authority) -> None:
    connector = aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver(), ssl=ssl.create_default_context())
    async with aiohttp.ClientSession(connector=connector) as session, session.get(URL) as answer:
        assert await answer.text() == "ours"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_so_do_async_clients_over_anyio(api: Names, backend: str) -> None:
    async def get() -> str:
        async with httpx.AsyncClient(timeout=10) as client:
            return (await client.get(URL)).text

    assert anyio.run(get, backend=backend) == "ours"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_connect_tcp_of_anyio_comes_to_the_servers_port(netmocks: Netmocks, backend: str) -> None:
    server = greets(netmocks.tcp(), b"hi")
    netmocks.names({"db.internal:5432": server})

    async def ask() -> bytes:
        async with await anyio.connect_tcp("db.internal", 5432) as stream:
            return await stream.receive()

    assert anyio.run(ask, backend=backend) == b"hi"


def test_trio_streams_do(netmocks: Netmocks) -> None:
    server = greets(netmocks.tcp(), b"hi")
    netmocks.names({"db.internal": server})

    async def ask() -> bytes:
        async with await trio.open_tcp_stream("db.internal", 5432) as stream:
            return bytes(await stream.receive_some(2))

    assert trio.run(ask) == b"hi"


def test_smtplib_and_ftplib_do(netmocks: Netmocks) -> None:
    mail, files = netmocks.smtp(), netmocks.ftp()
    netmocks.names({"smtp.example.com": mail, "ftp.example.com": files})
    with smtplib.SMTP("smtp.example.com", 587, timeout=10) as client:
        client.sendmail("a@b.c", ["d@e.f"], "hello")
    assert len(mail.messages) == 1
    with ftplib.FTP("ftp.example.com", timeout=10) as ftp:
        ftp.login()
        assert ftp.nlst() == []


def test_redis_py_does(netmocks: Netmocks) -> None:
    server = netmocks.tcp()
    server.when(b"PING").reply(b"+PONG\r\n")
    server.when(b"CLIENT").reply(b"+OK\r\n")
    netmocks.names({"cache.internal:6379": server})
    client = redis.Redis("cache.internal", 6379, protocol=2, socket_timeout=10)
    assert client.ping()
    client.close()


def test_psycopg_does_by_its_hostaddr(netmocks: Netmocks) -> None:
    server = netmocks.tcp()
    start_up = re.compile(rb"....\x00\x03\x00\x00user\x00.*?\x00\x00", re.DOTALL)
    server.when(start_up).reply(b"R" + struct.pack("!II", 8, 0) + b"Z" + struct.pack("!I", 5) + b"I")
    server.when(b"X\0\0\0\4").reply(b"")
    netmocks.names({"db.internal:5432": server})
    options: Any = {"sslmode": "disable", "gssencmode": "disable", "connect_timeout": 10}
    with psycopg.connect(
        host="db.internal", hostaddr=server.host, port=server.port, user="u", dbname="d", **options
    ) as connection:
        assert connection.info.host == "db.internal"


def ask(name: str, port: int) -> bytes:
    with socket.create_connection((name, port), timeout=10) as client:
        return client.recv(10)


def test_each_port_of_a_name_is_a_server_of_its_own_and_others_are_refused(netmocks: Netmocks) -> None:
    one, two = greets(netmocks.tcp(), b"one"), greets(netmocks.tcp(), b"two")
    netmocks.names({"host.test:1": one, "host.test:2": two})
    assert ask("host.test", 1) == b"one"
    assert ask("host.test", 2) == b"two"
    with pytest.raises(ConnectionRefusedError, match=r"host\.test:3 leads nowhere: the test has it at port 1, 2 only"):
        ask("host.test", 3)
    ip = socket.gethostbyname("host.test")
    assert ip == "127.0.0.1"
    for port, answer in [(1, b"one"), (2, b"two")]:
        assert ask(ip, port) == answer
    for host in ("host.test", ip):
        with socket.socket() as client:
            assert client.connect_ex((host, 3)) == errno.ECONNREFUSED


def test_a_port_that_was_refused_by_name_is_still_whoever_listens_there(netmocks: Netmocks) -> None:
    other = greets(netmocks.tcp(), b"other")
    netmocks.names({"host.test:1": netmocks.tcp()})
    with pytest.raises(ConnectionRefusedError):
        ask("host.test", other.port)
    assert ask("127.0.0.1", other.port) == b"other"


def test_a_name_with_a_port_may_lead_to_several_and_to_where_a_rule_says(netmocks: Netmocks) -> None:
    dead, alive = netmocks.tcp(), greets(netmocks.tcp(), b"alive")
    dead.stop()
    names = netmocks.names({"host.test:1": [dead, alive]})
    assert ask("host.test", 1) == b"alive"
    names.when("host.test:1").reply(greets(netmocks.tcp(), b"rule"), times=1)
    assert ask("host.test", 1) == b"rule"
    assert ask("host.test", 1) == b"alive"


def test_an_address_that_became_another_string_still_leads_to_the_server(netmocks: Netmocks) -> None:
    netmocks.names({"host.test": greets(netmocks.tcp(), b"hi")})
    row = socket.getaddrinfo("host.test", 80, type=socket.SOCK_STREAM)[0]
    with socket.socket() as client:
        client.connect((f"{row[4][0]}", row[4][1]))
        assert client.recv(2) == b"hi"


def test_the_more_exact_name_wins_and_a_star_is_any_name_below(netmocks: Netmocks) -> None:
    one, two = greets(netmocks.tcp(), b"one"), greets(netmocks.tcp(), b"two")
    netmocks.names({"*.cdn.test": one, "a.cdn.test": two, "*.b.cdn.test:7": two})
    assert ask("x.cdn.test", 80) == b"one"
    assert ask("A.CDN.test.", 80) == b"two"
    assert ask("c.b.cdn.test", 80) == b"one"
    assert ask("c.b.cdn.test", 7) == b"two"
    with pytest.raises(OSError, match="cdn"):
        netmocks.names({}, strict=True)
        ask("cdn.test", 80)


def test_a_server_has_a_certificate_for_all_of_its_names_whoever_gave_them(
    netmocks: Netmocks, https_server: HttpsServer, tls_trust: Authority
) -> None:
    https_server.when("/").reply(200)
    netmocks.names({"a.test": https_server})
    netmocks.names({"b.test": https_server, "a.test": https_server})
    socks = netmocks.socks5(names={"c.test": https_server})
    proxy = netmocks.http_proxy(names={"*.d.test": https_server})
    ways = {"a.test": "", "b.test": "", "c.test": f"socks5h://{socks.host}:{socks.port}", "x.d.test": proxy.url}
    for name, through in ways.items():
        proxies = {"https": through} if through else {}
        assert requests.get(f"https://{name}/", proxies=proxies, timeout=10).status_code == 200


def test_a_certificate_is_good_for_names_with_stars_too(
    netmocks: Netmocks, https_server: HttpsServer, tls_trust: Authority
) -> None:
    https_server.when("/").reply(200)
    netmocks.names({"*.cdn.test": https_server})
    assert requests.get("https://a.cdn.test/", timeout=10).status_code == 200


def test_strict_names_fail_all_others_with_words(netmocks: Netmocks) -> None:
    netmocks.names({"api.example.com": netmocks.tcp()}, strict=True, allow=["*.allowed.test", "10.0.0.0/8"])
    with pytest.raises(
        socket.gaierror, match=r"'www\.python\.org' .* no name of this test, which has api\.example\.com"
    ):
        socket.getaddrinfo("www.python.org", 443)
    with pytest.raises(socket.gaierror, match=r"no name of this test"):
        socket.gethostbyname("www.python.org")
    with (
        socket.socket() as client,
        pytest.raises(ConnectionRefusedError, match=r"no test may connect to 192\.0\.2\.1:80"),
    ):
        client.connect(("192.0.2.1", 80))
    with socket.socket() as client:
        assert client.connect_ex(("192.0.2.1", 80)) != 0
    with greets(netmocks.tcp(), b"hi") as server:
        assert ask("localhost", server.port) == b"hi"
        assert ask("127.0.0.1", server.port) == b"hi"


def test_what_is_strict_lets_older_names_be(netmocks: Netmocks) -> None:
    server = greets(netmocks.tcp(), b"hi")
    netmocks.names({"old.test": server}, strict=True).when("rule.test").reply(server)
    netmocks.names({"new.test": server}, strict=True)
    for name in ("old.test", "new.test", "rule.test"):
        assert ask(name, 80) == b"hi"
    with pytest.raises(socket.gaierror, match="no name of this test, which has new"):
        ask("www.python.org", 80)


def test_a_rule_fails_a_name_and_lets_it_come_back(netmocks: Netmocks) -> None:
    names = netmocks.names({"api.test": greets(netmocks.tcp(), b"hi")})
    names.when("api.test").reply(error="NXDOMAIN").reply(error="temporary", times=2)
    codes = []
    for _ in range(3):
        with pytest.raises(socket.gaierror) as caught:
            ask("api.test", 80)
        codes.append(caught.value.errno)
    assert codes == [socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_AGAIN]
    assert ask("api.test", 80) == b"hi"
    assert [(one.name, one.error) for one in names.requests] == [
        ("api.test", "NXDOMAIN"),
        ("api.test", "temporary"),
        ("api.test", "temporary"),
        ("api.test", None),
    ]


@pytest.mark.virtual_time
def test_a_resolver_that_is_silent_takes_its_time(netmocks: Netmocks, virtual_clock: object) -> None:
    import time

    names = netmocks.names({})
    names.when("api.test").reply(error="timeout")
    names.when("slow.test").reply("127.0.0.1", delay=60)
    begin = time.monotonic()
    with pytest.raises(socket.gaierror, match="timeout"):
        socket.getaddrinfo("api.test", 80)
    assert 5 <= time.monotonic() - begin < 60
    assert socket.gethostbyname("slow.test") == "127.0.0.1"
    assert 65 <= time.monotonic() - begin < 120


def test_a_name_that_takes_its_time_holds_up_nobody_else(netmocks: Netmocks, socks5_server: Socks5Server) -> None:
    names = netmocks.names({})
    names.when("slow.test").reply(error="timeout", delay=30)
    with connect(socks5_server) as client:
        client.sendall(b"\5\1\0" + b"\5\1\0\3\x09slow.test\0\1")
        socks5_server.wait_for(lambda server: server.requests)
        assert echo(netmocks.tcp()) == b"hello"


async def test_happy_eyeballs_go_on_from_a_dead_address_to_one_that_lives(netmocks: Netmocks) -> None:
    dead, alive = netmocks.tcp(), greets(netmocks.tcp(), b"hi")
    dead.stop()
    names = netmocks.names({})
    names.when("api.test").reply([dead, alive])
    reader, writer = await asyncio.open_connection("api.test", 443)
    assert await reader.read(2) == b"hi"
    writer.close()
    assert len(alive.connections) == 1


def test_a_fault_of_the_server_strikes_who_came_by_its_name(netmocks: Netmocks, http_server: HttpServer) -> None:
    netmocks.names({"api.test": http_server})
    http_server.inject(Reset())
    with pytest.raises(requests.ConnectionError):
        requests.get("http://api.test/", timeout=10)


def test_afterwards_everything_is_as_it_was(netmocks: Netmocks) -> None:
    def now() -> list[object]:
        kinds = [vars(socket.socket).get(name) for name in METHODS]
        return [socket.getaddrinfo, socket.gethostbyname, socket.gethostbyname_ex, *kinds]

    before = now()
    with netmocks.names({"a.test": "127.0.0.1"}), netmocks.names({"b.test": "127.0.0.2"}):
        assert socket.gethostbyname("a.test") == "127.0.0.1"
        assert socket.gethostbyname("b.test") == "127.0.0.2"
        assert now() != before
    assert now() == before


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"http://a.test": "127.0.0.1"}, "without a scheme or a path"),
        ({"a.test:http": "127.0.0.1"}, "a name's port"),
        ({"127.0.0.1": "127.0.0.1"}, "a name must be one"),
        ({"a*.test": "127.0.0.1"}, "a name must be one"),
        ({"a.test": "b.test"}, "which is no IP address"),
        ({"a.test": ("127.0.0.1", 0)}, "a pair of an IP address and a port"),
        ({1: "127.0.0.1"}, "a name must be a string"),
        ({"a.test": 80}, r"names\['a.test'\] must be a server"),
        ([], "names must be a mapping"),
    ],
)
def test_what_is_no_name_is_refused_at_the_call(netmocks: Netmocks, names: dict[str, object], words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        netmocks.names(names)


def test_rules_refuse_what_makes_no_sense(netmocks: Netmocks) -> None:
    names = netmocks.names({})
    with pytest.raises(ValueError, match="about a name"):
        names.when("a.test").inject(Reset())
    with pytest.raises(TypeError, match="not both"):
        names.when("a.test").reply()
    for nowhere in ([], [None]):
        with pytest.raises(ValueError, match=r"reply\(\) needs an address"):
            names.when("a.test").reply(nowhere)
    with pytest.raises(ValueError, match="error must be one of"):
        names.when("a.test").reply(error="no")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="delay"):
        names.when("a.test").reply("127.0.0.1", delay=-1)


def test_an_ipv6_server_is_reached_by_its_name(netmocks: Netmocks) -> None:
    server = greets(netmocks.tcp(host="::1"), b"hi")
    netmocks.names({"six.test": server})
    assert ask("six.test", 80) == b"hi"
    with pytest.raises(socket.gaierror, match="no address of the family"):
        socket.getaddrinfo("six.test", 80, socket.AF_INET)


def test_datagrams_go_to_the_server_of_the_name(netmocks: Netmocks) -> None:
    server = netmocks.udp()
    netmocks.names({"clock.test:123": server})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.connect(("clock.test", 123))
        client.send(b"x")
        assert client.recv(10) == b"x"


def test_a_whole_run_is_kept_from_the_internet_by_its_configuration(suite: Suite) -> None:
    result = suite(
        """
    import socket
    import pytest

    def test_outside(tcp_server):
        with pytest.raises(OSError, match="no name of this test"):
            socket.create_connection(("www.python.org", 443), timeout=5)

    def test_inside(tcp_server):
        assert echo(tcp_server, b"x") == b"x"

    def test_without_a_server():
        with pytest.raises(OSError, match="no test may connect"):
            socket.create_connection(("192.0.2.1", 443), timeout=5)
    """,
        netmocks_network="mocks",
    )
    result.assert_outcomes(passed=3)
