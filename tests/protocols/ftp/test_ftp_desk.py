"""What an FTP session asks of its server; no test here opens a socket."""

from __future__ import annotations

import errno
import pathlib
import socket
from typing import Any

import pytest
from pyftpdlib.authorizers import AuthenticationFailed  # type: ignore[import-untyped]

from pytest_netmocks.protocols.ftp.bridge import LinkSocket
from pytest_netmocks.protocols.ftp.desk import ALL, FtpDesk
from pytest_netmocks.protocols.ftp.records import FtpConnection
from pytest_netmocks.protocols.ftp.server import FtpServer


@pytest.fixture
def server(tmp_path: pathlib.Path) -> FtpServer:
    return FtpServer(root=tmp_path)


def may_log_in(server: FtpServer, user: str, password: str) -> bool:
    try:
        server.desk.authorizer.validate_authentication(user, password, None)
    except AuthenticationFailed:
        return False
    return True


def test_anonymous_clients_are_let_in_until_there_are_users(server: FtpServer) -> None:
    assert may_log_in(server, "anonymous", "x")
    server.users["ann"] = "secret"
    assert not may_log_in(server, "anonymous", "x")
    assert may_log_in(server, "ann", "secret")
    assert not may_log_in(server, "ann", "x")


def test_a_user_has_every_permission_that_is_not_taken(server: FtpServer) -> None:
    server.permissions["ann"] = "el"
    authorizer = server.desk.authorizer
    assert [authorizer.has_perm("ann", letter) for letter in "elw"] == [True, True, False]
    assert all(authorizer.has_perm("bob", letter) for letter in ALL)


def test_a_rule_takes_the_path_as_sent_or_absolute(server: FtpServer) -> None:
    rule = server.when("RETR", "/a/f").reply("550 no")
    request = server.desk.request(FtpConnection(1, ("127.0.0.1", 50001), 0.0), "RETR", "f")
    assert server.desk.decide(request).answering is None
    request.path = "/a/f"
    assert server.desk.decide(request).answering is rule


class Link:
    """As much of a link as a data connection has need of at first."""

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 20)


class Reset:
    """A connection that the client has reset already."""

    def getpeername(self) -> Any:
        raise OSError(errno.ENOTCONN, "not connected")


@pytest.mark.parametrize("secure", [False, True])
async def test_a_data_connection_is_put_on_a_link_beside_its_control_connection(
    server: FtpServer, *, secure: bool
) -> None:
    control = FtpConnection(1, ("192.0.2.1", 50001), 0.0)
    stack: Any = type("Stack", (), {"link": Link(), "on_over": None})()
    asked: list[Any] = []
    stands: list[Any] = []

    def put(sock: Any, address: Any, protocol: Any, **facts: Any) -> Any:
        asked.append((address, facts))
        if not secure:  # with TLS it is made after the handshake
            stands.append(protocol(stack.link, control))
        return stack

    desk = FtpDesk(server, server, socket.AF_INET, put, lambda error: None)
    made = desk.adopt(Reset(), control, secure=secure)  # type: ignore[arg-type]  # it asks for no more
    facts = {"secure": secure, "beside": control, "how": "opened by", "role": "data", "control": control}
    assert asked == [(("192.0.2.1", 0), facts)]
    assert made.link is stack.link
    assert stands == ([] if secure else [made])
    assert (stack.on_over is not None) == secure
    LinkSocket.known.pop(made.fileno())
