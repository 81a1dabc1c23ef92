"""The fixtures, written out by hand so that editors know what `tcp_server.` has, and the maker of wider ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import pathlib
    from typing import Literal, TypeVar, overload

    from pytest_netmocks.encryption.authority import Authority
    from pytest_netmocks.plugin.factory import Netmocks
    from pytest_netmocks.protocols.badssl.server import BadsslServer
    from pytest_netmocks.protocols.dns.server import DnsServer
    from pytest_netmocks.protocols.entry import Entry
    from pytest_netmocks.protocols.ftp.server import FtpServer, FtpsServer
    from pytest_netmocks.protocols.http.server import HttpServer, HttpsServer
    from pytest_netmocks.protocols.http_proxy.server import HttpProxyServer
    from pytest_netmocks.protocols.httpbin.server import HttpbinServer
    from pytest_netmocks.protocols.imap.server import ImapServer, ImapsServer
    from pytest_netmocks.protocols.mqtt.server import MqttServer, MqttsServer
    from pytest_netmocks.protocols.pop3.server import Pop3Server, Pop3sServer
    from pytest_netmocks.protocols.proxy.server import TcpProxy, UdpProxy
    from pytest_netmocks.protocols.proxy.upstream import Upstream
    from pytest_netmocks.protocols.redis.server import RedisServer, RedissServer
    from pytest_netmocks.protocols.smtp.server import SmtpServer, SmtpsServer
    from pytest_netmocks.protocols.socks.server import Socks5Server
    from pytest_netmocks.protocols.syslog.server import SyslogServer
    from pytest_netmocks.protocols.tcp.server import TcpServer, TlsServer
    from pytest_netmocks.protocols.udp.server import UdpServer
    from pytest_netmocks.protocols.ws.server import WsServer, WssServer
    from pytest_netmocks.virtual.clock import VirtualClock

    Width = Literal["session", "package", "module", "class", "function"]

    Reset = Literal["test"] | None

    Name = str | None

    S = TypeVar("S")
    Wider = Callable[[], Iterator[S]]
    """A fixture, as `pytest.fixture` has it: a generator function of what tests get."""

__all__ = [
    "dns_server",
    "ftp_server",
    "ftps_server",
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

SCOPES = ("session", "package", "module", "class", "function")


@pytest.fixture
def netmocks() -> Iterator[Netmocks]:
    """Factory of servers: `netmocks.tcp(...)`, `.http`, `.udp`, `.tcp_proxy(upstream)`, `.udp_proxy(upstream)`."""
    from pytest_netmocks.plugin.factory import Netmocks  # loading the plugin is to cost nothing

    factory = Netmocks()
    yield factory
    factory.close()


@pytest.fixture
def virtual_clock() -> Iterator[VirtualClock]:
    """The clock of virtual time: `now()`, `jumps`, `jumped`, `held_by`, `sleeps`; who asks for it lives by it."""
    from pytest_netmocks.virtual.span import virtual_time  # as above

    with virtual_time() as clock:
        yield clock


def _serve(kind: str, **options: Any) -> Iterator[Any]:
    """A started server of one of our kinds, which is closed when the fixture is."""
    from pytest_netmocks.protocols.known import TABLE  # as above

    yield from _made(TABLE[kind], **options)


def _made(entry: Entry, *arguments: Any, reset: Reset = None, **options: Any) -> Iterator[Any]:
    """A started server that is closed when the fixture is."""
    from pytest_netmocks.plugin.factory import close_all  # as above

    server = entry.make(*arguments, **options).start()
    server.renewed = reset == "test"
    yield server
    close_all([server])


@pytest.fixture
def tcp_server() -> Iterator[TcpServer]:
    """A TCP server on an ephemeral loopback port: it echoes until it has rules or a handler."""
    yield from _serve("tcp", name="tcp_server")


@pytest.fixture
def tls_server() -> Iterator[TlsServer]:
    """A TCP server over TLS on an ephemeral loopback port: it echoes until it has rules or a handler."""
    yield from _serve("tls", name="tls_server")


@pytest.fixture
def http_server() -> Iterator[HttpServer]:
    """An HTTP server on an ephemeral loopback port: `http_server.when("GET", "/users").reply(json=[])`."""
    yield from _serve("http", name="http_server")


@pytest.fixture
def https_server() -> Iterator[HttpsServer]:
    """An HTTP server over TLS on an ephemeral loopback port, with a certificate of `tls_ca`'s."""
    yield from _serve("https", name="https_server")


@pytest.fixture
def httpbin_server() -> Iterator[HttpbinServer]:
    """An HTTP server with the endpoints of the well-known httpbin on an ephemeral loopback port."""
    yield from _serve("httpbin", name="httpbin_server")


