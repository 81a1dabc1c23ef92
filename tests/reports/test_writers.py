"""Files of recordings: whole or not there, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import pathlib
import resource
import socket
import threading
import urllib.request
from collections.abc import Iterator

import pytest

from pytest_netmocks import HttpServer, TcpServer
from pytest_netmocks.link import loop
from pytest_netmocks.reports import jsonl
from pytest_netmocks.reports.recording import Recording
from pytest_netmocks.reports.writers import WRITERS, save


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """No file can be longer than 100 bytes, which the kernel says as it says that a disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("before", [None, "as it was"])
def test_a_full_disk_leaves_no_half_file(tmp_path: pathlib.Path, before: str | None) -> None:
    if before is not None:
        (tmp_path / "it.jsonl").write_text(before)
    with pytest.raises(OSError, match="File too large"), full_disk():
        save(tmp_path / "it.jsonl", [Recording(error="x" * 1000)])
    assert [path.read_text() for path in tmp_path.iterdir()] == ([] if before is None else [before])


def test_a_link_is_followed_and_stays_one(tmp_path: pathlib.Path) -> None:
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "far" / "it.jsonl")
    save(tmp_path / "link.jsonl", [Recording(title="x")])
    assert (tmp_path / "link.jsonl").is_symlink()
    assert jsonl.read((tmp_path / "far" / "it.jsonl").read_bytes()) == [Recording(title="x")]


@pytest.mark.parametrize("suffix", list(WRITERS))
def test_what_a_server_has_is_saved_while_clients_are_connected(
    http_server: HttpServer, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(loop, "CALM", 0.05)  # with clients that ask without a pause it may never come to that
    http_server.when("/").reply(200, stream=[b"x"] * 5)
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            with urllib.request.urlopen(f"{http_server.url}/", timeout=30) as answer:
                answer.read()

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        for _ in range(3):
            http_server.save(tmp_path / f"it{suffix}")
    finally:
        over.set()
        for client in clients:
            client.join(60)
    assert [path.name for path in tmp_path.iterdir()] == [f"it{suffix}"]


def test_what_is_still_open_is_in_the_file(tcp_server: TcpServer, tmp_path: pathlib.Path) -> None:
    with socket.create_connection(tcp_server.address, timeout=30) as client:
        client.sendall(b"a")
        tcp_server.wait_for(lambda server: server.connections and server.connections[0].received == b"a")
        tcp_server.save(tmp_path / "it.jsonl")
    (recording,) = jsonl.read((tmp_path / "it.jsonl").read_bytes())
    kinds = [event["event"] for event in recording.events]
    assert "received" in kinds
    assert "closed" not in kinds
