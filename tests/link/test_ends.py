"""The ends of a link: a real link does what each row of the table says, and nothing where there is no row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playbook import FIN, Stage

from pytest_netmocks.engine.shaper import Eof
from pytest_netmocks.faults import Latency
from pytest_netmocks.link.ends import TABLE, Act, Event, State
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.tcp.server import TcpServer

HAPPENS: dict[Event, Callable[[Link], None]] = {
    Event.CLIENT_FINISHES: lambda link: link.deliver(Eof.EOF, upward=True),
    Event.CLIENT_END_LOST: lambda link: link.end_swallowed(upward=True, both=False),
    Event.SERVER_FINISHES: Link.write_eof,
    Event.SERVER_CLOSES: Link.close,
    Event.SERVER_RESETS: Link.reset_in_turn,
    Event.FIN_THROUGH: lambda link: link.deliver(Eof.EOF, upward=False),
    Event.RST_THROUGH: lambda link: link.deliver(Eof.RESET, upward=False),
    Event.SERVER_END_LOST: lambda link: link.end_swallowed(upward=False, both=False),
    Event.ALL_LOST: lambda link: link.end_swallowed(upward=False, both=True),
}

SEEN: dict[Act | None, list[str]] = {
    None: [],
    Act.NOTHING: [],
    Act.TELL_FINISHED: ["above: peer_finished"],
    Act.NOTE_CLIENT_GONE: ["record: closed client"],
    Act.SEND_FIN: ["record: ended server", "faults: feed EOF"],
    Act.SEND_RST: ["faults: feed RESET"],
    Act.HALF_CLOSE: ["below: write_eof"],
    Act.FINISH: ["below: finish"],
    Act.RESET: ["record: closed server", "above: gone", "below: reset"],
    Act.FALL_SILENT_AFTER_CLIENT: ["record: closed client", "above: gone", "below: pause_reading"],
    Act.FALL_SILENT: ["record: closed server", "above: gone", "below: pause_reading"],
}
"""What the link's neighbours notice of each act."""


class Neighbour:
    """Writes down what it is called for."""

    down = "a pipe that holds whatever is fed to it"

    def __init__(self, name: str, seen: list[str]) -> None:
        self._name = name
        self._seen = seen

    def __getattr__(self, call: str) -> Callable[..., None]:
        def called(*arguments: Any, **options: Any) -> None:
            said = [one.name if isinstance(one, Eof) else str(one) for one in arguments]
            told = {"closed": said[:1], "ended": said[:1], "feed": said[1:]}.get(call, [])
            self._seen.append(f"{self._name}: {' '.join([call, *told])}")

        return called


def way_to(state: State) -> list[Event]:
    """The shortest one from `OPEN`."""
    ways: list[tuple[State, list[Event]]] = [(State.OPEN, [])]
    for here, way in ways:  # which grows meanwhile
        if here is state:
            return way
        known = [there for there, _ in ways]
        ways += [(there, [*way, event]) for event, (there, _) in TABLE[here].items() if there not in known]
    raise AssertionError(f"nothing leads to {state}")


@pytest.fixture
def seen() -> list[str]:
    """What the link's neighbours notice."""
    return []


@pytest.fixture
def link(state: State, seen: list[str]) -> Link:
    """A link that has come to that state by what happens."""
    neighbour: Any = Neighbour
    link = Link(neighbour("loop", []), neighbour("record", seen))
    link._flows = neighbour("faults", seen)
    link._below = neighbour("below", seen)
    link._above = neighbour("above", seen)
    link._writing_paused = True
    for event in way_to(state):
        HAPPENS[event](link)
    assert link._state is state
    seen.clear()
    return link


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_a_link_does_what_the_row_says_and_nothing_where_there_is_none(
    link: Link, seen: list[str], state: State, event: Event
) -> None:
    there, act = TABLE[state].get(event, (state, None))
    HAPPENS[event](link)
    assert link._state is there
    assert [call for call in seen if call not in ("faults: close", "faults: fall_silent")] == SEEN[act]


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_a_link_takes_and_hands_up_only_what_its_state_says(link: Link, seen: list[str], state: State) -> None:
    link.write(b"x")
    link.deliver(b"y", upward=True)
    assert ("record: sent" in seen, "above: data_received" in seen) == (state.writes, state.reads)
    assert (link.is_closing(), link.over) == (state.closing, state.over)


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_from_everywhere_it_can_be_over_at_once_and_never_twice(link: Link, seen: list[str], state: State) -> None:
    link.gone(None)
    link.gone(None)
    assert link._state is State.OVER
    assert seen.count("above: gone") == (state is not State.OVER)


ROWS = [(here, event, *row) for here, after in TABLE.items() for event, row in after.items()]


def test_every_state_is_in_the_table_and_every_event_and_act_in_some_row() -> None:
    assert list(TABLE) == list(State)
    assert {event for _, event, _, _ in ROWS} == set(Event)
    assert {act for *_, act in ROWS} == set(Act)
    assert set(HAPPENS) == set(Event)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0].name}-{row[1].name}")
def test_what_is_given_up_does_not_come_back(row: tuple[State, Event, State, Act]) -> None:
    here, _, there, act = row
    assert here.reads >= there.reads
    assert here.writes >= there.writes
    assert here.closing <= there.closing
    assert (act is Act.TELL_FINISHED) <= (here.reads and not there.reads)  # told once
    assert (act is Act.SEND_FIN) <= (here.writes and not there.writes)  # sent once


@pytest.mark.in_memory
def test_an_rst_of_the_server_comes_behind_its_fin_that_a_fault_still_holds(
    tcp_server: TcpServer, stage: Stage
) -> None:
    tcp_server.inject(Latency(5))
    client = stage.connect(tcp_server)
    (stack,) = tcp_server.front.links.values()
    tcp_server.run_in_loop(stack.link.write_eof)
    stage.pass_time(1)
    tcp_server.run_in_loop(stack.link.fail)
    client << FIN
    assert not client.end.was_reset
    stage.pass_time(1)
    assert client.end.was_reset
