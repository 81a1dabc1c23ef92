"""How a conversation begins with each server over a byte stream: what the client says, and what it hears then.

Where nobody answers, what was said is on record then.
"""

from __future__ import annotations

import socket

from helpers import HANDSHAKE, needed, read_exactly

from pytest_netmocks import Netmocks
from pytest_netmocks.protocols.known import TABLE
from pytest_netmocks.servers.stream import StreamServer

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
QUERY = b"\0\x11\0\1\1\0\0\1\0\0\0\0\0\0\0\0\1\0\1"
"""A question for the address of the root, with its length before it (RFC 1035, section 4.2.2)."""
MQTT = b"\x10\x0d\0\4MQTT\4\2\0\0\0\1c"
"""A CONNECT of MQTT 3.1.1."""

OPENINGS = {
    "tcp": (b"hello", b"hello"),
    "tls": (b"hello", b"hello"),
    "http": (GET, b"HTTP/1.1 404 "),
    "https": (GET, b"HTTP/1.1 404 "),
    "httpbin": (GET, b"HTTP/1.1 200 "),
    "badssl": (GET, b"HTTP/1.1 200 "),
    "ws": (HANDSHAKE.encode() + b"\r\n", b"HTTP/1.1 101 "),
    "wss": (HANDSHAKE.encode() + b"\r\n", b"HTTP/1.1 101 "),
    "smtp": (b"", b"220 "),
    "smtps": (b"", b"220 "),
    "ftp": (b"", b"220 "),
    "ftps": (b"", b"220 "),
    "pop3": (b"", b"+OK "),
    "pop3s": (b"", b"+OK "),
    "imap": (b"", b"* OK "),
    "imaps": (b"", b"* OK "),
    "socks5": (b"\5\1\0", b"\5\0"),
    "http_proxy": (b"CONNECT example.com:1 HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 403 "),
    "dns": (QUERY, b"\0\x4a\0\1"),
    "syslog": (b"<13>hello\n", b""),
    "mqtt": (MQTT, b"\x20\2\0\0"),
    "mqtts": (MQTT, b"\x20\2\0\0"),
    "redis": (b"PING\r\n", b"+PONG\r\n"),
    "rediss": (b"PING\r\n", b"+PONG\r\n"),
    "grpc": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", b"\0\0"),
    "grpcs": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", b"\0\0"),
}

STREAMS = [name for name, entry in TABLE.items() if entry.stream and entry.takes != "upstream"]
"""The servers over a byte stream that answer themselves."""


def opened(netmocks: Netmocks, name: str, **options: object) -> StreamServer:
    server: StreamServer = getattr(netmocks, name)(*needed(name), **options)
    return server


def secured(server: StreamServer, sock: socket.socket) -> socket.socket:
    """The connection after a TLS handshake, if it begins with one."""
    if not server.front.secure:
        return sock
    context = server.client_context()
    context.check_hostname = False
    context.verify_mode = 0  # type: ignore[assignment]  # CERT_NONE
    return context.wrap_socket(sock, server_hostname="localhost")


def speaks(server: StreamServer, name: str, sock: socket.socket) -> None:
    """Begin the conversation, and be answered."""
    asks, hears = OPENINGS[name]
    sock.sendall(asks)
    if hears:
        assert read_exactly(sock, len(hears)) == hears
    else:
        server.wait_for(lambda server: server.requests, timeout=30)
