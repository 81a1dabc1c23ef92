"""A script that mirrors a directory with ftplib, as it stands in many a tutorial: its server's name leads to ours."""

from __future__ import annotations

import ftplib
import pathlib

import pytest

from pytest_netmocks import FtpServer
from pytest_netmocks.faults import Close
from pytest_netmocks.plugin.factory import Netmocks


def mirror(target: pathlib.Path) -> None:
    """What an application would use: every file of /pub."""
    with ftplib.FTP("ftp.example.com") as ftp:
        ftp.login()
        ftp.cwd("pub")
        for name in ftp.nlst():
            with (target / name).open("wb") as file:
                ftp.retrbinary(f"RETR {name}", file.write)


@pytest.fixture
def files(netmocks: Netmocks, ftp_server: FtpServer) -> FtpServer:
    (ftp_server.root / "pub").mkdir()
    (ftp_server.root / "pub" / "README").write_text("Welcome\n")
    (ftp_server.root / "pub" / "big.bin").write_bytes(bytes(100_000))
    netmocks.names({"ftp.example.com": ftp_server}, strict=True)
    return ftp_server


def test_every_file_is_got(files: FtpServer, tmp_path: pathlib.Path) -> None:
    target = tmp_path / "mirror"
    target.mkdir()
    mirror(target)
    assert sorted(path.name for path in target.iterdir()) == ["README", "big.bin"]
    assert (target / "big.bin").read_bytes() == bytes(100_000)


def test_a_directory_that_is_not_there_is_told(files: FtpServer, tmp_path: pathlib.Path) -> None:
    files.when("CWD").reply("550 No such directory")
    with pytest.raises(ftplib.error_perm, match="No such directory"):
        mirror(tmp_path)


@pytest.mark.xfail(strict=True, reason="the script's defect: ftplib takes the end of a transfer for that of the file")
def test_a_file_that_was_cut_is_not_taken_for_whole(files: FtpServer, tmp_path: pathlib.Path) -> None:
    target = tmp_path / "mirror"
    target.mkdir()
    files.when("RETR", "big.bin").inject(Close(after_bytes=1000))
    with pytest.raises((OSError, EOFError, ftplib.Error)):
        mirror(target)
