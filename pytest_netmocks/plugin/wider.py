"""`server_fixture`: the maker of fixtures of wider scopes, with every kind of server written out for editors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_netmocks.plugin.fixtures import made

if TYPE_CHECKING:
    from typing import Literal, TypeVar, overload

    from pytest_netmocks.protocols.badssl.server import BadsslServer
    from pytest_netmocks.protocols.dns.server import DnsServer
    from pytest_netmocks.protocols.ftp.server import FtpServer, FtpsServer
    from pytest_netmocks.protocols.grpc.server import GrpcServer, GrpcsServer
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

    Width = Literal["session", "package", "module", "class", "function"]

    Reset = Literal["test"] | None

    Name = str | None

    S = TypeVar("S")
    Wider = Callable[[], Iterator[S]]
    """A fixture, as `pytest.fixture` has it: a generator function of what tests get."""

SCOPES = ("session", "package", "module", "class", "function")

if TYPE_CHECKING:  # at run time nobody asks for them

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
        kind: Literal["grpc"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[GrpcServer]: ...
    @overload
    def server_fixture(
        kind: Literal["grpcs"], /, *, scope: Width = ..., name: Name = ..., reset: Reset = ..., **options: Any
    ) -> Wider[GrpcsServer]: ...
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
        yield from made(entry, *arguments, renewed=reset == "test", **called)

    fixture.__doc__ = f"A server for the whole {scope}: {entry.summary}."
    return pytest.fixture(scope=scope, name=name)(fixture)
