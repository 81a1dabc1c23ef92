"""The SOCKS proxy, by clients as they are and by bytes."""

from __future__ import annotations

import socket
import struct
import subprocess

import httpx
import pytest
import requests
import socks  # type: ignore[import-untyped]
from helpers import connect, program, read_to_end

from pytest_netmocks import HttpServer, HttpsServer, Socks5Server
from pytest_netmocks.encryption.authority import Authority
from pytest_netmocks.faults import Close, Latency, Reset
from pytest_netmocks.plugin.factory import Netmocks


def through(proxy: Socks5Server, scheme: str = "socks5h", user: str = "") -> dict[str, str]:
    url = f"{scheme}://{user}{proxy.host}:{proxy.port}"
    return {"http": url, "https": url}


@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h"])
def test_requests_goes_through_it(socks5_server: Socks5Server, http_server: HttpServer, scheme: str) -> None:
    http_server.when("/x").reply(200, text="there")
    answer = requests.get(http_server.url_for("/x"), proxies=through(socks5_server, scheme), timeout=10)
    assert answer.text == "there"
    (request,) = socks5_server.requests
    assert (request.command, request.port, request.version) == ("CONNECT", http_server.port, int(scheme[5]))
    assert str(request) == f"CONNECT 127.0.0.1:{http_server.port} -> succeeded"


def test_names_are_the_tests_or_the_proxys_own(
    netmocks: Netmocks, socks5_server: Socks5Server, https_server: HttpsServer, tls_trust: Authority
) -> None:
    https_server.when("/x").reply(200, text="there")
    netmocks.names({"api.example.com": https_server})
    assert requests.get("https://api.example.com/x", proxies=through(socks5_server), timeout=10).text == "there"
    assert socks5_server.requests[0].destination == "api.example.com:443"
    own = netmocks.socks5(names={"db.internal:5432": https_server})
    with socks.create_connection(
        ("db.internal", 5432), timeout=10, proxy_type=socks.SOCKS5, proxy_addr=own.host, proxy_port=own.port
    ) as client:
        assert client.getpeername()


async def test_httpx_does(socks5_server: Socks5Server, http_server: HttpServer) -> None:
    http_server.when("/x").reply(200, text="there")
    async with httpx.AsyncClient(proxy=socks5_server.url, timeout=10) as client:
        assert (await client.get(http_server.url_for("/x"))).text == "there"


@program("curl")
@pytest.mark.parametrize("option", ["--socks4", "--socks4a", "--socks5", "--socks5-hostname"])
def test_curl_does(socks5_server: Socks5Server, http_server: HttpServer, option: str) -> None:
    http_server.when("/x").reply(200, text="there")
    where = f"{socks5_server.host}:{socks5_server.port}"
    command = ["curl", "-sS", "-m", "20", option, where, http_server.url_for("/x")]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"there"


def test_with_users_only_those_get_through(netmocks: Netmocks, http_server: HttpServer) -> None:
    http_server.when("/").reply(200)
    proxy = netmocks.socks5(users={"u": "p"})
    assert requests.get(http_server.url, proxies=through(proxy, user="u:p@"), timeout=10).status_code == 200
    assert proxy.requests[0].user == "u"
    for user in ("", "u:wrong@", "nobody:p@"):
        with pytest.raises(requests.ConnectionError):
            requests.get(http_server.url, proxies=through(proxy, user=user), timeout=10)
    with pytest.raises(requests.ConnectionError, match=r"5d|93|identd|userid"):
        requests.get(http_server.url, proxies=through(proxy, "socks4"), timeout=10)


@pytest.mark.parametrize(
    ("reply", "code"), [("host unreachable", 4), ("connection refused", 5), ("TTL expired", 6), (200, 200)]
)
def test_a_scripted_refusal_is_what_the_client_gets(
    socks5_server: Socks5Server, http_server: HttpServer, reply: str | int, code: int
) -> None:
    socks5_server.when("CONNECT").reply(reply, times=1)
    with connect(socks5_server) as client:
        client.sendall(b"\5\1\0")
        assert client.recv(2) == b"\5\0"
        client.sendall(b"\5\1\0\1\x7f\0\0\1" + http_server.port.to_bytes(2))
        assert client.recv(100)[:2] == bytes([5, code])
        assert client.recv(1) == b""
    http_server.when("/").reply(200)
    assert requests.get(http_server.url, proxies=through(socks5_server), timeout=10).status_code == 200


