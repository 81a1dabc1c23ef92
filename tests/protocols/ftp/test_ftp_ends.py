"""Where FTP sessions end and what does not end them: QUIT, the client's end, no descriptors; whose the loop is."""

from __future__ import annotations

import ftplib
import io
import socket
from typing import Any

import pytest
from canary import ALLOWED, metered
from helpers import connect, no_descriptors, read_to_end, say

from pytest_netmocks.protocols.ftp.server import FtpServer
from pytest_netmocks.protocols.ftp.session import FtpSession

LOGIN = b"USER anonymous\r\nPASS x\r\n"


def codes(answer: bytes) -> list[int]:
    return [int(line[:3]) for line in answer.splitlines()]


def login(server: FtpServer) -> ftplib.FTP:
    client = ftplib.FTP(timeout=10)
    client.connect(*server.address)
    client.login()
    return client


@pytest.mark.parametrize("reply", [None, "221 ours", "421 Going down"])
@pytest.mark.parametrize("delay", [0.0, 0.02])
def test_nothing_runs_after_quit(ftp_server: FtpServer, reply: str | None, delay: float) -> None:
    ftp_server.when("PWD").reply('257 "/"', delay=delay)
    if reply is not None:
        ftp_server.when("QUIT").reply(reply, delay=delay)
    answer = say(ftp_server, LOGIN + b"PWD\r\nQUIT\r\nMKD d\r\nNOOP\r\n" + b"x" * 5000, finish=False)
    assert codes(answer) == [220, 331, 230, 257, int((reply or "221")[:3])]
    assert [request.command for request in ftp_server.requests] == ["USER", "PASS", "PWD", "QUIT"]
    assert list(ftp_server.root.iterdir()) == []


def test_nothing_runs_after_quit_while_a_transfer_goes_on(ftp_server: FtpServer) -> None:
    with login(ftp_server) as client:
        data = client.transfercmd("STOR f")
        client.sock.sendall(b"QUIT\r\nMKD d\r\n")  # type: ignore[union-attr]  # it is connected
        assert client.getresp().startswith("221")
        data.sendall(b"the rest")
        data.close()
        assert client.getresp().startswith("226")
    assert ftp_server.requests[-1].command == "QUIT"
    assert (ftp_server.root / "f").read_bytes() == b"the rest"
    assert not (ftp_server.root / "d").exists()


def test_what_came_before_the_clients_end_is_answered(ftp_server: FtpServer) -> None:
    ftp_server.when("PWD").reply('257 "/"', delay=0.05)
    assert codes(say(ftp_server, LOGIN + b"PWD\r\nNOOP\r\nNOOP\r\n", finish=True)) == [220, 331, 230, 257, 200, 200]


def test_answers_keep_their_order_after_a_wrong_password(ftp_server: FtpServer) -> None:
    ftp_server.users["u"] = "p"
    answer = say(
        ftp_server, b"USER u\r\nPASS x\r\nNOOP\r\nUSER u\r\nPASS x\r\nUSER u\r\nPASS x\r\nNOOP\r\n", finish=True
    )
    assert codes(answer) == [220, 331, 530, 200, 331, 530, 331, 530]
    assert answer.endswith(b"530 Authentication failed. Disconnecting.\r\n")
    assert [request.reply[:3] for request in ftp_server.requests][:3] == ["331", "530", "200"]


def test_a_line_that_comes_in_halves_while_an_answer_is_late(ftp_server: FtpServer) -> None:
    ftp_server.when("NOOP").reply("200 late", delay=0.1)
    with connect(ftp_server) as sock:
        sock.sendall(LOGIN + b"NOOP\r\nMKD a\r\nMK")
        ftp_server.wait_for(lambda s: len(s.requests) == 3)
        sock.sendall(b"D b\r\nQUIT\r\n")
        assert codes(read_to_end(sock)) == [220, 331, 230, 200, 257, 257, 221]


# Data connections


def test_data_that_comes_before_its_command_is_kept(ftp_server: FtpServer) -> None:
    with login(ftp_server) as client:
        with socket.create_connection(client.makepasv(), timeout=30) as data:
            data.sendall(b"early")
            ftp_server.wait_for(lambda s: s.connections[-1].bytes_received == 5)
            client.voidcmd("NOOP")
            assert client.sendcmd("STOR f").startswith("125")
        assert client.voidresp().startswith("226")
    assert (ftp_server.root / "f").read_bytes() == b"early"


