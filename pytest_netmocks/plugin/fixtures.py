"""The fixtures, written out by hand so that editors know what `tcp_server.` has."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    import pathlib

    from pytest_netmocks.encryption.authority import Authority
    from pytest_netmocks.plugin.factory import Netmocks
    from pytest_netmocks.protocols.dns.server import DnsServer
    from pytest_netmocks.protocols.entry import Entry
    from pytest_netmocks.protocols.ftp.server import FtpServer, FtpsServer
    from pytest_netmocks.protocols.grpc.server import GrpcServer, GrpcsServer
    from pytest_netmocks.protocols.http.server import HttpServer, HttpsServer
    from pytest_netmocks.protocols.http_proxy.server import HttpProxyServer
    from pytest_netmocks.protocols.httpbin.server import HttpbinServer
    from pytest_netmocks.protocols.imap.server import ImapServer, ImapsServer
    from pytest_netmocks.protocols.mqtt.server import MqttServer, MqttsServer
    from pytest_netmocks.protocols.pop3.server import Pop3Server, Pop3sServer
    from pytest_netmocks.protocols.redis.server import RedisServer, RedissServer
    from pytest_netmocks.protocols.smtp.server import SmtpServer, SmtpsServer
    from pytest_netmocks.protocols.socks.server import Socks5Server
    from pytest_netmocks.protocols.syslog.server import SyslogServer
    from pytest_netmocks.protocols.tcp.server import TcpServer, TlsServer
    from pytest_netmocks.protocols.udp.server import UdpServer
    from pytest_netmocks.protocols.ws.server import WsServer, WssServer
    from pytest_netmocks.virtual.clock import VirtualClock

__all__ = [
    "dns_server",
    "ftp_server",
    "ftps_server",
    "grpc_server",
    "grpcs_server",
    "http_proxy_server",
    "http_server",
    "httpbin_server",
    "https_server",
    "imap_server",
    "imaps_server",
    "mqtt_server",
    "mqtts_server",
    "netmocks",
    "pop3_server",
    "pop3s_server",
    "redis_server",
    "rediss_server",
    "smtp_server",
    "smtps_server",
    "socks5_server",
    "syslog_server",
    "tcp_server",
    "tls_ca",
    "tls_server",
    "tls_trust",
    "udp_server",
    "virtual_clock",
    "ws_server",
    "wss_server",
]

F = TypeVar("F", bound=Callable[[], object])
ALONE = inspect.Signature()


def alone(function: F) -> F:
    """A fixture that asks for no other. Said once: pytest takes each function apart to see what it asks for."""
    function.__signature__ = ALONE  # type: ignore[attr-defined]
    return function


@pytest.fixture
@alone
def netmocks() -> Iterator[Netmocks]:
    """Factory of servers: `netmocks.tcp(...)`, `.http`, `.udp`, `.tcp_proxy(upstream)`, `.udp_proxy(upstream)`."""
    from pytest_netmocks.plugin.factory import Netmocks  # loading the plugin is to cost nothing

    factory = Netmocks()
    yield factory
    factory.close()


@pytest.fixture
@alone
def virtual_clock() -> Iterator[VirtualClock]:
    """The clock of virtual time: `now()`, `jumps`, `jumped`, `held_by`, `sleeps`; who asks for it lives by it."""
    from pytest_netmocks.virtual.span import virtual_time  # as above

    with virtual_time() as clock:
        yield clock


def _serve(kind: str, **options: Any) -> Iterator[Any]:
    """A started server of one of our kinds, which is closed when the fixture is."""
    from pytest_netmocks.protocols.known import TABLE  # as above

    yield from made(TABLE[kind], **options)


def made(entry: Entry, *arguments: Any, renewed: bool = False, **options: Any) -> Iterator[Any]:
    """A started server that is closed when the fixture is; if it is to be `renewed`, it is reset before each test."""
    from pytest_netmocks.plugin.factory import close_all  # as above

    server = entry.make(*arguments, **options).start()
    if renewed:
        server.renewed = True
    yield server
    close_all([server])


@pytest.fixture
@alone
def tcp_server() -> Iterator[TcpServer]:
    """A TCP server on an ephemeral loopback port: it echoes until it has rules or a handler."""
    yield from _serve("tcp", name="tcp_server")


@pytest.fixture
@alone
def tls_server() -> Iterator[TlsServer]:
    """A TCP server over TLS on an ephemeral loopback port: it echoes until it has rules or a handler."""
    yield from _serve("tls", name="tls_server")


@pytest.fixture
@alone
def http_server() -> Iterator[HttpServer]:
    """An HTTP server on an ephemeral loopback port: `http_server.when("GET", "/users").reply(json=[])`."""
    yield from _serve("http", name="http_server")


@pytest.fixture
@alone
def https_server() -> Iterator[HttpsServer]:
    """An HTTP server over TLS on an ephemeral loopback port, with a certificate of `tls_ca`'s."""
    yield from _serve("https", name="https_server")


@pytest.fixture
@alone
def httpbin_server() -> Iterator[HttpbinServer]:
    """An HTTP server with the endpoints of the well-known httpbin on an ephemeral loopback port."""
    yield from _serve("httpbin", name="httpbin_server")


@pytest.fixture
@alone
def ws_server() -> Iterator[WsServer]:
    """A WebSocket server on an ephemeral loopback port: it echoes until it has rules or a handler."""
    yield from _serve("ws", name="ws_server")