def test_a_rule_is_about_a_destination_and_may_lead_elsewhere(netmocks: Netmocks, socks5_server: Socks5Server) -> None:
    one = netmocks.http()
    one.when("/").reply(200, text="one")
    socks5_server.when("CONNECT", "api.test:80").tunnel(to=one)
    assert requests.get("http://api.test/", proxies=through(socks5_server), timeout=10).text == "one"
    with pytest.raises(requests.ConnectionError):
        requests.get("http://other.test/", proxies=through(socks5_server), timeout=10)
    assert [request.reply for request in socks5_server.requests] == ["succeeded", "not allowed"]


def test_faults_of_a_rule_count_the_tunnels_bytes(netmocks: Netmocks, socks5_server: Socks5Server) -> None:
    far = netmocks.tcp()
    socks5_server.when("CONNECT").inject(Reset(after_bytes=10), first=1)
    for whole in (False, True):
        with connect(socks5_server) as client:
            client.sendall(b"\5\1\0" + b"\5\1\0\1\x7f\0\0\1" + far.port.to_bytes(2) + b"early")
            got = b""
            while len(got) < 17:
                got += client.recv(100)
            assert got == b"\5\0" + b"\5\0\0\1\0\0\0\0\0\0" + b"early"
            client.sendall(b"0123456789")
            if whole:
                while len(got) < 27:
                    got += client.recv(100)
                assert got.endswith(b"early0123456789")
            else:
                while len(got) < 22:
                    got += client.recv(100)
                assert got.endswith(b"early01234")
                with pytest.raises(ConnectionResetError):
                    client.recv(1)


def test_a_fault_that_waits_for_no_byte_strikes_in_place_of_the_reply(
    netmocks: Netmocks, socks5_server: Socks5Server
) -> None:
    socks5_server.when("CONNECT").inject(Reset())
    with connect(socks5_server) as client:
        client.sendall(b"\5\1\0" + b"\5\1\0\1\x7f\0\0\1" + netmocks.tcp().port.to_bytes(2))
        assert client.recv(2) == b"\5\0"
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_an_upstream_fault_waits_for_a_tunnel(netmocks: Netmocks, socks5_server: Socks5Server) -> None:
    gone, far = netmocks.tcp(), netmocks.tcp()
    gone.stop()
    injected = socks5_server.when("CONNECT").inject(Close(after_bytes=5, direction="upstream"))
    for port, end in ((gone.port, b"\5\0\5\5\0\1" + bytes(6)), (far.port, b"\5\0\5\0\0\1" + bytes(6) + b"01234")):
        with connect(socks5_server) as client:
            client.sendall(b"\5\1\0" + b"\5\1\0\1\x7f\0\0\1" + port.to_bytes(2) + b"0123456789")
            assert read_to_end(client) == end
    assert injected.hits == 1


@pytest.mark.virtual_time
def test_a_late_reply_is_late_by_virtual_time(
    netmocks: Netmocks, socks5_server: Socks5Server, http_server: HttpServer
) -> None:
    import time

    socks5_server.inject(Latency(30))
    http_server.when("/").reply(200)
    begin = time.monotonic()
    assert requests.get(http_server.url, proxies=through(socks5_server), timeout=1000).status_code == 200
    assert time.monotonic() - begin >= 60


def test_it_connects_to_nothing_outside_of_the_test(socks5_server: Socks5Server) -> None:
    for host in ("192.0.2.1", "www.python.org"):
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://{host}/", proxies=through(socks5_server), timeout=10)
    assert {request.reply for request in socks5_server.requests} == {"not allowed"}


def test_a_port_where_nobody_listens_is_a_connection_refused(netmocks: Netmocks, socks5_server: Socks5Server) -> None:
    gone = netmocks.tcp()
    gone.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{gone.port}/", proxies=through(socks5_server), timeout=10)
    assert socks5_server.requests[0].reply == "connection refused"


@pytest.mark.parametrize(("command", "reply"), [(2, 7), (9, 7)])
def test_what_it_does_not_do_is_refused(socks5_server: Socks5Server, command: int, reply: int) -> None:
    with connect(socks5_server) as client:
        client.sendall(b"\5\1\0" + bytes([5, command, 0, 1]) + b"\x7f\0\0\1\0\1")
        assert client.recv(2) == b"\5\0"
        assert client.recv(100)[1] == reply


