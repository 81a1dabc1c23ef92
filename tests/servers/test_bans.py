"""`ban_after`: who fails to log in so many times is turned away, on every server where clients log in."""

from __future__ import annotations

import base64
import poplib
import smtplib
from typing import Any

import pytest
from helpers import connect, read_to_end

from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.known import TABLE
from pytest_netmocks.protocols.pop3.server import Pop3Server
from pytest_netmocks.protocols.smtp.server import SmtpServer
from pytest_netmocks.servers.access import Banned

WRONG = base64.b64encode(b"\0u\0x").decode()
BASIC = base64.b64encode(b"u:x").decode()

FAILS = {
    "smtp": f"EHLO h\r\nAUTH PLAIN {WRONG}\r\n",
    "pop3": "USER u\r\nPASS x\r\n",
    "ftp": "USER u\r\nPASS x\r\n",
    "imap": "a LOGIN u x\r\n",
    "socks5": "\x05\x01\x02\x01\x01u\x01x",
    "mqtt": "\x10\x13\0\x04MQTT\x04\xc2\0\0\0\x01c\0\x01u\0\x01x",
    "http_proxy": f"GET http://127.0.0.1:9/ HTTP/1.1\r\nHost: h\r\nProxy-Authorization: Basic {BASIC}\r\n\r\n",
    "redis": "AUTH u x\r\n",
}
"""What a client says whose password is wrong."""

REFUSED = {
    "smtp": b"535 5.7.8",
    "pop3": b"-ERR [AUTH]",
    "ftp": b"530 ",
    "imap": b"a NO [AUTHENTICATIONFAILED]",
    "socks5": b"\1\1",
    "http_proxy": b"HTTP/1.1 407",
    "mqtt": b"\x20\2\0\4",
    "redis": b"-WRONGPASS ",
}
"""What it is answered."""

PARTING = {
    "smtp": b"421 4.7.0 Error: too many failed logins\r\n",
    "pop3": b"",
    "ftp": b"421 Too many failed logins.\r\n",
    "imap": b"* BYE too many failed logins\r\n",
    "socks5": b"",
    "http_proxy": b"",
    "mqtt": b"",
    "redis": b"\r\n",
}
"""What follows when it was once too often."""

everywhere = pytest.mark.parametrize("name", FAILS)


def fail(server: Any, *, last: bool) -> bytes:
    """All that is answered to a login that fails, of the last up to the server's end."""
    said = FAILS[server.scheme if server.scheme != "http" else "http_proxy"]
    wanted = REFUSED[server.scheme if server.scheme != "http" else "http_proxy"]
    with connect(server) as sock:
        sock.sendall(said.encode("latin-1"))
        if last:
            return read_to_end(sock)
        heard = b""
        while wanted not in heard:
            heard += sock.recv(1000)
        return heard


def is_turned_away(server: Any) -> bool:
    try:
        with connect(server) as sock:
            sock.recv(1)
    except ConnectionResetError:
        return bool(server.connections[-1].closed_by == "server")
    return False


def test_every_server_where_clients_log_in_is_asked() -> None:
    log_in = {name for name, entry in TABLE.items() if getattr(entry.load(), "lets_log_in", False)}
    assert log_in - {"smtps", "pop3s", "imaps", "ftps", "mqtts", "rediss"} == set(FAILS)


@everywhere
def test_who_fails_so_many_times_is_turned_away(netmocks: Netmocks, name: str) -> None:
    server = getattr(netmocks, name)(users={"u": "p"}, ban_after=2)
    fail(server, last=False)
    assert list(server.banned) == []
    heard = fail(server, last=True)
    assert REFUSED[name] in heard
    assert heard.endswith(PARTING[name])
    assert list(server.banned) == ["127.0.0.1"]
    assert is_turned_away(server)
    assert "127.0.0.1 is banned: its logins failed" in str(server.timeline)


@everywhere
def test_a_ban_can_be_lifted_and_goes_with_a_reset(netmocks: Netmocks, name: str) -> None:
    server = getattr(netmocks, name)(users={"u": "p"}, ban_after=1)
    fail(server, last=True)
    server.banned.discard("127.0.0.1")
    fail(server, last=True)
    assert is_turned_away(server)
    server.reset()
    assert not server.banned
    fail(server, last=True)


def test_a_test_may_ban_by_hand_on_any_server(netmocks: Netmocks) -> None:
    server = netmocks.tcp()
    server.banned.add("127.0.0.1")
    assert is_turned_away(server)
    server.banned.clear()
    with connect(server) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


def test_who_is_banned_by_hand_while_connected_goes_on(pop3_server: Pop3Server) -> None:
    pop3_server.users["u"] = "p"
    pop3_server.ban_after = 5
    client = poplib.POP3(pop3_server.host, pop3_server.port, timeout=10)
    pop3_server.banned.add("127.0.0.1")
    client.user("u")
    with pytest.raises(poplib.error_proto):
        client.pass_("x")
    assert client.quit().startswith(b"+OK")
    assert "its logins failed" not in str(pop3_server.timeline)


def test_who_logs_in_is_not_counted(smtp_server: SmtpServer) -> None:
    smtp_server.users["u"] = "p"
    smtp_server.ban_after = 1
    for _ in range(3):
        with smtplib.SMTP(smtp_server.host, smtp_server.port, timeout=10) as client:
            client.login("u", "p")
    assert not smtp_server.banned


@pytest.mark.parametrize("name", ["tcp", "http", "ws", "dns"])
def test_where_nobody_logs_in_it_is_refused(netmocks: Netmocks, name: str) -> None:
    with pytest.raises(ValueError, match="ban_after=3 counts failed logins, and nobody logs in to a"):
        getattr(netmocks, name)(ban_after=3)
    server = getattr(netmocks, name)()
    with pytest.raises(ValueError, match="ban_after=3 counts failed logins"):
        server.ban_after = 3


def test_the_banned_are_a_set_of_addresses_however_they_are_written() -> None:
    banned = Banned(["::ffff:10.0.0.1", "::0001"])
    assert set(banned) == {"10.0.0.1", "::1"}
    assert "::ffff:10.0.0.1" in banned
    assert "nobody" not in banned
    banned.discard("10.0.0.9")
    banned -= {"10.0.0.1"}
    assert repr(banned) == "Banned(['::1'])"
    with pytest.raises(ValueError, match="address must be an IP address, not 'localhost'"):
        banned.add("localhost")
