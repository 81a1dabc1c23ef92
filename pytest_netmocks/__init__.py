"""pytest-netmocks: real servers to talk to and a real network to suffer, in pytest and outside of it.

    import pytest_netmocks
    from pytest_netmocks.faults import Latency

    with pytest_netmocks.tcp() as server:
        server.inject(Latency(0.2))

Each kind of server is here by its name, as it is on the `netmocks` fixture; it is imported when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers; at run time `__getattr__` and the tables have them
    from pytest_netmocks.encryption.authority import Authority as Authority
    from pytest_netmocks.encryption.certificate import Certificate as Certificate
    from pytest_netmocks.injections.injection import Injection as Injection
    from pytest_netmocks.matchers import ANY_PATH as ANY_PATH
    from pytest_netmocks.matchers import AnyOf as AnyOf
    from pytest_netmocks.matchers import Not as Not
    from pytest_netmocks.matchers import Partial as Partial
    from pytest_netmocks.plugin.factory import Netmocks as Netmocks
    from pytest_netmocks.plugin.fixtures import server_fixture as server_fixture
    from pytest_netmocks.plugin.settings import NetmocksWarning as NetmocksWarning
    from pytest_netmocks.protocols.badssl.server import BadsslServer as BadsslServer
    from pytest_netmocks.protocols.ftp.records import FtpConnection as FtpConnection
    from pytest_netmocks.protocols.ftp.records import FtpRequest as FtpRequest
    from pytest_netmocks.protocols.ftp.server import FtpServer as FtpServer
    from pytest_netmocks.protocols.ftp.server import FtpsServer as FtpsServer
    from pytest_netmocks.protocols.http.server import HttpServer as HttpServer
    from pytest_netmocks.protocols.http.server import HttpsServer as HttpsServer
    from pytest_netmocks.protocols.httpbin.server import HttpbinServer as HttpbinServer
    from pytest_netmocks.protocols.proxy.server import TcpProxy as TcpProxy
    from pytest_netmocks.protocols.proxy.server import UdpProxy as UdpProxy
    from pytest_netmocks.protocols.smtp.records import MailMessage as MailMessage
    from pytest_netmocks.protocols.smtp.server import SmtpRequest as SmtpRequest
    from pytest_netmocks.protocols.smtp.server import SmtpServer as SmtpServer
    from pytest_netmocks.protocols.smtp.server import SmtpsServer as SmtpsServer
    from pytest_netmocks.protocols.tcp.server import TcpRequest as TcpRequest
    from pytest_netmocks.protocols.tcp.server import TcpServer as TcpServer
    from pytest_netmocks.protocols.tcp.server import TlsServer as TlsServer
    from pytest_netmocks.protocols.udp.server import UdpServer as UdpServer
    from pytest_netmocks.protocols.web.requests import HttpRequest as HttpRequest
    from pytest_netmocks.protocols.web.response import Response as Response
    from pytest_netmocks.protocols.ws.frames import ws_frame as ws_frame
    from pytest_netmocks.protocols.ws.records import WsConnection as WsConnection
    from pytest_netmocks.protocols.ws.records import WsMessage as WsMessage
    from pytest_netmocks.protocols.ws.server import WsServer as WsServer
    from pytest_netmocks.protocols.ws.server import WssServer as WssServer
    from pytest_netmocks.records.connection import Connection as Connection
    from pytest_netmocks.servers.datagram import Datagram as Datagram

    tcp = TcpServer
    tls = TlsServer
    http = HttpServer
    https = HttpsServer
    httpbin = HttpbinServer
    badssl = BadsslServer
    ws = WsServer
    wss = WssServer
    smtp = SmtpServer
    smtps = SmtpsServer
    ftp = FtpServer
    ftps = FtpsServer
    udp = UdpServer
    tcp_proxy = TcpProxy
    udp_proxy = UdpProxy

__version__ = "0.1.0"

_ELSEWHERE = {
    "ANY_PATH": "matchers",
    "AnyOf": "matchers",
    "Not": "matchers",
    "Partial": "matchers",
    "BadsslServer": "protocols.badssl.server",
    "badssl": "protocols.badssl.server",
    "Authority": "encryption.authority",
    "Certificate": "encryption.certificate",
    "HttpRequest": "protocols.web.requests",
    "Response": "protocols.web.response",
    "Connection": "records.connection",
    "Injection": "injections.injection",
    "Netmocks": "plugin.factory",
    "NetmocksWarning": "plugin.settings",
    "server_fixture": "plugin.fixtures",
    "WsMessage": "protocols.ws.records",
    "Datagram": "servers.datagram",
    "FtpConnection": "protocols.ftp.records",
    "FtpRequest": "protocols.ftp.records",
    "MailMessage": "protocols.smtp.records",
    "SmtpRequest": "protocols.smtp.server",
    "TcpRequest": "protocols.tcp.server",
    "WsConnection": "protocols.ws.records",
    "ws_frame": "protocols.ws.frames",
}


if not TYPE_CHECKING:  # a name that is not here is to be an error in an editor

    def __getattr__(name: str) -> Any:
        import importlib  # nothing is loaded with the package itself

        if name in _ELSEWHERE:
            return getattr(importlib.import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
        if name.startswith("__"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from pytest_netmocks.protocols.table import TABLE

        if name in TABLE:
            return TABLE[name].load()
        for entry in TABLE.values():
            if entry.kind == name:
                return entry.load()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    from pytest_netmocks.protocols.table import TABLE

    return sorted({*globals(), *_ELSEWHERE, *TABLE, *(entry.kind for entry in TABLE.values())})