def test_who_asks_for_a_port_can_be_accepted_there_before_the_answer_goes_out(
    ftp_server: FtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = []
    send = FtpSession._send

    def sent(self: Any, answer: bytes) -> None:
        if answer[:3] in (b"227", b"229"):
            known.append(self._dtp_acceptor is not None)
        send(self, answer)

    monkeypatch.setattr(FtpSession, "_send", sent)
    with login(ftp_server) as client:
        for command in ("PASV", "EPSV"):
            client.sendcmd(command)
    assert known == [True, True]


@pytest.mark.parametrize("command", ["PASV", "EPSV", "PORT 127,0,0,1,{0},{1}", "EPRT |1|127.0.0.1|{port}|"])
def test_without_descriptors_there_is_no_data_connection_and_the_session_goes_on(
    ftp_server: FtpServer, command: str
) -> None:
    (ftp_server.root / "f").write_bytes(b"content")
    with login(ftp_server) as client, socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with no_descriptors(), pytest.raises(ftplib.error_temp, match="425 Can't"):
            client.sendcmd(command.format(*divmod(port, 256), port=port))
        assert client.nlst() == ["f"]
        got = io.BytesIO()
        client.retrbinary("RETR f", got.write)
    assert got.getvalue() == b"content"


def test_a_data_connection_waits_for_descriptors(ftp_server: FtpServer) -> None:
    (ftp_server.root / "f").write_bytes(b"content")
    with login(ftp_server) as client, socket.socket() as data:
        address = client.makepasv()
        client.putcmd("RETR f")
        assert client.getresp().startswith("150")
        with no_descriptors(), metered() as meter:
            data.connect(address)
            ftp_server.wait_for(lambda s: "no connection can be accepted" in str(s.timeline))
        assert read_to_end(data) == b"content"
        assert client.voidresp().startswith("226")
    assert meter.turns < 100
    assert str(ftp_server.timeline).count("no connection can be accepted") == 1


# The loop


@pytest.mark.parametrize(
    "data",
    [
        b"NOOP\r\n" * 3000,
        b"\r\n" * 3000,
        b"x" * 1_000_000,
        b"PASV\r\n" * 1000,
        b"EPSV\r\n" * 1000,
        b"PORT 127,0,0,1,255,255\r\n" * 300,
        b"LIST\r\n" * 50,
        b"STOU\r\n" * 300,
        b"MLST /\r\n" * 300,
        b"STAT /\r\n" * 5,
        b"CWD " + b"a/" * 1000 + b"\r\n",
        b"MKD " + b"../" * 600 + b"x\r\n" * 300,
        b"USER x\r\nPASS y\r\n" * 300,
        b"AUTH TLS\r\n" + b"\x16\x03\x01" * 100_000,
    ],
    ids=lambda data: data[:8].decode("latin-1"),
)
def test_no_client_has_the_loop_to_itself(ftp_server: FtpServer, data: bytes) -> None:
    for number in range(2000):
        (ftp_server.root / f"f{number}").touch()
    with metered() as meter:
        say(ftp_server, LOGIN + data, finish=True)
    assert meter.turns > 1
    assert meter.worst < ALLOWED


@pytest.mark.parametrize("content", [b"\n" * 2_000_000, b"\r\n" * 1_000_000], ids=["LF", "CRLF"])
def test_a_text_has_the_networks_lines_and_takes_no_longer_than_its_length(
    ftp_server: FtpServer, content: bytes
) -> None:
    (ftp_server.root / "f").write_bytes(content)
    got = io.BytesIO()
    with login(ftp_server) as client, metered() as meter:
        client.sendcmd("TYPE A")
        with client.transfercmd("RETR f") as data:
            while piece := data.recv(1 << 16):
                got.write(piece)
        client.voidresp()
    assert got.getvalue() == content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert meter.worst < ALLOWED


def test_a_flood_behind_a_late_answer_waits_where_it_is(ftp_server: FtpServer) -> None:
    ftp_server.when("PWD").reply('257 "/"', delay=30)
    with connect(ftp_server) as sock:
        sock.setblocking(False)
        sock.sendall(LOGIN + b"PWD\r\n")
        sent = 0
        with pytest.raises(BlockingIOError):
            while sent < 200_000_000:
                sent += sock.send(b"NOOP\r\n" * 10_000)
        ftp_server.wait_for(lambda s: len(s.requests) >= 3)
        ftp_server.settle()
    assert [request.command for request in ftp_server.requests] == ["USER", "PASS", "PWD"]
