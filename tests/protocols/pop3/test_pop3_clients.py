"""Programs of others fetch mail: fetchmail, mpop, getmail."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
from helpers import program

from pytest_netmocks import Netmocks
from pytest_netmocks.encryption.authority import Authority
from pytest_netmocks.faults import Reset
from pytest_netmocks.protocols.pop3.server import Pop3Server

MESSAGE = "From: bob@example.com\nSubject: {}\n\n.dots\n..and more\n"


def filled(server: Pop3Server) -> Pop3Server:
    server.users["ada"] = "secret"
    for name in ("one", "two"):
        server.deliver(MESSAGE.format(name))
    return server


def run(command: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, capture_output=True, timeout=60, check=False, **options)  # type: ignore[call-overload,no-any-return]


def delivered(folder: pathlib.Path) -> list[str]:
    """The texts of a maildir, in the order of their subjects."""
    texts = [path.read_text() for path in folder.glob("new/*")]
    return sorted(texts, key=lambda text: text.partition("Subject:")[2])


def maildir(path: pathlib.Path) -> pathlib.Path:
    for part in ("cur", "new", "tmp"):
        (path / part).mkdir(parents=True)
    return path


def check_delivered(folder: pathlib.Path) -> None:
    texts = delivered(folder)
    assert [text.partition("Subject: ")[2].partition("\n")[0] for text in texts] == ["one", "two"]
    assert all(text.endswith("\n\n.dots\n..and more\n") for text in texts)


def check_fetched(file: pathlib.Path) -> None:
    texts = file.read_text().split("END\n")[:-1]
    assert ["one" in text for text in texts] == [True, False]
    assert all("\n.dots\n..and more\n" in text for text in texts)


def mpop(server: Pop3Server, tmp_path: pathlib.Path, *more: str) -> list[str]:
    return [
        "mpop", f"--host={'localhost' if more else '127.0.0.1'}", f"--port={server.port}", "--user=ada",
        "--passwordeval=echo secret", f"--delivery=maildir,{tmp_path / 'mail'}", f"--uidls-file={tmp_path / 'uidls'}",
        *(more or ["--tls=off"]),
    ]  # fmt: skip


@program("mpop")
@pytest.mark.parametrize("auth", ["user", "apop", "plain", "cram-md5", "login"])
def test_mpop_logs_in_by_every_way_it_has(netmocks: Netmocks, tmp_path: pathlib.Path, auth: str) -> None:
    server = filled(netmocks.pop3())
    maildir(tmp_path / "mail")
    done = run([*mpop(server, tmp_path), f"--auth={auth}"])
    assert done.returncode == 0, done.stderr
    check_delivered(tmp_path / "mail")
    assert server.messages == []


@program("mpop")
@pytest.mark.parametrize("kind", ["pop3", "pop3s"])
def test_mpop_over_tls(netmocks: Netmocks, tls_ca: Authority, tmp_path: pathlib.Path, kind: str) -> None:
    server = filled(getattr(netmocks, kind)())
    maildir(tmp_path / "mail")
    starttls = "on" if kind == "pop3" else "off"
    options = ["--tls=on", f"--tls-starttls={starttls}", f"--tls-trust-file={tls_ca.cert_file}"]
    done = run(mpop(server, tmp_path, *options))
    assert done.returncode == 0, done.stderr
    check_delivered(tmp_path / "mail")
    assert server.connections[0].tls is not None


@program("mpop")
def test_mpop_comes_again_for_what_a_reset_has_cut(netmocks: Netmocks, tmp_path: pathlib.Path) -> None:
    server = filled(netmocks.pop3())
    maildir(tmp_path / "mail")
    server.when("RETR").inject(Reset(after_bytes=30), first=1)
    command = [*mpop(server, tmp_path), "--auth=user"]
    assert b"Connection reset by peer" in run(command).stderr
    assert len(server.messages) == 2
    assert run(command).returncode == 0
    check_delivered(tmp_path / "mail")
    assert server.messages == []


@program("fetchmail")
@pytest.mark.parametrize("how", ["plain", "stls", "pop3s"])
def test_fetchmail(netmocks: Netmocks, tls_ca: Authority, tmp_path: pathlib.Path, how: str) -> None:
    server = filled(netmocks.pop3s() if how == "pop3s" else netmocks.pop3())
    certificate = f'sslcertck sslcertfile "{tls_ca.cert_file}"'
    security = {"plain": "sslproto ''", "stls": f"sslproto tls1.2+ {certificate}", "pop3s": f"ssl {certificate}"}[how]
    config = tmp_path / "fetchmailrc"
    fetched = tmp_path / "fetched"
    config.write_text(
        f'poll localhost protocol pop3 port {server.port} user "ada" password "secret" {security} '
        f'no rewrite fetchall mda "cat >> {fetched}; echo END >> {fetched}"\n'
    )
    config.chmod(0o600)
    environment = {"HOME": str(tmp_path), "FETCHMAILHOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = ["fetchmail", "-f", str(config), "--nosyslog", "--pidfile", str(tmp_path / "pid"), "-v", "-N"]
    done = run([*command, "-d0"], env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    check_fetched(fetched)
    assert server.messages == []


@pytest.mark.parametrize("kind", ["SimplePOP3Retriever", "SimplePOP3SSLRetriever"])
def test_getmail(netmocks: Netmocks, tls_ca: Authority, tmp_path: pathlib.Path, kind: str) -> None:
    pytest.importorskip("getmailcore")
    secure = "SSL" in kind
    server = filled(netmocks.pop3s() if secure else netmocks.pop3())
    fetched = tmp_path / "fetched"
    (tmp_path / "getmailrc").write_text(
        f"[retriever]\ntype = {kind}\nserver = localhost\nport = {server.port}\nusername = ada\npassword = secret\n"
        + (f"ca_certs = {tls_ca.cert_file}\n" if secure else "")
        + f"[destination]\ntype = MDA_external\npath = /bin/sh\n"
        f"arguments = ('-c', 'cat >> {fetched}; echo END >> {fetched}')\n"
        + "allow_root_commands = true\n[options]\ndelete = true\ndelivered_to = false\nreceived = false\n"
    )
    getmail = pathlib.Path(sys.executable).with_name("getmail")
    done = run([str(getmail), f"--getmaildir={tmp_path}"])
    assert done.returncode == 0, done.stdout + done.stderr
    check_fetched(fetched)
    assert server.messages == []
