"""What can be set works; what would do nothing says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import dns.message
import dns.query
import pytest
import requests
from calculator import grpc
from helpers import echo, masked, read_exactly, say, speak, udp_client
from openings import MQTT

import pytest_netmocks
from pytest_netmocks import (
    AnyOf,
    GrpcReply,
    Injection,
    MqttMessage,
    MqttSubscription,
    Not,
    Partial,
    Place,
    RedisSortedSet,
    RedisStream,
    Response,
)
from pytest_netmocks.faults import Latency, Reset
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.known import TABLE
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.protocols.web.multipart import UploadedFile

SERVERS = sorted(name for name, entry in TABLE.items() if entry.takes is None)


@pytest.mark.parametrize("name", SERVERS)
def test_a_misspelt_attribute_is_no_attribute_of_anything(netmocks: Netmocks, name: str) -> None:
    server: Any = getattr(netmocks, name)()
    with pytest.raises(
        AttributeError, match=rf"an? {type(server).__name__} has no attribute 'recordlimit' to set .*'record_limit'"
    ):
        server.recordlimit = 5
    for useless in ("ca", "port", "connections"):
        with pytest.raises(AttributeError, match=useless):
            setattr(server, useless, 5)


def test_rules_injections_and_connections_too(netmocks: Netmocks, tcp_server: TcpServer) -> None:
    rule: Any = netmocks.http().when("/x").reply(text="x")
    injection: Any = tcp_server.inject(Reset(), nth=9)
    injection.expected = False
    echo(tcp_server)
    things: list[Any] = [rule, injection, tcp_server.connections[0], netmocks.udp().when(b"x"), Response(200)]
    things += [netmocks.smtp().when("NOOP"), netmocks.ftp().when("NOOP"), netmocks.ws().when("x")]
    for thing in things:
        with pytest.raises(AttributeError, match="txet"):
            thing.txet = "x"
    with pytest.raises(AttributeError, match="fault of an Injection is what it was made with: lift this injection"):
        injection.fault = Reset(after_bytes=1)


SETTABLE = [(name, option) for name in SERVERS for option in TABLE[name].load().accepts]
FIXED = [(name, option) for name in SERVERS for option in TABLE[name].load().fixed]


@pytest.mark.parametrize(("name", "option"), SETTABLE, ids="-".join)
def test_an_option_that_is_set_later_is_checked_as_in_the_constructor(
    netmocks: Netmocks, name: str, option: str
) -> None:
    server = getattr(netmocks, name)()
    before = getattr(server, option)
    for wrong in (b"\0", {"a": 5}, -1, "a b"):
        try:
            getattr(netmocks, name)(**{option: wrong})
        except (TypeError, ValueError) as error:
            with pytest.raises(type(error), match=re.escape(str(error))):
                setattr(server, option, wrong)
    assert getattr(server, option) == before
    setattr(server, option, before)


@pytest.mark.parametrize(("name", "option"), FIXED, ids="-".join)
def test_an_option_that_would_do_nothing_later_cannot_be_set(netmocks: Netmocks, name: str, option: str) -> None:
    server = getattr(netmocks, name)()
    instead = re.escape(TABLE[name].load().fixed[option])
    with pytest.raises(AttributeError, match=f"{option} of an? .*Server is what it was made with: {instead}"):
        setattr(server, option, getattr(server, option))


def test_users_that_are_set_are_nobody_else_s(netmocks: Netmocks) -> None:
    users = {"ada": "secret"}
    for server in (netmocks.smtp(), netmocks.pop3(), netmocks.ftp()):
        server.users = users
        assert server.users == users
        server.reset()
        assert server.users == {}
    assert users == {"ada": "secret"}


def test_a_record_limit_holds_for_connections_from_then_on(tcp_server: TcpServer) -> None:
    tcp_server.record_limit = 2
    echo(tcp_server, b"hello")
    (connection,) = tcp_server.connections
    assert (connection.received, connection.truncated) == (b"he", True)
    with pytest.raises(ValueError, match="record_limit must be a whole number of at least 0"):
        tcp_server.record_limit = -1


def test_a_proxy_s_upstream_can_be_another_for_new_connections(netmocks: Netmocks) -> None:
    one, two = netmocks.tcp(), netmocks.tcp()
    proxy = netmocks.tcp_proxy(one)
    echo(proxy)
    proxy.upstream = two
    echo(proxy)
    assert [len(server.connections) for server in (one, two)] == [1, 1]
    with pytest.raises(TypeError, match="upstream must be"):
        proxy.upstream = 5  # type: ignore[assignment]
    assert proxy.upstream is two


def test_a_udp_proxy_s_upstream_too(netmocks: Netmocks) -> None:
    one, two = netmocks.udp(), netmocks.udp()
    proxy = netmocks.udp_proxy(one)
    for upstream in (one, two):
        proxy.upstream = upstream
        with udp_client(proxy) as sock:
            sock.send(b"x")
            assert sock.recv(1) == b"x"
    assert [len(server.connections) for server in (one, two)] == [1, 1]


def test_methods_can_still_be_replaced_by_a_test(tcp_server: TcpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_server, "when", lambda pattern: pattern)
    assert tcp_server.when(b"x") == b"x"  # type: ignore[comparison-overlap]


def of_ws(netmocks: Netmocks) -> Any:
    server = netmocks.ws()
    with speak(server) as sock:
        sock.sendall(masked("x"))
        read_exactly(sock, 3)
    return server


def of_udp(netmocks: Netmocks) -> Any:
    server = netmocks.udp()
    with udp_client(server) as sock:
        sock.send(b"x")
        sock.recv(1)
    return server


def of_tcp(netmocks: Netmocks) -> Any:
    server = netmocks.tcp()
    server.when(b"x").reply(b"x")
    echo(server, b"x")
    return server


def of_lines(server: Any, lines: bytes) -> Any:
    say(server, lines, finish=True)
    return server


def of_dns(netmocks: Netmocks) -> Any:
    server = netmocks.dns()
    dns.query.udp(dns.message.make_query("a.test", "A"), server.host, 10, server.port)
    return server


def of_call(netmocks: Netmocks) -> Any:
    server = netmocks.http()
    endpoint = server.jsonrpc({})
    requests.post(server.url_for("/rpc"), json={"jsonrpc": "2.0", "method": "x", "id": 1}, timeout=30)
    return endpoint.calls[0]


def of_grpc(netmocks: Netmocks) -> Any:
    server = netmocks.grpc()
    with grpc.insecure_channel(server.target) as channel, pytest.raises(grpc.RpcError):
        channel.unary_unary("/a/b")(b"", timeout=30)
    return server


MAIL = b"HELO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n\r\nhello\r\n.\r\nQUIT\r\n"


def virtual_clock() -> Any:
    with pytest_netmocks.virtual_time() as clock:
        return clock


OBJECTS: dict[str, Callable[[Netmocks], Any]] = {
    "AnyOf": lambda _: AnyOf("a", "b"),
    "Authority": lambda netmocks: netmocks.https().ca,
    "BadsslServer": lambda netmocks: netmocks.badssl("expired"),
    "Certificate": lambda netmocks: netmocks.https().ca.issue("a.test"),
    "Connection": lambda netmocks: of_tcp(netmocks).connections[0],
    "Datagram": lambda netmocks: of_udp(netmocks).requests[0],
    "FtpConnection": lambda netmocks: of_lines(netmocks.ftp(), b"QUIT\r\n").connections[0],
    "FtpRequest": lambda netmocks: of_lines(netmocks.ftp(), b"QUIT\r\n").requests[0],
    "GrpcCall": lambda netmocks: of_grpc(netmocks).requests[0],
    "GrpcReply": lambda _: GrpcReply(b""),
    "Injection": lambda netmocks: netmocks.tcp().inject(Latency(0.0)),
    "DnsQuery": lambda netmocks: of_dns(netmocks).requests[0],
    "Folder": lambda netmocks: netmocks.mailbox().folders["INBOX"],
    "ImapRequest": lambda netmocks: of_lines(netmocks.imap(), b"a NOOP\r\n").requests[0],
    "JsonRpc": lambda netmocks: netmocks.http().jsonrpc({}),
    "Mailbox": lambda netmocks: netmocks.mailbox(),
    "MailMessage": lambda netmocks: of_lines(netmocks.smtp(), MAIL).messages[0],
    "MqttMessage": lambda _: MqttMessage("a", b""),
    "MqttPacket": lambda netmocks: of_lines(netmocks.mqtt(), MQTT).requests[0],
    "MqttSubscription": lambda _: MqttSubscription("a"),
    "Netmocks": lambda netmocks: netmocks,
    "Not": lambda _: Not("a"),
    "Partial": lambda _: Partial({"a": 1}),
    "Place": lambda _: Place(Reset(), "tcp_server", 1, "downstream", offset=1),
    "Pop3Request": lambda netmocks: of_lines(netmocks.pop3(), b"QUIT\r\n").requests[0],
    "RedisConnection": lambda netmocks: of_lines(netmocks.redis(), b"PING\r\n").connections[0],
    "RedisData": lambda netmocks: netmocks.redis().data,
    "RedisRequest": lambda netmocks: of_lines(netmocks.redis(), b"PING\r\n").requests[0],
    "RedisSortedSet": lambda _: RedisSortedSet({"a": 1}),
    "RedisStream": lambda _: RedisStream([("*", {"a": 1})]),
    "Response": lambda _: Response(200),
    "RpcCall": of_call,
    "SocksRequest": lambda netmocks: of_lines(netmocks.socks5(), b"\4\1\0\1\0\0\0\0\0").requests[0],
    "SmtpRequest": lambda netmocks: of_lines(netmocks.smtp(), b"QUIT\r\n").requests[0],
    "StoredMessage": lambda netmocks: netmocks.pop3().deliver("Subject: x\n\n"),
    "SyslogMessage": lambda netmocks: of_lines(netmocks.syslog(), b"<14>x\n").messages[0],
    "TcpProxy": lambda netmocks: netmocks.tcp_proxy(netmocks.tcp()),
    "TcpRequest": lambda netmocks: of_tcp(netmocks).requests[0],
    "UdpProxy": lambda netmocks: netmocks.udp_proxy(netmocks.udp()),
    "VirtualClock": lambda _: virtual_clock(),
    "XmlRpc": lambda netmocks: netmocks.http().xmlrpc({}),
    "WsConnection": lambda netmocks: of_ws(netmocks).connections[0],
    "WsMessage": lambda netmocks: of_ws(netmocks).requests[0],
    "UploadedFile": lambda _: UploadedFile("a.txt", "text/plain", b""),
    "WsRoute": lambda netmocks: netmocks.http().when("/").websocket(),
}
"""One object of each class that a test gets hold of, servers apart."""

UNGUARDED = {"HttpRequest"}
"""What is made for every request of the busiest server: a guard would cost each of them some three hundredths."""


def test_every_public_class_is_asked() -> None:
    classes = {name for name in dir(pytest_netmocks) if isinstance(getattr(pytest_netmocks, name), type)}
    classes -= {name for name in classes if issubclass(getattr(pytest_netmocks, name), BaseException)}
    ours = {name for name in classes if getattr(pytest_netmocks, name).__module__.startswith("pytest_netmocks.")}
    servers = {TABLE[name].load().__name__ for name in TABLE} | set(TABLE) | {"badssl"}
    assert ours - servers - set(OBJECTS) - UNGUARDED == {"Kinds"}


@pytest.mark.parametrize("name", OBJECTS)
def test_a_misspelt_attribute_is_an_error_on_every_object(netmocks: Netmocks, name: str) -> None:
    made = OBJECTS[name](netmocks)
    assert type(made).__name__ == name
    with pytest.raises(AttributeError, match="txet"):
        made.txet = 5
    if isinstance(made, Injection):
        made.expected = False


def test_what_is_near_is_named(netmocks: Netmocks, http_server: HttpServer) -> None:
    limit: Any = http_server.limit(5)
    route: Any = http_server.when("/").websocket()
    for thing, wrong, near in ((limit, "lifed", "lifted"), (route, "handeler", "handler"), (netmocks, "x", "")):
        with pytest.raises(AttributeError, match=rf"has no attribute '{wrong}' to set.*{near}"):
            setattr(thing, wrong, 5)
    with pytest.raises(AttributeError, match="amount of a Limit is what it was made with: lift this limit and make"):
        limit.amount = 6