@pytest.fixture
def ws_server() -> Iterator[WsServer]:
    """A WebSocket server on an ephemeral loopback port: it echoes until it has rules or a handler."""
    yield from _serve("ws", name="ws_server")


@pytest.fixture
def wss_server() -> Iterator[WssServer]:
    """A WebSocket server over TLS on an ephemeral loopback port, with a certificate of `tls_ca`'s."""
    yield from _serve("wss", name="wss_server")


@pytest.fixture
def smtp_server() -> Iterator[SmtpServer]:
    """An SMTP server on an ephemeral loopback port: it accepts mail and offers STARTTLS and AUTH."""
    yield from _serve("smtp", name="smtp_server")


@pytest.fixture
def smtps_server() -> Iterator[SmtpsServer]:
    """An SMTP server that speaks TLS from the first byte on an ephemeral loopback port."""
    yield from _serve("smtps", name="smtps_server")


@pytest.fixture
def pop3_server() -> Iterator[Pop3Server]:
    """A POP3 server on an ephemeral loopback port: `pop3_server.deliver("Subject: hi\\r\\n\\r\\nbody")`."""
    yield from _serve("pop3", name="pop3_server")


@pytest.fixture
def pop3s_server() -> Iterator[Pop3sServer]:
    """A POP3 server that speaks TLS from the first byte on an ephemeral loopback port."""
    yield from _serve("pop3s", name="pop3s_server")


@pytest.fixture
def imap_server() -> Iterator[ImapServer]:
    """An IMAP server on an ephemeral loopback port: `deliver(message)`, `folders`, rules over commands."""
    yield from _serve("imap", name="imap_server")


@pytest.fixture
def imaps_server() -> Iterator[ImapsServer]:
    """An IMAP server that speaks TLS from the first byte on an ephemeral loopback port."""
    yield from _serve("imaps", name="imaps_server")


@pytest.fixture
def http_proxy_server() -> Iterator[HttpProxyServer]:
    """A forward proxy of HTTP on an ephemeral loopback port, which connects to loopback and the test's names."""
    yield from _serve("http_proxy", name="http_proxy_server")


@pytest.fixture
def socks5_server() -> Iterator[Socks5Server]:
    """A SOCKS5, SOCKS4 and 4a proxy on an ephemeral loopback port, which connects to loopback and the test's names."""
    yield from _serve("socks5", name="socks5_server")


@pytest.fixture
def dns_server() -> Iterator[DnsServer]:
    """A DNS server over UDP and TCP on one ephemeral loopback port: `zone`, rules over questions."""
    yield from _serve("dns", name="dns_server")


@pytest.fixture
def syslog_server() -> Iterator[SyslogServer]:
    """A syslog server over UDP and TCP on one ephemeral loopback port: `messages`, rules that expect."""
    yield from _serve("syslog", name="syslog_server")


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis server on an ephemeral loopback port: `redis_server.data["key"] = b"value"`, rules over commands."""
    yield from _serve("redis", name="redis_server")


@pytest.fixture
def rediss_server() -> Iterator[RedissServer]:
    """A Redis server over TLS on an ephemeral loopback port, with a certificate of `tls_ca`'s."""
    yield from _serve("rediss", name="rediss_server")


@pytest.fixture
def mqtt_server() -> Iterator[MqttServer]:
    """An MQTT broker on an ephemeral loopback port: `publish`, `messages`, rules over packets."""
    yield from _serve("mqtt", name="mqtt_server")


@pytest.fixture
def mqtts_server() -> Iterator[MqttsServer]:
    """An MQTT broker over TLS on an ephemeral loopback port."""
    yield from _serve("mqtts", name="mqtts_server")


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
def udp_server() -> Iterator[UdpServer]:
    """A UDP server on an ephemeral loopback port: it echoes until it has rules."""
    yield from _serve("udp", name="udp_server")


@pytest.fixture(scope="session")
def tls_ca() -> Authority:
    """The session's certificate authority: `.cert_file`, `.client_context()`, `.issue(*names, expired=True, ...)`."""
    from pytest_netmocks.encryption import authority  # as above

    return authority.shared()


@pytest.fixture
def tls_trust(tls_ca: Authority) -> Iterator[Authority]:
    """The authority, which clients trust without being told: `SSL_CERT_FILE` and its like name it for the test."""
    from pytest_netmocks.plugin import trust  # as above

    yield from trust.trusted(tls_ca)


