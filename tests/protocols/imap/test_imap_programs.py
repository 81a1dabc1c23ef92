"""Programs of others read mail over IMAP: mbsync, fetchmail, offlineimap, curl."""

from __future__ import annotations

import pathlib
import subprocess

import pytest
from helpers import program

from pytest_netmocks import ImapServer, Netmocks
from pytest_netmocks.encryption.authority import Authority

KINDS = ["imap", "imaps"]


def run(command: list[str], home: pathlib.Path) -> str:
    environment = {"HOME": str(home), "FETCHMAILHOME": str(home), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def filled(server: ImapServer) -> ImapServer:
    server.users["ada"] = "secret"
    for number in range(4):
        server.deliver(f"From: a@b.c\nSubject: {number}\nMessage-ID: <{number}@x>\n\nbody\n", flags=["\\Seen"])
    server.deliver("Subject: other\n\n", folder="Entwürfe & Ältere")
    return server


def subjects(server: ImapServer) -> list[str]:
    return [message.message["subject"] for message in server.folders["INBOX"].messages]


def change(maildir: pathlib.Path, server: ImapServer) -> None:
    """Both sides: a message more, one less, a flag."""
    messages = {path.read_bytes().split(b"Subject: ")[1][:1]: path for path in maildir.glob("*/*")}
    messages[b"0"].unlink()
    messages[b"1"].rename(str(messages[b"1"]).partition(":2,")[0].replace("/new/", "/cur/") + ":2,FS")
    (maildir / "new" / "1.x.here").write_bytes(
        b"Subject: new here\nMessage-ID: <h@x>\nDate: Thu, 01 Jan 2026 12:00:00 +0000\n\n"
    )
    del server.folders["INBOX"].messages[3]
    server.folders["INBOX"].messages[2].flags.add("\\Answered")
    server.deliver("Subject: new there\n\n")


def check(maildir: pathlib.Path, server: ImapServer) -> None:
    assert sorted(subjects(server)) == ["1", "2", "new here", "new there"]
    assert len(list(maildir.glob("*/*"))) == 4
    flags = {message.message["subject"]: message.flags for message in server.folders["INBOX"].messages}
    assert "\\Flagged" in flags["1"]
    assert "\\Answered" in flags["2"]
    assert [path.name.rpartition(",")[2] for path in maildir.glob("*/*") if b"Subject: 2" in path.read_bytes()] == [
        "RS"
    ]
    assert all(request.status.startswith("OK") for request in server.requests)


@program("mbsync")
@pytest.mark.parametrize("kind", KINDS)
def test_mbsync(netmocks: Netmocks, tls_ca: Authority, tmp_path: pathlib.Path, kind: str) -> None:
    server = filled(getattr(netmocks, kind)())
    (tmp_path / "mail").mkdir()
    config = tmp_path / "mbsyncrc"
    config.write_text(
        f"IMAPAccount a\nHost localhost\nPort {server.port}\nUser ada\nPass secret\n"
        f"CertificateFile {tls_ca.cert_file}\n"
        f"SSLType {'IMAPS' if kind == 'imaps' else 'STARTTLS'}\n\nIMAPStore far\nAccount a\n\nMaildirStore near\n"
        f"Path {tmp_path}/mail/\nInbox {tmp_path}/mail/INBOX\nSubFolders Verbatim\n\nChannel c\nFar :far:\n"
        "Near :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n"
    )
    command = ["mbsync", "-c", str(config), "-a"]
    run(command, tmp_path)
    assert {path.name for path in (tmp_path / "mail").iterdir()} == {"INBOX", "Entw&APw-rfe &- &AMQ-ltere"}
    change(tmp_path / "mail" / "INBOX", server)
    run(command, tmp_path)
    check(tmp_path / "mail" / "INBOX", server)


@program("offlineimap")
@pytest.mark.parametrize("kind", KINDS)
def test_offlineimap(netmocks: Netmocks, tls_ca: Authority, tmp_path: pathlib.Path, kind: str) -> None:
    """Without STARTTLS: imaplib2 2.57 loses the answer to it, and waits for ever, where its reading thread looks at
    `TerminateReader` only after `starttls()` has set it, the line in hand being the answer before."""
    server = filled(getattr(netmocks, kind)())
    config = tmp_path / "offlineimaprc"
    config.write_text(
        f"[general]\naccounts = a\nmetadata = {tmp_path}/meta\nui = quiet\n[Account a]\nlocalrepository = l\n"
        f"remoterepository = r\n[Repository l]\ntype = Maildir\nlocalfolders = {tmp_path}/mail\n[Repository r]\n"
        f"type = IMAP\nremotehost = localhost\nremoteport = {server.port}\nremoteuser = ada\nremotepass = secret\n"
        f"ssl = {'yes' if kind == 'imaps' else 'no'}\nstarttls = no\n"
        f"sslcacertfile = {tls_ca.cert_file}\n"
    )
    command = ["offlineimap", "-c", str(config), "-o"]
    run(command, tmp_path)
    change(tmp_path / "mail" / "INBOX", server)
    run(command, tmp_path)
    check(tmp_path / "mail" / "INBOX", server)


@program("fetchmail")
@pytest.mark.parametrize("kind", KINDS)
def test_fetchmail(netmocks: Netmocks, tls_ca: Authority, tmp_path: pathlib.Path, kind: str) -> None:
    server = filled(getattr(netmocks, kind)())
    config = tmp_path / "fetchmailrc"
    security = "ssl" if kind == "imaps" else "sslproto tls1.2+"
    config.write_text(
        f'poll localhost protocol imap port {server.port} user "ada" password "secret" {security} sslcertck '
        f'sslcertfile "{tls_ca.cert_file}" fetchall idle mda "cat >> {tmp_path}/fetched"\n'
    )
    config.chmod(0o600)
    command = ["fetchmail", "-f", str(config), "--nosyslog", "--pidfile", str(tmp_path / "pid"), "-N", "-d0"]
    with subprocess.Popen(
        command, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, stderr=-3, stdout=-3
    ) as process:
        try:
            server.wait_for(lambda server: server.requests and server.requests[-1].command == "IDLE", timeout=30)
            server.deliver("Subject: while it waits\n\n")
            server.wait_for(lambda server: not subjects(server) and server.requests[-1].command == "IDLE", timeout=30)
        finally:
            process.terminate()
    fetched = (tmp_path / "fetched").read_text()
    assert [line.removeprefix("Subject: ") for line in fetched.splitlines() if line.startswith("Subject:")] == [
        *"0123",
        "while it waits",
    ]


@program("curl")
@pytest.mark.parametrize("kind", KINDS)
def test_curl(netmocks: Netmocks, tls_ca: Authority, tmp_path: pathlib.Path, kind: str) -> None:
    server = filled(getattr(netmocks, kind)())
    base = f"{kind}://localhost:{server.port}"
    (tmp_path / "mail").write_text("Subject: put\r\n\r\n")

    def curl(*arguments: str) -> str:
        return run(
            ["curl", "-sS", "--ssl-reqd", "--cacert", tls_ca.cert_file, "-u", "ada:secret", *arguments], tmp_path
        )

    assert '"Entw&APw-rfe &- &AMQ-ltere"' in curl(base)
    assert curl(f"{base}/INBOX;MAILINDEX=2;SECTION=HEADER.FIELDS%20(SUBJECT)") == "Subject: 1\n\n"
    assert "* SEARCH 3" in curl(f"{base}/INBOX?SUBJECT%202")
    assert "\\Deleted" in curl(f"{base}/INBOX", "-X", "STORE 1 +FLAGS (\\Deleted)")
    assert "* 1 EXPUNGE" in curl(f"{base}/INBOX", "-X", "EXPUNGE")
    curl(f"{base}/INBOX", "-T", str(tmp_path / "mail"))
    assert subjects(server) == ["1", "2", "3", "put"]
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
        curl("--login-options", f"AUTH={mechanism}", base)
