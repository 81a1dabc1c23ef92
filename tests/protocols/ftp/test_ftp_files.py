"""FTP and the file system: names in any bytes, disks that are full, files that cannot be read, times."""

from __future__ import annotations

import errno
import ftplib
import io
import os
import pathlib
import re
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from helpers import no_descriptors

from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.ftp.files import Files
from pytest_netmocks.protocols.ftp.server import FtpServer

RAW = b"caf\xe9"
NAME = os.fsdecode(RAW)


def login(server: FtpServer, encoding: str = "latin-1") -> ftplib.FTP:
    client = ftplib.FTP(timeout=10, encoding=encoding)
    client.connect(*server.address)
    client.login()
    return client


def store(client: ftplib.FTP, command: str, data: bytes = b"0123456789") -> str:
    return client.storbinary(command, io.BytesIO(data))


def last(server: FtpServer, command: str) -> Any:
    return next(request for request in reversed(server.requests) if request.command == command)


def opening(path: str) -> Callable[[Any, str, str], Any]:
    return lambda self, name, mode: open(path, mode)  # the server closes it


# Names


def test_names_of_any_bytes_are_the_same_on_disk_on_record_and_in_rules(ftp_server: FtpServer) -> None:
    rule = ftp_server.when("STOR", f"/{NAME}").reply("226 matched")
    with login(ftp_server) as client:
        assert store(client, "STOR café", b"one") == "226 matched"
        store(client, "STOR caf\xff", b"two")
    assert sorted(os.listdir(os.fsencode(ftp_server.root))) == [b"caf\xe9", b"caf\xff"]
    assert (ftp_server.root / NAME).read_bytes() == b"one"
    request = next(request for request in ftp_server.requests if request.command == "STOR")
    assert (request.argument, request.path, rule.hits) == (NAME, f"/{NAME}", 1)


def test_every_command_with_a_name_takes_such_bytes_and_gives_them_back(ftp_server: FtpServer) -> None:
    with login(ftp_server) as client:
        assert client.mkd("dé") == "/dé"
        assert client.cwd("dé").startswith('250 "/dé"')
        assert client.pwd() == "/dé"
        store(client, "STOR é")
        client.rename("é", "fé")
        lines: list[str] = []
        client.retrlines("LIST", lines.append)
        assert [lines[0][-2:], client.nlst(), [name for name, _ in client.mlsd()]] == ["fé", ["fé"], ["fé"]]
        assert "fé" in client.sendcmd("MLST fé")
        assert "fé" in client.sendcmd("STAT /dé")
        client.delete("fé")
        client.rmd("/dé")
    assert last(ftp_server, "PWD").reply == os.fsdecode(b'257 "/d\xe9" is the current directory.\r\n')


def test_an_encoding_of_its_own(netmocks: Netmocks) -> None:
    server = netmocks.ftp(encoding="latin-1")
    server.when("NOOP").reply("200 naïve")
    (server.root / "日本").touch()
    with login(server) as client:
        store(client, "STOR café", b"one")
        assert sorted(client.nlst()) == ["??", "café"]  # better than no listing
        assert client.sendcmd("NOOP") == "200 naïve"
        assert "UTF8" not in client.sendcmd("FEAT")
    assert (server.root / "café").read_bytes() == b"one"
    assert last(server, "STOR").path == "/café"


@pytest.mark.parametrize(("encoding", "error"), [("utf-16", ValueError), ("no such", ValueError), (8, TypeError)])
def test_an_encoding_without_ascii_is_refused(encoding: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="encoding must be"):
        FtpServer(encoding=encoding)


# Full disks and other errors of the machine


@pytest.mark.parametrize("size", [0, 10, 1_000_000])
@pytest.mark.parametrize("command", ["STOR", "APPE"])
def test_a_full_disk_is_an_answer_with_the_reason(
    ftp_server: FtpServer, monkeypatch: pytest.MonkeyPatch, command: str, size: int
) -> None:
    monkeypatch.setattr(Files, "open", opening("/dev/full"))
    with login(ftp_server) as client:
        if size:
            with pytest.raises(ftplib.error_temp, match=r"452 No space left on device; transfer aborted\."):
                store(client, f"{command} f", bytes(size))
        else:
            assert store(client, f"{command} f", b"").startswith("226")
        assert client.voidcmd("NOOP").startswith("200")
    request = last(ftp_server, command)
    assert (request.complete, request.reply.splitlines()[-1][:3]) == ((False, "452") if size else (True, "226"))


