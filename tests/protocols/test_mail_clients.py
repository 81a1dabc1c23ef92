"""Programs and libraries of others against the mail and file servers."""

from __future__ import annotations

import pathlib
import subprocess

import aioftp
import pytest
from helpers import program

from pytest_netmocks.encryption.authority import Authority
from pytest_netmocks.faults import Reset
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.ftp.server import FtpServer, FtpsServer
from pytest_netmocks.protocols.smtp.server import SmtpServer


@program("msmtp")
@pytest.mark.parametrize("how", ["plain", "starttls"])
def test_msmtp(netmocks: Netmocks, tls_ca: Authority, how: str) -> None:
    server = netmocks.smtp(users={"ada": "secret"})
    options = ["--tls=on", "--tls-starttls=on", f"--tls-trust-file={tls_ca.cert_file}"] if how == "starttls" else []
    command = [
        "msmtp",
        "--host=localhost" if options else "--host=127.0.0.1",
        f"--port={server.port}",
        "--from=ada@example.com",
        "--auth=plain" if options else "--auth=cram-md5",
        "--user=ada",
        "--passwordeval=echo secret",
        *(options or ["--tls=off"]),
        "bob@example.com",
    ]
    mail = b"Subject: from msmtp\n\n.dots\n..and more\n"
    done = subprocess.run(command, input=mail, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    (message,) = server.messages
    assert message["Subject"] == "from msmtp"
    assert message.get_content().splitlines() == [".dots", "..and more"]
    assert (message.envelope.authenticated_as, message.envelope.tls) == ("ada", bool(options))


@program("msmtp")
def test_msmtp_tells_of_greylisting(smtp_server: SmtpServer) -> None:
    smtp_server.when("RCPT").reply("450 4.7.1 Greylisted, try again", times=1)
    command = ["msmtp", "--host=127.0.0.1", f"--port={smtp_server.port}", "--from=a@b.c", "--tls=off", "d@e.f"]
    codes = [subprocess.run(command, input=b"x\n", timeout=30, check=False).returncode for _ in range(2)]
    assert codes == [69, 0]  # EX_UNAVAILABLE of sysexits(3)


@program("lftp")
def test_lftp(ftp_server: FtpServer, ftps_server: FtpsServer, tmp_path: pathlib.Path) -> None:
    for server in (ftp_server, ftps_server):
        here, there = tmp_path / server.name, server.root / "tree"
        (here / "a" / "b").mkdir(parents=True)
        (here / "a" / "one.txt").write_text("one")
        (here / "a" / "b" / "two.txt").write_text("two " * 1000)
        secure = server is ftps_server
        script = [
            "set net:max-retries 2; set net:timeout 10; set cmd:fail-exit yes",
            f"set ssl:ca-file {server.ca.cert_file}; set ftp:ssl-force {'yes' if secure else 'no'}",
            f"open -u anonymous,x ftp://localhost:{server.port}",
            f"mirror -R {here} tree",
            f"mirror tree {here}-back",
            "rm -r tree/a/b; quit",
        ]
        command = ["lftp", "-c", "; ".join(script)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"{server.name}-back" / "a" / "b" / "two.txt").read_text() == "two " * 1000
        assert not (there / "a" / "b").exists()
        assert (there / "a" / "one.txt").read_text() == "one"
        assert any(request.reply.startswith("213 Modify=") for request in server.requests)  # it sets files' times


@program("lftp")
def test_lftp_tries_again(ftp_server: FtpServer, tmp_path: pathlib.Path) -> None:
    data = bytes(range(256)) * 4000
    (ftp_server.root / "big").write_bytes(data)
    ftp_server.when("RETR").inject(Reset(after_bytes=300_000), first=1)
    script = "set net:reconnect-interval-base 1; set net:max-retries 3; set ftp:prefer-epsv no"
    fetch = f"open -u anonymous,x ftp://127.0.0.1:{ftp_server.port}; get -c big -o {tmp_path / 'big'}; quit"
    subprocess.run(["lftp", "-c", f"{script}; {fetch}"], capture_output=True, timeout=60, check=True)
    assert (tmp_path / "big").read_bytes() == data
    assert [request.command for request in ftp_server.requests].count("RETR") == 2


async def test_aioftp(ftp_server: FtpServer, tmp_path: pathlib.Path) -> None:
    (tmp_path / "up" / "deep").mkdir(parents=True)
    (tmp_path / "up" / "deep" / "file").write_bytes(b"from aioftp" * 1000)
    async with aioftp.Client.context("127.0.0.1", ftp_server.port) as client:
        await client.upload(tmp_path / "up", "there", write_into=True)
        listed = sorted(str(path) for path, _ in await client.list("there", recursive=True))
        assert listed == ["there/deep", "there/deep/file"]
        await client.download("there", str(tmp_path / "down"), write_into=True)
        await client.remove("there")
    assert (tmp_path / "down" / "deep" / "file").read_bytes() == b"from aioftp" * 1000
    assert list(ftp_server.root.iterdir()) == []
    ftp_server.when("MKD").reply("552 Disk full")
    async with aioftp.Client.context("127.0.0.1", ftp_server.port) as client:
        with pytest.raises(aioftp.StatusCodeError, match="552"):
            await client.make_directory("more")
