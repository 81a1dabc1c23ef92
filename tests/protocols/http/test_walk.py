"""The walk of one request from wire to wire: which rooms of the house it goes through, and how often it turns back.

A room is a module. The walk enters it where another room calls it and it goes on into others itself; a room that only
answers is asked, not entered, and what is put on record is written down by the way. The walk turns back where a room is
entered that waits already, further down in the same chain of calls: it has called somebody who calls it back.
"""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from helpers import connect

import pytest_netmocks
from pytest_netmocks.protocols.http.server import HttpServer

PACKAGE = pathlib.Path(pytest_netmocks.__file__).parent
REQUEST = b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"


@dataclasses.dataclass
class Call:
    """A call of one of the house's functions, and those that it makes."""

    room: str
    function: str
    inner: list[Call] = dataclasses.field(default_factory=list)

    @property
    def goes_on(self) -> bool:
        """Whether it leads out of its room."""
        return any(call.goes_on if call.room == self.room else not call.writes_down for call in self.inner)

    @property
    def writes_down(self) -> bool:
        """Whether it only puts something on record."""
        return self.room.startswith("records.")


class Profile:
    """What a thread does, as calls within calls."""

    def __init__(self) -> None:
        self.top = Call("", "")
        self._chain = [self.top]

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        path = pathlib.Path(frame.f_code.co_filename)
        if not path.is_relative_to(PACKAGE):
            return
        if event == "call":
            call = Call(".".join(path.relative_to(PACKAGE).with_suffix("").parts), frame.f_code.co_name)
            self._chain[-1].inner.append(call)
            self._chain.append(call)
        elif event == "return" and len(self._chain) > 1:
            self._chain.pop()


def entered(call: Call, waiting: tuple[str, ...] = ()) -> Iterator[tuple[str, bool]]:
    """The rooms that the walk enters from that call on, each with whether it turns back there."""
    if (not waiting or call.room != waiting[-1]) and call.goes_on and not call.writes_down:
        yield call.room, call.room in waiting
    for inner in call.inner:
        yield from entered(inner, (*waiting, call.room))


def test_a_request_goes_through_nine_rooms_and_turns_back_twice(http_server: HttpServer) -> None:
    http_server.when("GET", "/other").reply(text="other")
    http_server.when("GET", "/hello").reply(text="hello")
    profile = Profile()
    with connect(http_server) as sock:
        try:
            for watched in (None, profile):
                http_server.run_in_loop(sys.setprofile, watched)
                sock.sendall(REQUEST)
                assert sock.recv(4096).endswith(b"\r\n\r\nhello")
        finally:
            http_server.run_in_loop(sys.setprofile, None)
    (walk,) = [call for call in profile.top.inner if (call.room, call.function) == ("link.wire", "_readable")]
    rooms = list(entered(walk))
    assert list(dict.fromkeys(room for room, _ in rooms)) == [
        "link.wire",
        "link.link",
        "link.inbound",
        "protocols.http.session",
        "protocols.http.receiving",
        "protocols.http.answering",
        "protocols.http.desk",
        "protocols.web.sender",
        "link.outbound",
    ]
    assert sum(back for _, back in rooms) <= 2, rooms