@pytest.fixture
@alone
def wss_server() -> Iterator[WssServer]:
    """A WebSocket server over TLS on an ephemeral loopback port, with a certificate of `tls_ca`'s."""
    yield from _serve("wss", name="wss_server")


@pytest.fixture
@alone
def smtp_server() -> Iterator[SmtpServer]:
    """An SMTP server on an ephemeral loopback port: it accepts mail and offers STARTTLS and AUTH."""
    yield from _serve("smtp", name="smtp_server")


@pytest.fixture
@alone
def smtps_server() -> Iterator[SmtpsServer]:
    """An SMTP server that speaks TLS from the first byte on an ephemeral loopback port."""
    yield from _serve("smtps", name="smtps_server")


@pytest.fixture
@alone
def pop3_server() -> Iterator[Pop3Server]:
    """A POP3 server on an ephemeral loopback port: `pop3_server.deliver("Subject: hi\\r\\n\\r\\nbody")`."""
    yield from _serve("pop3", name="pop3_server")


@pytest.fixture
@alone
def pop3s_server() -> Iterator[Pop3sServer]:
    """A POP3 server that speaks TLS from the first byte on an ephemeral loopback port."""
    yield from _serve("pop3s", name="pop3s_server")


@pytest.fixture
@alone
def imap_server() -> Iterator[ImapServer]:
    """An IMAP server on an ephemeral loopback port: `deliver(message)`, `folders`, rules over commands."""
    yield from _serve("imap", name="imap_server")


@pytest.fixture
@alone
def imaps_server() -> Iterator[ImapsServer]:
    """An IMAP server that speaks TLS from the first byte on an ephemeral loopback port."""
    yield from _serve("imaps", name="imaps_server")


@pytest.fixture
@alone
def http_proxy_server() -> Iterator[HttpProxyServer]:
    """A forward proxy of HTTP on an ephemeral loopback port, which connects to loopback and the test's names."""
    yield from _serve("http_proxy", name="http_proxy_server")


@pytest.fixture
@alone
def socks5_server() -> Iterator[Socks5Server]:
    """A SOCKS5, SOCKS4 and 4a proxy on an ephemeral loopback port, which connects to loopback and the test's names."""
    yield from _serve("socks5", name="socks5_server")


@pytest.fixture
@alone
def dns_server() -> Iterator[DnsServer]:
    """A DNS server over UDP and TCP on one ephemeral loopback port: `zone`, rules over questions."""
    yield from _serve("dns", name="dns_server")


@pytest.fixture
@alone
def syslog_server() -> Iterator[SyslogServer]:
    """A syslog server over UDP and TCP on one ephemeral loopback port: `messages`, rules that expect."""
    yield from _serve("syslog", name="syslog_server")


@pytest.fixture
@alone
def redis_server() -> Iterator[RedisServer]:
    """A Redis server on an ephemeral loopback port: `redis_server.data["key"] = b"value"`, rules over commands."""
    yield from _serve("redis", name="redis_server")


@pytest.fixture
@alone
def rediss_server() -> Iterator[RedissServer]:
    """A Redis server over TLS on an ephemeral loopback port, with a certificate of `tls_ca`'s."""
    yield from _serve("rediss", name="rediss_server")


@pytest.fixture
@alone
def mqtt_server() -> Iterator[MqttServer]:
    """An MQTT broker on an ephemeral loopback port: `publish`, `messages`, rules over packets."""
    yield from _serve("mqtt", name="mqtt_server")


@pytest.fixture
@alone
def mqtts_server() -> Iterator[MqttsServer]:
    """An MQTT broker over TLS on an ephemeral loopback port."""
    yield from _serve("mqtts", name="mqtts_server")


@pytest.fixture
@alone
def grpc_server() -> Iterator[GrpcServer]:
    """A gRPC server on an ephemeral loopback port: servicers, rules over calls."""
    yield from _serve("grpc", name="grpc_server")


@pytest.fixture
@alone
def grpcs_server() -> Iterator[GrpcsServer]:
    """A gRPC server over TLS on an ephemeral loopback port, with a certificate of the session's authority."""
    yield from _serve("grpcs", name="grpcs_server")


@pytest.fixture
def ftp_server(tmp_path: pathlib.Path) -> Iterator[FtpServer]:
    """An FTP server over an empty directory below `tmp_path`, anonymous and writable, on an ephemeral loopback port."""
    yield from _serve("ftp", name="ftp_server", root=_below(tmp_path))


@pytest.fixture
def ftps_server(tmp_path: pathlib.Path) -> Iterator[FtpsServer]:
    """As `ftp_server`, with AUTH TLS."""
    yield from _serve("ftps", name="ftps_server", root=_below(tmp_path))


def _below(tmp_path: pathlib.Path) -> pathlib.Path:
    root = tmp_path / "ftp"
    root.mkdir(exist_ok=True)
    return root


@pytest.fixture
@alone
def udp_server() -> Iterator[UdpServer]:
    """A UDP server on an ephemeral loopback port: it echoes until it has rules."""
    yield from _serve("udp", name="udp_server")


@pytest.fixture(scope="session")
@alone
def tls_ca() -> Authority:
    """The session's certificate authority: `.cert_file`, `.client_context()`, `.issue(*names, expired=True, ...)`."""
    from pytest_netmocks.encryption import authority  # as above

    return authority.shared()


@pytest.fixture
def tls_trust(tls_ca: Authority) -> Iterator[Authority]:
    """The authority, which clients trust without being told: `SSL_CERT_FILE` and its like name it for the test."""
    from pytest_netmocks.plugin import trust  # as above

    yield from trust.trusted(tls_ca)
