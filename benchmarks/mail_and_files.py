"""What the mail and file servers cost, beside others: `python benchmarks/mail_and_files.py`."""

from __future__ import annotations

import contextlib
import ftplib
import imaplib
import os
import pathlib
import shutil
import smtplib
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from peers import ROUNDS, free_port, fresh, heading

import pytest_netmocks

MAIL = b"From: a@b.c\r\nTo: d@e.f\r\nSubject: x\r\n\r\n" + b"hello world\r\n" * 20
BIG = 64 << 20


@contextlib.contextmanager
def controller() -> Iterator[tuple[str, int]]:
    import socket

    from aiosmtpd.controller import Controller

    class Sink:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
            return "250 OK"

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    peer = Controller(Sink(), hostname="127.0.0.1", port=port)
    peer.start()
    try:
        yield ("127.0.0.1", port)
    finally:
        peer.stop()


@contextlib.contextmanager
def pyftpdlib_thread(root: str) -> Iterator[tuple[str, int]]:
    from pyftpdlib.authorizers import DummyAuthorizer  # type: ignore[import-untyped]
    from pyftpdlib.handlers import FTPHandler  # type: ignore[import-untyped]
    from pyftpdlib.log import config_logging  # type: ignore[import-untyped]
    from pyftpdlib.servers import FTPServer  # type: ignore[import-untyped]

    config_logging(level=40)
    authorizer = DummyAuthorizer()
    authorizer.add_anonymous(root)
    handler = type("Handler", (FTPHandler,), {"authorizer": authorizer})
    peer = FTPServer(("127.0.0.1", 0), handler)
    running = True

    def run() -> None:
        while running:
            peer.serve_forever(timeout=0.01, blocking=False)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield peer.socket.getsockname()
    finally:
        running = False
        thread.join()
        peer.close_all()


DOVECOT = """
protocols = imap
listen = 127.0.0.1
base_dir = {home}/run
state_dir = {home}/run
log_path = {home}/log
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = maildir:{home}/mail/%u
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={home}/mail/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
}}
"""


@contextlib.contextmanager
def dovecot() -> Iterator[tuple[str, int] | None]:
    """Dovecot with a box of its own; nothing where it is not installed, or nobody may start it."""
    program = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None or os.geteuid():
        yield None
        return
    with tempfile.TemporaryDirectory() as home:
        port = free_port()
        pathlib.Path(home).chmod(0o755)
        pathlib.Path(home, "mail").mkdir()
        shutil.chown(pathlib.Path(home, "mail"), "mail", "mail")
        config = pathlib.Path(home, "dovecot.conf")
        config.write_text(DOVECOT.format(home=home, port=port))
        with subprocess.Popen([program, "-F", "-c", config], stderr=subprocess.DEVNULL) as process:
            try:
                filled("127.0.0.1", port)
                yield "127.0.0.1", port
            finally:
                process.terminate()


def filled(host: str, port: int) -> None:
    """Put 100 messages there, as soon as somebody listens."""
    for _ in range(100):
        with contextlib.suppress(OSError), imaplib.IMAP4(host, port) as client:
            client.login("u", "p")
            for _ in range(100):
                client.append("INBOX", None, None, MAIL)
            return
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens on port {port}")


def fetches(address: tuple[str, int], what: str = "(BODY.PEEK[])", count: int = 1000) -> float:
    """One message after the other."""
    with imaplib.IMAP4(*address) as client:
        client.login("u", "p")
        client.select()
        begin = time.perf_counter()
        for number in range(count):
            client.fetch(str(number % 100 + 1), what)
        return count / (time.perf_counter() - begin)


def envelopes(address: tuple[str, int]) -> float:
    """The same, with what a list of mails shows."""
    return fetches(address, "(UID FLAGS ENVELOPE BODYSTRUCTURE)")


def flags_of_all(address: tuple[str, int]) -> float:
    """All messages at once."""
    with imaplib.IMAP4(*address) as client:
        client.login("u", "p")
        client.select()
        begin = time.perf_counter()
        for _ in range(50):
            client.uid("FETCH", "1:*", "(FLAGS)")
        return 50 * 100 / (time.perf_counter() - begin)


def messages(address: tuple[str, int], count: int = 150) -> float:
    with smtplib.SMTP(*address) as client:
        begin = time.perf_counter()
        for _ in range(count):
            client.sendmail("a@b.c", ["d@e.f"], MAIL)
        return count / (time.perf_counter() - begin)


def logins(address: tuple[str, int], count: int = 100) -> float:
    begin = time.perf_counter()
    for _ in range(count):
        with ftplib.FTP() as ftp:
            ftp.connect(*address)
            ftp.login()
    return count / (time.perf_counter() - begin)


def megabytes(address: tuple[str, int]) -> float:
    with ftplib.FTP() as ftp:
        ftp.connect(*address)
        ftp.login()
        begin = time.perf_counter()
        ftp.retrbinary("RETR big", lambda data: None, blocksize=1 << 18)
        return BIG / 1e6 / (time.perf_counter() - begin)


def compare(title: str, measure: Callable[[Any], float], ours: Any, theirs: Any, goal: str) -> None:
    pairs = [(measure(ours), measure(theirs)) for _ in range(ROUNDS)]
    a, b = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = statistics.median(x / y for x, y in pairs)
    print(f"{title:<28} ours {a:8.0f}  theirs {b:8.0f}  ratio {ratio:.2f}   goal: {goal}", flush=True)


def main() -> None:
    heading()
    with pytest_netmocks.smtp() as server, controller() as peer:
        compare("SMTP, messages/s", messages, server.address, peer, ">= aiosmtpd's Controller")
    with tempfile.TemporaryDirectory() as root:
        pathlib.Path(root, "big").write_bytes(bytes(BIG))
        with pytest_netmocks.ftp(root=root) as files, pyftpdlib_thread(root) as peer:
            compare("FTP, logins/s", logins, files.address, peer, ">= 0.9 of pyftpdlib")
            compare("FTP, download MB/s", megabytes, files.address, peer, ">= 0.9 of pyftpdlib")
    with pytest_netmocks.imap() as boxes, dovecot() as dove:
        filled(boxes.host, boxes.port)
        if dove is None:
            print(f"IMAP, messages fetched/s      ours {fetches(boxes.address):8.0f}  (dovecot is not here)")
        else:
            compare("IMAP, messages fetched/s", fetches, boxes.address, dove, ">= dovecot's")
            compare("IMAP, envelopes fetched/s", envelopes, boxes.address, dove, ">= dovecot's")
            compare("IMAP, flags of all/s", flags_of_all, boxes.address, dove, ">= 0.5 of dovecot's")
    fresh("fresh imap_server", "imap_server", "<= 0.6")
    fresh("fresh smtp_server", "smtp_server", "<= 0.6")
    fresh("fresh ftp_server", "ftp_server", "<= 1")


if __name__ == "__main__":
    main()
