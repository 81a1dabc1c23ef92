"""What the mail and file servers cost, beside their libraries' own servers: `python benchmarks/mail_and_files.py`."""

from __future__ import annotations

import contextlib
import ftplib
import pathlib
import smtplib
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from peers import ROUNDS, fresh, heading

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
    fresh("fresh smtp_server", "smtp_server", "<= 0.6")
    fresh("fresh ftp_server", "ftp_server", "<= 1")


if __name__ == "__main__":
    main()
