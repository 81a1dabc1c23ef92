"""The servers, one module a protocol, and the table of them: a name, where its class is, what the command line says.

Nothing is imported before somebody asks for a server: a line here is all that the rest of the house knows of it.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_netmocks.servers.server import Server


@dataclasses.dataclass(frozen=True)
class Entry:
    """One kind of server: `module` and `kind` are its class's, `stream` says whether it speaks over TCP."""

    module: str
    kind: str
    summary: str
    stream: bool = True
    serves: str | None = None
    """How it is told of a directory on the command line: an option's name, or a method's."""

    def load(self) -> type[Server]:
        """The class, imported now."""
        found: type[Server] = getattr(importlib.import_module(f"pytest_netmocks.protocols.{self.module}"), self.kind)
        return found

    def make(self, *arguments: Any, **options: Any) -> Server:
        """A server of this kind, not started yet."""
        return self.load()(*arguments, **options)


TABLE: Mapping[str, Entry] = MappingProxyType(
    {
        "tcp": Entry("tcp.server", "TcpServer", "bytes over TCP: echo, rules, handlers"),
        "tls": Entry("tcp.server", "TlsServer", "bytes over TLS: echo, rules, handlers"),
        "http": Entry(
            "http.server", "HttpServer", "HTTP/1.1: rules, hosted applications, directories", serves="serve_files"
        ),
        "https": Entry("http.server", "HttpsServer", "HTTP/1.1 over TLS", serves="serve_files"),
        "httpbin": Entry("httpbin.server", "HttpbinServer", "HTTP/1.1 with httpbin's endpoints"),
        "ws": Entry("ws.server", "WsServer", "WebSocket: echo, rules over messages, handlers, broadcast"),
        "wss": Entry("ws.server", "WssServer", "WebSocket over TLS"),
        "smtp": Entry("smtp.server", "SmtpServer", "SMTP with STARTTLS and AUTH: messages, rules over commands"),
        "smtps": Entry("smtp.server", "SmtpsServer", "SMTP over TLS"),
        "ftp": Entry(
            "ftp.server",
            "FtpServer",
            "FTP over a directory: rules over commands, faults on data connections",
            serves="root",
        ),
        "ftps": Entry("ftp.server", "FtpsServer", "FTP with AUTH TLS", serves="root"),
        "udp": Entry("udp.server", "UdpServer", "datagrams: echo, rules", stream=False),
        "tcp_proxy": Entry("proxy.server", "TcpProxy", "faults and records in front of anything that listens on TCP"),
        "udp_proxy": Entry(
            "proxy.server", "UdpProxy", "faults and records in front of anything that listens on UDP", stream=False
        ),
    }
)
