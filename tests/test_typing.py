"""What an editor knows: each `type: ignore` here is an error that mypy has to find, or it fails for one unused."""

from __future__ import annotations

import pytest

from pytest_netmocks import AnyOf, HttpRequest, Not, Partial
from pytest_netmocks.protocols.ftp.server import FtpServer
from pytest_netmocks.protocols.http.rules import HttpRule
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.smtp.server import SmtpServer
from pytest_netmocks.protocols.tcp.server import TcpServer
from pytest_netmocks.protocols.ws.server import WsServer

hint = "did you mean"


def test_criteria_are_known(http_server: HttpServer) -> None:
    rule: HttpRule = http_server.when("GET", "/x", query={"q": "1"}, headers={"X": None}, json=Partial({"a": 1}))
    rule.reply(200).expect(0, 3)
    http_server.when(Not("GET"), AnyOf("/a", "/b"), form={"f": ["1", Not("2")]}, body=b"x", matches=lambda r: r.path)
    found: HttpRequest | None = http_server.assert_requested("/x", times=0, query={"q": AnyOf("1", 2)})
    assert found is None


def test_misspelt_criteria_are_errors(http_server: HttpServer) -> None:
    with pytest.raises(TypeError, match=hint):
        http_server.when("/x", quer={})  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=hint):
        http_server.when("GET", "/x", header={})  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=hint):
        http_server.assert_requested("/x", jsn=1)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=hint):
        http_server.when("/x").reply(txt="a")  # type: ignore[call-arg]


def test_wrong_criteria_are_errors(http_server: HttpServer) -> None:
    with pytest.raises(TypeError):
        http_server.when("/x", headers={"X": object()})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        http_server.when(1, "/x")  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        http_server.when("/x").expect("1")  # type: ignore[arg-type]


def test_other_servers_know_theirs(
    tcp_server: TcpServer, ws_server: WsServer, smtp_server: SmtpServer, ftp_server: FtpServer
) -> None:
    tcp_server.when(b"x").reply(b"y").expect(0, 1)
    ws_server.when(Not("a")).reply("b").expect(0)
    smtp_server.when("RCPT", AnyOf("a@b")).reply("550 no").expect(0)
    smtp_server.when_message(to=Not("a@b")).reply("554 no").expect(0)
    ftp_server.when(AnyOf("LIST", "NLST")).reply("450 no").expect(0)
    with pytest.raises(TypeError):
        tcp_server.when("x")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        ws_server.when(jsn={})  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        smtp_server.when_message(frm="a@b")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        ftp_server.when("LIST", argumen="a")  # type: ignore[call-arg]