if TYPE_CHECKING:  # at run time nobody asks for them, and the plugin is loaded in every run

    @overload
    def server_fixture(
        kind: Literal["tcp"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[TcpServer]: ...
    @overload
    def server_fixture(
        kind: Literal["tls"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[TlsServer]: ...
    @overload
    def server_fixture(
        kind: Literal["http"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[HttpServer]: ...
    @overload
    def server_fixture(
        kind: Literal["https"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[HttpsServer]: ...
    @overload
    def server_fixture(
        kind: Literal["httpbin"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[HttpbinServer]: ...
    @overload
    def server_fixture(
        kind: Literal["badssl"],
        /,
        *site: str,
        scope: Width = ...,
        name: str | None = ...,
        reset: Reset = ...,
        **options: Any,
    ) -> Wider[BadsslServer]: ...
    @overload
    def server_fixture(
        kind: Literal["ws"], /, *, scope: Width = ..., name: str | None = ..., reset: Reset = ..., **options: Any
    ) -> Wider[WsServer]: ...
    @overload
    def server_fixture(
        kind: Literal["wss"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[WssServer]: ...
    @overload
    def server_fixture(
        kind: Literal["smtp"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[SmtpServer]: ...
    @overload
    def server_fixture(
        kind: Literal["smtps"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[SmtpsServer]: ...
    @overload
    def server_fixture(
        kind: Literal["pop3"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[Pop3Server]: ...
    @overload
    def server_fixture(
        kind: Literal["pop3s"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[Pop3sServer]: ...
    @overload
    def server_fixture(
        kind: Literal["ftp"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[FtpServer]: ...
    @overload
    def server_fixture(
        kind: Literal["ftps"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[FtpsServer]: ...
    @overload
    def server_fixture(
        kind: Literal["udp"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[UdpServer]: ...
    @overload
    def server_fixture(
        kind: Literal["tcp_proxy"],
        /,
        *upstream: Upstream,
        scope: Width = ...,
        name: str | None = ...,
        **options: Any,
    ) -> Wider[TcpProxy]: ...
    @overload
    def server_fixture(
        kind: Literal["udp_proxy"],
        /,
        *upstream: Upstream,
        scope: Width = ...,
        name: str | None = ...,
        **options: Any,
    ) -> Wider[UdpProxy]: ...
    @overload
    def server_fixture(
        kind: Literal["socks5"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[Socks5Server]: ...
    @overload
    def server_fixture(
        kind: Literal["http_proxy"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[HttpProxyServer]: ...
    @overload
    def server_fixture(
        kind: Literal["imap"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[ImapServer]: ...
    @overload
    def server_fixture(
        kind: Literal["imaps"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[ImapsServer]: ...
    @overload
    def server_fixture(
        kind: Literal["dns"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[DnsServer]: ...
    @overload
    def server_fixture(
        kind: Literal["syslog"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[SyslogServer]: ...
    @overload
    def server_fixture(
        kind: Literal["redis"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[RedisServer]: ...
    @overload
    def server_fixture(
        kind: Literal["rediss"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[RedissServer]: ...
    @overload
    def server_fixture(
        kind: Literal["mqtt"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[MqttServer]: ...
    @overload
    def server_fixture(
        kind: Literal["mqtts"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[MqttsServer]: ...
    @overload
    def server_fixture(
        kind: str,
        /,
        *arguments: Any,
        scope: Width = ...,
        name: str | None = ...,
        reset: Reset = ...,
        **options: Any,
    ) -> Wider[Any]: ...


def server_fixture(
    kind: str,
    /,
    *arguments: Any,
    scope: Width = "function",
    name: str | None = None,
    reset: Reset = None,
    **options: Any,
) -> Wider[Any]:
    """A fixture with a server of that kind (`"tcp"`, `"udp"`, ...) of a wider scope, for a conftest or test module.

    With `reset="test"` each test finds it as it was made, but for what fixtures of a wider scope gave it: rules,
    handlers, mounts, faults, which count from the beginning. `arguments` and `options` are the server's own; what is
    wrong with their values, making the server says. Raises `TypeError` or `ValueError` for an unknown kind, scope, name
    or reset, and `ImportError` for a kind of another package that is broken.
    """
    from pytest_netmocks import check  # as above
    from pytest_netmocks.protocols import known

    check.instance("kind", kind, str, "the name of a kind of server")
    entry = known.find(kind)
    if entry is None:
        raise ValueError(f"kind {kind!r} is no server{check.nearest(str(kind), known.names())}")
    check.one_of("scope", scope, SCOPES)
    if reset not in ("test", None):
        raise ValueError(f"reset must be 'test' or None, not {reset!r}")
    check.instance("name", name, (str, type(None)), "the fixture's name or None")
    if name is not None:
        check.not_empty("name", name, "the fixture's name or None")
    if entry.takes is not None and len(arguments) != 1 and entry.takes not in options:
        raise TypeError(f"server_fixture({kind!r}, {entry.takes}): it needs to know its {entry.takes}")

    called = {"name": name or entry.fixture or f"{kind}_server", **options}

    def fixture() -> Iterator[Any]:
        yield from _made(entry, *arguments, reset=reset, **called)

    fixture.__doc__ = f"A server for the whole {scope}: {entry.summary}."
    return pytest.fixture(scope=scope, name=name)(fixture)