def test_a_full_disk_is_an_answer_to_stou_too(ftp_server: FtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", lambda mode, **_: opening("/dev/full")(None, "", mode))
    with login(ftp_server) as client, pytest.raises(ftplib.error_temp, match="452 No space left"):
        store(client, "STOU")
    assert last(ftp_server, "STOU").complete is False


@pytest.mark.parametrize(
    ("function", "command"),
    [("open", "STOR f"), ("open", "APPE f"), ("open", "RETR f"), ("mkdir", "MKD d"), ("rename", "RNTO g")],
)
@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "452"), (errno.EDQUOT, "552"), (errno.EMFILE, "451")])
def test_errors_of_the_machine_have_their_own_codes(
    ftp_server: FtpServer, monkeypatch: pytest.MonkeyPatch, function: str, command: str, number: int, code: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    (ftp_server.root / "f").touch()
    with login(ftp_server) as client:
        client.sendcmd("RNFR f")
        monkeypatch.setattr(os, function, fail)
        with pytest.raises(ftplib.Error, match=f"{code} {os.strerror(number)}"):
            client.sendcmd(command)
        monkeypatch.undo()
        assert client.voidcmd("NOOP").startswith("200")


def test_a_file_that_cannot_be_read_ends_its_transfer(ftp_server: FtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Files, "open", opening("/proc/self/mem"))
    with login(ftp_server) as client:
        with pytest.raises(ftplib.error_temp, match="451 Input/output error; transfer aborted"):
            client.retrbinary("RETR f", lambda data: None)
        assert client.voidcmd("NOOP").startswith("200")
    assert last(ftp_server, "RETR").complete is False


def test_files_that_vanish_and_pipes_hold_up_nobody(ftp_server: FtpServer) -> None:
    os.mkfifo(ftp_server.root / "pipe")
    with login(ftp_server) as client:
        for command in ("RETR gone", "CWD gone", "RNFR gone"):
            with pytest.raises(ftplib.error_perm, match="550"):
                client.sendcmd(command)
        with pytest.raises(ftplib.Error, match="550"):
            store(client, "STOR pipe")
        client.retrbinary("RETR pipe", lambda data: None)


def test_a_transfer_without_descriptors_says_so_and_the_session_goes_on(ftp_server: FtpServer) -> None:
    (ftp_server.root / "f").write_bytes(b"content")
    with login(ftp_server) as client:
        client.makepasv()
        for command in ("RETR f", "STOR g", "LIST", "NLST", "MLSD"):
            with no_descriptors(), pytest.raises(ftplib.error_temp, match="451 Too many open files"):
                client.sendcmd(command)
        assert client.nlst() == ["f"]


# Times and the process


@pytest.mark.parametrize("modified", ["19700101000000", "20200229123456", "21060207062815"])
def test_a_client_sets_a_files_time(ftp_server: FtpServer, monkeypatch: pytest.MonkeyPatch, modified: str) -> None:
    # The library's own way warns from Python 3.12 on.
    monkeypatch.setattr("pyftpdlib.handlers.FTPHandler.ftp_MFMT", None)
    (ftp_server.root / "f").touch()
    with login(ftp_server) as client:
        assert client.sendcmd(f"MFMT {modified} f") == f"213 Modify={modified}; /f."
        assert client.sendcmd("MDTM f") == f"213 {modified}"
        for wrong in ("MFMT 2020 f", "MFMT 20200230000000 f", f"MFMT {modified} gone"):
            with pytest.raises(ftplib.error_perm, match="550"):
                client.sendcmd(wrong)


def test_no_command_moves_the_process(ftp_server: FtpServer, tmp_path: pathlib.Path) -> None:
    (ftp_server.root / "d").mkdir()
    gone = tmp_path / "gone"
    gone.mkdir()
    before = os.getcwd()
    os.chdir(gone)
    try:
        gone.rmdir()
        with login(ftp_server) as client:
            assert re.match(r'250 "/d"', client.cwd("d"))
            with pytest.raises(ftplib.error_perm, match="550 Not a directory"):
                (ftp_server.root / "f").touch()
                client.cwd("/f")
    finally:
        os.chdir(before)


def test_no_command_changes_how_the_process_makes_temporary_files(ftp_server: FtpServer) -> None:
    before = tempfile.TMP_MAX
    with login(ftp_server) as client:
        store(client, "STOU")
    assert before == tempfile.TMP_MAX