def test_an_address_of_an_unknown_type_is_refused(socks5_server: Socks5Server) -> None:
    with connect(socks5_server) as client:
        client.sendall(b"\5\1\0" + b"\5\1\0\2\x7f\0\0\1\0\1")
        assert client.recv(2) == b"\5\0"
        assert client.recv(100)[1] == 8


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\5\1\7", b"\4\1\0\1\0\0\0\1" + b"x" * 300, b"\5\1\0\4"])
def test_what_is_no_socks_ends_the_connection_and_nothing_else(socks5_server: Socks5Server, data: bytes) -> None:
    with connect(socks5_server) as client:
        client.sendall(data)
        while client.recv(100):
            pass
    with connect(socks5_server) as client:
        client.sendall(b"\5\1\0")
        assert client.recv(2) == b"\5\0"


def test_a_byte_at_a_time_is_as_good(netmocks: Netmocks, socks5_server: Socks5Server) -> None:
    far = netmocks.tcp()
    with connect(socks5_server) as client:
        for byte in b"\5\1\0" + b"\5\1\0\3\x09localhost" + far.port.to_bytes(2) + b"hello":
            client.sendall(bytes([byte]))
        got = b""
        while len(got) < 17:
            got += client.recv(100)
        assert got.endswith(b"hello")


def test_datagrams_go_through_an_association_as_long_as_its_connection_lasts(
    netmocks: Netmocks, socks5_server: Socks5Server
) -> None:
    far = netmocks.udp()
    client = socks.socksocket(socket.AF_INET, socket.SOCK_DGRAM)
    client.set_proxy(socks.SOCKS5, socks5_server.host, socks5_server.port)
    client.settimeout(10)
    with client:
        client.sendto(b"hello", far.address)
        data, sender = client.recvfrom(100)
        assert (data, sender) == (b"hello", far.address)
    assert socks5_server.requests[0].command == "UDP ASSOCIATE"
    socks5_server.wait_for(lambda server: not server.open_connections)


def test_datagrams_that_are_none_for_a_proxy_are_thrown_away(netmocks: Netmocks, socks5_server: Socks5Server) -> None:
    far = netmocks.udp()
    with connect(socks5_server) as client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        client.sendall(b"\5\1\0" + b"\5\3\0\1\0\0\0\0\0\0")
        reply = b""
        while len(reply) < 12:
            reply += client.recv(100)
        port = struct.unpack("!H", reply[10:])[0]
        sender.settimeout(10)
        sender.connect(("127.0.0.1", port))
        to = b"\1\x7f\0\0\1" + far.port.to_bytes(2)
        for wrong in (b"", b"\0\0", b"\0\0\0\7", b"\0\0\1" + to + b"fragment", b"\0\0\0\1\xc0\0\2\1\0\1outside"):
            sender.send(wrong)
        sender.send(b"\0\0\0" + to + b"right")
        assert sender.recv(100) == b"\0\0\0" + to + b"right"
    assert [datagram.data for datagram in far.requests] == [b"right"]


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((), {}, "reply\\(\\) needs one of"),
        (("gone",), {}, "reply must be one of"),
        ((0,), {}, "reply must be"),
        (("host unreachable",), {"delay": -1}, "delay"),
        ((), {"raw": "text"}, "raw must be bytes"),
    ],
)
def test_wrong_replies_are_refused_at_the_call(
    socks5_server: Socks5Server, arguments: tuple[object, ...], options: dict[str, object], words: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        socks5_server.when("CONNECT").reply(*arguments, **options)  # type: ignore[arg-type]


def test_so_are_wrong_criteria_and_tunnels(socks5_server: Socks5Server) -> None:
    with pytest.raises(ValueError, match="command must be one of"):
        socks5_server.when("GET")
    with pytest.raises(TypeError, match="destination"):
        socks5_server.when("CONNECT", 80)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="to must be"):
        socks5_server.when("CONNECT").tunnel("127.0.0.1")
    with pytest.raises(ValueError, match="makes no connection"):
        socks5_server.when("UDP ASSOCIATE").tunnel(to=("127.0.0.1", 80))


def test_where_names_are_strict_what_is_nobodys_is_not_allowed_and_what_fails_is_unreachable(
    netmocks: Netmocks,
) -> None:
    names = netmocks.names({}, strict=True)
    names.when("gone.test").reply(error="NXDOMAIN")
    proxy = netmocks.socks5(anywhere=True)
    for host in ("www.test", "gone.test"):
        with pytest.raises(socks.ProxyError):
            socks.create_connection(
                (host, 80), timeout=10, proxy_type=socks.SOCKS5, proxy_addr=proxy.host, proxy_port=proxy.port
            )
    assert [request.reply for request in proxy.requests] == ["not allowed", "host unreachable"]
