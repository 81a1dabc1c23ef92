"""Sweeps of a function, outside of pytest's items."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
from typing import Any

import pytest
from helpers import read_to_end, shake, udp_client

import pytest_netmocks
from pytest_netmocks.faults import Answer, Close, Corrupt, Duplicate, Latency, Loss, Refuse, Reset, Stall
from pytest_netmocks.faults.base import Fault


def ask(server: pytest_netmocks.TcpServer, tries: int = 1, question: bytes = b"ping\n") -> bytes:
    """Ask an echo, again if the answer is cut."""
    for _ in range(tries):
        try:
            with socket.create_connection(server.address, timeout=5) as sock:
                sock.sendall(question)
                sock.shutdown(socket.SHUT_WR)
                if (answer := read_to_end(sock)) == question:
                    return answer
        except OSError:
            pass
    raise ConnectionError("cut")


def asked(tries: int = 1) -> None:
    with pytest_netmocks.tcp() as server:
        ask(server, tries)


def test_a_fault_without_a_direction_is_swept_both_ways_and_one_with_it_that_way_only() -> None:
    report = pytest_netmocks.sweep(lambda: asked(2), Reset())
    assert {place.direction for place in report.places} == {"upstream", "downstream"}
    assert [place.offset for place in report.places] == [0, 1, 2, 3, 4, 5] * 2
    assert not report.failures
    assert Reset() == Reset(direction="downstream")
    report = pytest_netmocks.sweep(lambda: asked(2), Reset(direction="downstream"))
    assert {place.direction for place in report.places} == {"downstream"}


def test_what_fails_is_told_by_its_spans_and_raised_together() -> None:
    report = pytest_netmocks.sweep(asked, Close(direction="downstream"))
    assert [failure.place.offset for failure in report.failures] == [0, 1, 2, 3, 4]  # after all five nothing is cut
    assert "5 of 6 places failed" in str(report)
    assert "connection 1, downstream, after 0 to 4 bytes: ConnectionError, line" in str(report)
    with pytest.raises(ExceptionGroup) as caught:
        report.raise_for_failures()
    assert len(caught.value.exceptions) == 5


def test_a_place_is_known_in_its_run_and_says_what_has_become_of_it() -> None:
    seen: list[tuple[pytest_netmocks.Place | None, int]] = []

    def run() -> None:
        with pytest_netmocks.tcp(name="one") as server:
            ask(server, 2)
            place = pytest_netmocks.place()
            seen.append((place, place.struck if place is not None else 0))

    report = pytest_netmocks.sweep(run, Reset(direction="upstream"))
    assert [place for place, _ in seen] == [None, *report.places]
    assert [struck for _, struck in seen] == [0, 1, 1, 1, 1, 1, 1]
    assert str(report.places[1]) == "Reset() on one, connection 1, upstream, after 1 byte"
    assert pytest_netmocks.place() is None


async def test_a_coroutine_function_is_swept_too() -> None:
    async def run() -> None:
        async with pytest_netmocks.tcp() as server:
            for _ in range(2):
                try:
                    reader, writer = await asyncio.open_connection(*server.address)
                    with contextlib.closing(writer):
                        writer.write(b"x")
                        await reader.readexactly(1)
                        return
                except (OSError, EOFError):
                    pass
            raise ConnectionError("twice")

    report = await pytest_netmocks.async_sweep(run, Reset(), Close())
    assert len(report.places) == 8
    assert not report.failures


def test_what_the_reference_run_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        pytest_netmocks.sweep(lambda: 1 / 0, Reset())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Reset(after_bytes=1), "after_bytes is what a sweep varies"),
        (Refuse(), "happens in the kernel"),
        (Latency(1, jitter=0.1), "leave jitter= out"),
        (Loss(1), "speaks over a byte stream"),
        (Reset(layer="tls"), "there is no TLS"),
    ],
    ids=str,
)
def test_a_fault_without_a_place_is_refused_with_words(fault: Fault, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pytest_netmocks.sweep(asked, fault)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"limit": 0}, "limit"), ({"repeat": 0}, "repeat"), ({"duration": 0}, "duration"), ({"depth": 0}, "depth")],
)
def test_an_option_that_makes_no_sense_is_refused_with_words(options: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pytest_netmocks.sweep(asked, Reset(), **options)
    with pytest.raises(TypeError, match="did you mean 'limit'"):
        pytest_netmocks.sweep(asked, Reset(), limits=3)  # type: ignore[call-arg]


def test_a_run_that_speaks_to_no_server_proves_nothing() -> None:
    def run() -> None:
        with pytest_netmocks.tcp():
            pass

    with pytest.raises(ValueError, match="it proves nothing"):
        pytest_netmocks.sweep(run, Reset())


def test_repeat_strikes_as_many_connections_in_a_row() -> None:
    down = Reset(direction="downstream")
    assert not pytest_netmocks.sweep(lambda: asked(3), down, repeat=2).failures
    assert pytest_netmocks.sweep(lambda: asked(3), down, repeat=3).failures
    assert pytest_netmocks.sweep(lambda: asked(3), down, repeat=None).failures


def test_a_duration_counts_from_the_strike_and_lets_go_on_what_was_held() -> None:
    report = pytest_netmocks.sweep(asked, Stall(), duration=0.01)
    assert len(report.places) == 12
    assert not report.failures


@pytest.mark.parametrize("layer", ["application", "tls"])
def test_behind_the_last_byte_a_silence_changes_nothing_and_the_place_is_reached(layer: Any) -> None:
    def run() -> None:
        virtual = pytest_netmocks.virtual_time()
        with virtual, pytest_netmocks.tls() as server, contextlib.suppress(TimeoutError), shake(server) as client:
            client.sendall(b"x")
            client.recv(1)

    report = pytest_netmocks.sweep(run, Stall(layer=layer, direction="upstream"), limit=4)
    last = max(report.places, key=lambda place: place.at)
    assert last.offset is not None
    assert last.offset > 0
    assert not report.not_reached


def test_latency_is_a_pause_at_its_place() -> None:
    report = pytest_netmocks.sweep(asked, Latency(0.01))
    assert len(report.places) == 12
    assert not report.failures
    assert not report.not_reached


def test_a_flipped_bit_is_at_each_byte_and_none_is_behind_the_last() -> None:
    report = pytest_netmocks.sweep(asked, Corrupt(1, direction="downstream"))
    assert [failure.place.offset for failure in report.failures] == [0, 1, 2, 3, 4]
    assert len(report.places) == 5


def test_both_edges_of_a_span_are_found_to_the_byte_in_a_few_runs() -> None:
    """Of ten thousand places those fail that leave out more than the first line and less than the last."""

    def run() -> None:
        with pytest_netmocks.tcp() as server:
            server.when(b"\n").reply(b"x" * 9_999 + b"\n")
            with socket.create_connection(server.address, timeout=5) as sock:
                sock.sendall(b"go\n")
                size = len(read_to_end(sock)) if place_is_set() else 0
                assert not 1234 <= size < 5678

    def place_is_set() -> bool:
        return pytest_netmocks.place() is not None

    report = pytest_netmocks.sweep(run, Close(direction="downstream"), limit=60)
    assert report.total == 10_001
    assert len(report.places) == 60
    offsets = {failure.place.at for failure in report.failures}
    assert (min(offsets), max(offsets)) == (1234, 5677)


def test_depth_sweeps_the_connections_that_a_fault_brings_about() -> None:
    down = Reset(direction="downstream")
    assert not pytest_netmocks.sweep(lambda: asked(2), down).failures
    report = pytest_netmocks.sweep(lambda: asked(2), down, depth=2)
    second = [place for place in report.places if place.after is not None]
    assert [place.offset for place in second] == [0, 1, 2, 3, 4, 5]  # the retries all look the same
    assert {place.connection for place in second} == {2}
    assert "and then Reset() on TcpServer #1, connection 2" in str(second[0])
    assert {failure.place.after is not None for failure in report.failures} == {True}
    assert not pytest_netmocks.sweep(lambda: asked(3), down, depth=2).failures


def test_a_run_that_ends_before_its_place_is_counted_and_one_in_ten_is_warned_of() -> None:
    runs: list[int] = []

    def run() -> None:
        runs.append(1)
        with pytest_netmocks.tcp() as server:
            ask(server, question=b"longer than the others" if len(runs) == 1 else b"short")

    with pytest.warns(pytest_netmocks.NetmocksWarning, match="conversation is not the same from run to run"):
        report = pytest_netmocks.sweep(run, Latency(0.001, direction="upstream"))
    assert report.not_reached == len("longer than the others") - len("short")


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("upstream", "connection 1 before it had 30 bytes up and 30 down, and 3 and 3 in the reference run"),
        ("downstream", "30 bytes had gone the other way, and 0 to 3 in the reference run"),
    ],
)
def test_a_conversation_whose_lengths_differ_before_a_place_is_warned_of(way: Any, words: str) -> None:
    runs: list[int] = []

    def run() -> None:
        runs.append(1)
        with pytest_netmocks.tcp() as server:
            ask(server, question=b"a" * (3 if len(runs) == 1 else 30))
            server.wait_for(lambda server: not server.open_connections)
            ask(server, question=b"b" * 20)

    with pytest.warns(pytest_netmocks.NetmocksWarning, match=words):
        pytest_netmocks.sweep(run, Latency(0.001, direction=way))


@pytest.mark.parametrize("kind", ["http", "udp"])
def test_answers_and_datagrams_before_which_lengths_differ_are_warned_of(kind: str) -> None:
    runs: list[int] = []

    def run() -> None:
        runs.append(1)
        sizes = [3, 3, 3] if len(runs) == 1 else [30, 3, 3]
        with pytest_netmocks.http() if kind == "http" else pytest_netmocks.udp() as server:
            if isinstance(server, pytest_netmocks.HttpServer):
                with contextlib.closing(http.client.HTTPConnection(*server.address, timeout=5)) as client:
                    for size in sizes:
                        client.request("GET", "/" + size * "x")
                        client.getresponse().read()
            else:
                with udp_client(server) as sock:
                    for size in sizes:
                        sock.send(size * b"x")
                        sock.recv(100)

    fault = Answer(503) if kind == "http" else Duplicate()
    with pytest.warns(
        pytest_netmocks.NetmocksWarning, match=r"\d+ bytes had gone (up|down), and \d+ to \d+ in the ref"
    ):
        report = pytest_netmocks.sweep(run, fault)
    assert not report.failures


def test_lengths_that_differ_by_a_few_bytes_are_the_same_conversation() -> None:
    runs: list[int] = []

    def run() -> None:
        runs.append(1)
        with pytest_netmocks.tcp() as server:
            ask(server, question=b"a" * (12 if len(runs) == 1 else 20))
            server.wait_for(lambda server: not server.open_connections)
            ask(server, question=b"b" * 20)

    pytest_netmocks.sweep(run, Latency(0.001))  # and nothing is warned of
