"""The ladder: columns, arrows, what is left out and what is counted."""

from __future__ import annotations

import types
from typing import Any

import pytest

from pytest_netmocks.faults import Reset
from pytest_netmocks.records.events import (
    Closed,
    Delivered,
    Ended,
    Event,
    Exchange,
    Log,
    Note,
    Opened,
    Received,
    Sent,
    Struck,
    Swallowed,
)
from pytest_netmocks.records.sides import Sides
from pytest_netmocks.reports.ladder import LINES, colour, ladder
from pytest_netmocks.reports.story import Story


class Asked:
    """An exchange of a protocol of nobody."""

    def __init__(self, asked: str, answered: str = "") -> None:
        self._sides = Sides(asked, answered)

    def sides(self) -> Sides:
        return self._sides


def drawn(*events: Event, width: int = 80, whole: bool = False) -> list[str]:
    log = Log()
    for event in events:
        log.add(event)
    journal: Any = types.SimpleNamespace(log=log, connections={})
    server: Any = types.SimpleNamespace(name="api", url="tcp://127.0.0.1:1", journal=journal)
    return ladder(Story(server), width, whole=whole)


def connection(number: int) -> list[Event]:
    return [
        Opened(0.0, number, ("127.0.0.1", 1000 + number), None),
        Received(0.0, number, 0, 1, b"x", 0),
        Ended(0.0, number, "client", "the client has finished", "FIN"),
        Closed(0.0, number, "client"),
    ]


def test_nothing_is_said_to_have_happened() -> None:
    assert drawn() == ["api  tcp://127.0.0.1:1", f"{'-':>9}  nothing happened"]


def test_what_the_client_says_goes_right_and_what_the_server_says_goes_left() -> None:
    lines = drawn(Received(0.5, 1, 0, 5, b"hello", 0), Sent(0.75, 1, 0, 4, b"\r\n\x1b\x00", 0))
    assert lines[1:] == [
        "  seconds  conn  client                                        server",
        "   0.5000     1  |-- 5 B  'hello' --------------------------------->|",
        r"   0.7500     1  |<-- 4 B  b'\r\n\x1b\x00' -------------------------|",
    ]


@pytest.mark.parametrize("width", [70, 80, 200])
def test_every_line_ends_at_the_servers_column(width: int) -> None:
    text = "wide \N{CJK UNIFIED IDEOGRAPH-4E16} text " * 30
    lines = drawn(Received(0.0, 1, 0, 1, b"x", 0), Note(0.1, 1, text), Sent(0.2, 1, 0, 300, b"y" * 300, 0), width=width)
    ends = {len(line) + line.count("\N{CJK UNIFIED IDEOGRAPH-4E16}") for line in lines[1:]}
    assert ends == {width}


def test_connections_that_went_alike_are_counted() -> None:
    lines = drawn(*(event for number in range(1, 4) for event in connection(number)))
    assert len(lines) == 6
    assert lines[-1].split("  ")[-1] == "the same 2 times more, the last on connection 3"


def test_of_a_connection_with_exchanges_the_usual_is_left_out() -> None:
    asked = Asked("GET /", "200")
    events = [*connection(1)[:2], Exchange(0.0, 1, asked, "begun"), Exchange(0.1, 1, asked, "answered")]
    assert [line[17:24] for line in drawn(*events)[2:]] == ["|-- GET", "|<-- 20"]
    assert [line[17:24] for line in drawn(*events, whole=True)[2:]] == ["|-- con", "|-- 1 B", "|-- GET", "|<-- 20"]


def test_what_a_fault_took_is_said_where_it_took_it() -> None:
    asked = Asked("GET /", "200")
    lines = drawn(
        Received(0.0, 1, 0, 1, b"x", 0),
        Exchange(0.0, 1, asked, "begun"),
        Exchange(0.1, 1, asked, "answered"),
        Sent(0.1, 1, 0, 115, b"y" * 115, 0),
        Struck(0.1, 1, Reset(after_bytes=107), 1, 0),
        Delivered(0.1, 1, 0, 107, b"y" * 107, 0),
        Ended(0.2, 1, "fault", "cut by the fault", "RST"),
        Swallowed(0.2, 1, "downstream", 107, 8, Reset(after_bytes=107), "application"),
        width=100,
    )
    assert "|<-- 200 X-" in lines[3]
    assert "|  ! Reset(after_bytes=107) strikes: 107 of 115 B delivered, 8 lost" in lines[4]
    assert "|<-- RST by the fault -" in lines[5]


@pytest.mark.parametrize(("fault", "way"), [(True, "|    an answer X--"), (False, "|<-- an answer --")])
def test_an_answer_of_which_nothing_was_sent_arrived_unless_a_fault_stood_in_its_place(fault: bool, way: str) -> None:
    asked = Asked("the question")
    lines = drawn(
        *connection(1)[:2],
        Exchange(0.0, 1, asked, "begun"),
        Exchange(0.1, 1, asked, "answered"),
        *([Struck(0.1, 1, Reset(), 1, 0)] if fault else []),
        whole=True,
    )
    assert any(way in line for line in lines), lines


def test_a_server_that_ends_behind_a_faults_end_sends_nothing_more() -> None:
    lines = drawn(
        Ended(0.2, 1, "fault", "cut by the fault", "FIN"), Ended(0.3, 1, "server", "the server has finished", "FIN")
    )
    assert [line.count("FIN") for line in lines[2:]] == [1]


def test_many_lines_are_cut_in_the_middle_unless_all_are_asked_for() -> None:
    events = [Note(0.0, 1, f"event {number}") for number in range(100)]
    lines = drawn(*events)
    assert len(lines) == LINES + 3
    assert sum("40 lines, -v shows all" in line for line in lines) == 1
    assert len(drawn(*events, whole=True)) == 102


def test_terminal_escapes_are_text() -> None:
    lines = drawn(Note(0.0, 1, "\x1b[2Jred\x9b31m\u202e"), Received(0.1, 1, 0, 6, b"\x1b]0;a\x07", 0))
    assert all(line.isprintable() for line in lines)


def test_the_marks_of_a_line_are_its_own_and_not_those_of_its_text() -> None:
    arrow, fault, note = drawn(
        Received(0.0, 1, 0, 5, b"|  ! X", 0), Struck(0.0, 1, Reset(), 5, 0), Note(0.0, 1, "! no fault")
    )[2:]
    assert colour(arrow) == {"green": True}
    assert colour(fault) == {"red": True, "bold": True}
    assert colour(note) == {}
