"""`Hub`: what servers tell, made plain by a thread of its own and given to all who read along."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from pytest_netmocks import clock
from pytest_netmocks.faults.base import Fault
from pytest_netmocks.faults.forms import parse
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.records.events import Event, Exchange, InForce, Piece
from pytest_netmocks.reports.live.reader import Reader
from pytest_netmocks.reports.page import row_of
from pytest_netmocks.reports.plain import TITLE, Plain, told
from pytest_netmocks.reports.recording import Recording
from pytest_netmocks.reports.tape import Told, described, since_before

BEHIND = 20_000
"""Events that wait to be made plain at most; what comes when there are as many is counted and left out."""

PIECE = 64 * 1024
"""Bytes of a piece of data that are shown live."""

KEPT = 30_000
"""Events of what goes on that one has who opens the page later."""

ROOM = 64 << 20
"""Bytes that wait to be made plain, characters of what goes on and of what is over: each has room for so many."""

BATCH = 500
"""Events in one message."""

BATCH_BYTES = 1 << 20
"""Bytes of data in one message, about: a browser that is slow loses whole messages."""

PAUSE = 0.05
"""Seconds in which events are gathered before they are sent: a page that is drawn more often is no easier to read."""


class Server(Told, Protocol):
    """What is needed of a server whose faults are put in force by hand."""

    @property
    def closed(self) -> bool:
        """Whether it is gone for good."""

    @property
    def in_force(self) -> list[Injection]:
        """What is in force on it."""

    @property
    def inject(self) -> Callable[..., Injection]:
        """Puts a fault in force."""


class Watched:
    """A server that is on the page."""

    def __init__(self, number: int, server: Server) -> None:
        self.number = number
        self.server = server
        self.plain = Plain(number)
        self.hear: Callable[[Event], object] | None = None


class _GoingOn:
    """What is kept of what goes on, for who comes later: the newest events."""

    def __init__(self, begun: str) -> None:
        self.begun = begun
        self.servers: list[str] = []
        self.events: deque[tuple[str, int]] = deque()
        self._count = self._size = 0

    def add(self, message: str, count: int) -> None:
        """One more message with so many events."""
        self.events.append((message, count))
        self._count += count
        self._size += len(message)
        while len(self.events) > 1 and (self._count > KEPT or self._size > ROOM):
            gone, number = self.events.popleft()
            self._count -= number
            self._size -= len(gone)


class Hub:
    """Gathers and hands on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._news = threading.Event()
        self._lost = 0
        self._came = self._took = 0
        """Bytes that were put into the queue, counted by who puts them there, and taken out of it, by our thread."""
        self._watched: dict[int, Watched] = {}
        self._readers: list[Reader] = []
        self._number = 0
        self._recordings = 0
        self._head: dict[str, Any] | None = None
        """Of what has begun, until there is a server: what has none is nothing to be shown."""
        self._going_on: dict[int, _GoingOn] = {}
        self._done: deque[str] = deque()
        self._size = 0
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="netmocks live page", daemon=True)
        self._thread.start()

    # What happens: called by whoever tests, and by the servers' thread

    def begin(self, title: str, servers: Iterable[Server] = (), **facts: Any) -> int:
        """Something begins, a test for one, on these servers and those that are watched later; gives its number."""
        with self._lock:
            self._recordings += 1
            number = self._recordings
            gone, self._watched = self._watched, {}
        for one in gone.values():
            self._forget(one)
        self._head = Recording(title, outcome="", began=clock.wall(), **facts).head()
        for server in servers:
            self.watch(server)
            self._tell_before(server)
        return number

    def watch(self, server: Server) -> None:
        """Hear a server from now on, as a part of what began last."""
        with self._lock:
            self._number += 1
            watched = self._watched[self._number] = Watched(self._number, server)
            number = self._recordings
            head, self._head = self._head, None
        if head is not None:
            self._put(self._begin, number, head)

        def hear(event: Event) -> None:
            if len(self._waiting) >= BEHIND:
                self._lost += 1
                return
            if isinstance(event, Piece):
                if self._came - self._took > ROOM:
                    self._lost += 1
                    return
                kept = event.beginning(PIECE)  # it is lent
                self._came += len(kept)
                event = type(event)(*event._replace(source=kept, start=0))
            self._put(None, number, watched, event)

        watched.hear = hear
        self._put(self._show, number, watched)
        server.journal.subscribe(hear)

    def _tell_before(self, server: Server) -> None:
        watched = next(one for one in self._watched.values() if one.server is server)
        now = server.journal.now()
        before = [since_before(connection, now) for connection in list(server.journal.open.values())]
        for event in [*before, *(InForce(now, None, injection, False) for injection in server.in_force)]:
            self._put(None, self._recordings, watched, event)

    def end(self, number: int) -> None:
        """What began under that number is over, and not kept: what it came to follows, if it does."""
        if self._head is None:
            self._put(self._end, number)
        self._head = None

    def done(self, recording: Recording, packed: str) -> None:
        """A whole recording of something that is over."""
        self._put(self._finish, recording, packed)

    def _put(self, do: Callable[..., None] | None, *what: Any) -> None:
        self._waiting.append((do, *what))
        self._news.set()

    @staticmethod
    def _forget(watched: Watched) -> None:
        if watched.hear is not None:
            watched.server.journal.unsubscribe(watched.hear)

    # By hand: called by the threads of browsers

    def inject(self, number: int, text: str) -> None:
        """Put a fault in force on a server that is watched. Raises `ValueError` or `TypeError` where that cannot be."""
        server = self._server(number).server
        fault, options = parse(text)
        assert isinstance(fault, Fault)
        # Nobody has promised that it strikes.
        server.inject(fault, **options).expected = False

    def lift(self, number: int, injection: int) -> None:
        """Lift one of its faults. Raises `ValueError` where there is none of that number."""
        found = self._server(number).plain.injection(injection)
        if not isinstance(found, Injection):
            raise ValueError(f"there is no fault {injection} on this server")
        found.lift()

    def _server(self, number: int) -> Watched:
        with self._lock:
            watched = self._watched.get(number)
        if watched is None or watched.server.closed:
            raise ValueError("this server is gone")
        return watched

    # Who reads along

    def reader(self) -> Reader:
        """Somebody who gets all that is kept, and then what comes."""
        with self._lock:
            kept = list(self._done)
            for one in self._going_on.values():
                kept += [one.begun, *one.servers, *(message for message, _ in one.events)]
            reader = Reader(kept)
            self._readers.append(reader)
        return reader

    def leave(self, reader: Reader) -> None:
        """That one reads no more."""
        with self._lock:
            self._readers = [one for one in self._readers if one is not reader]

    def close(self) -> None:
        """Hear nobody any more; who reads gets what there is, and then the end."""
        with self._lock:
            gone, self._watched = self._watched, {}
        for one in gone.values():
            self._forget(one)
        self._closed = True
        self._news.set()
        self._thread.join(5)

    # The thread

    def _work(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            closed = self._closed
            if not closed:
                clock.block(PAUSE)
            self._send()
            if closed:
                break
        with self._lock:
            readers = list(self._readers)
        for reader in readers:
            reader.end()

    def _send(self) -> None:
        """Make plain what waits, and hand it on; events in a row are one message."""
        batch: list[dict[str, Any]] = []
        of = size = 0
        for _ in range(len(self._waiting)):
            do, *what = self._waiting.popleft()
            if do is not None or of != what[0] or len(batch) >= BATCH or size >= BATCH_BYTES:
                batch = self._flush(of, batch)
                size = 0
            if do is not None:
                do(*what)
                continue
            of, watched, event = what
            if isinstance(event, Piece):
                self._took += len(event.source)
                size += len(event.source)
            batch.append(_plain(watched, event))
        self._flush(of, batch)
        if self._lost:
            lost, self._lost = self._lost, 0
            self._hand_on(_json({"lost": lost}))

    def _flush(self, number: int, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if batch:
            message = _json({"of": number, "events": batch})
            with self._lock:
                if number in self._going_on:
                    self._going_on[number].add(message, len(batch))
            self._hand_on(message, len(batch))
        return []

    def _begin(self, number: int, head: dict[str, Any]) -> None:
        message = _json({"begin": number, "head": head})
        with self._lock:
            self._going_on[number] = _GoingOn(message)
        self._hand_on(message)

    def _show(self, number: int, watched: Watched) -> None:
        journal = watched.server.journal
        began = journal.began_wall or clock.wall()
        message = _json({"of": number, "server": described(watched.number, watched.server, began)})
        with self._lock:
            if number in self._going_on:
                self._going_on[number].servers.append(message)
        self._hand_on(message)

    def _end(self, number: int) -> None:
        with self._lock:
            self._going_on.pop(number, None)
        self._hand_on(_json({"end": number}))

    def _finish(self, recording: Recording, packed: str) -> None:
        message = _json({"done": row_of(recording), "packed": packed})
        with self._lock:
            self._done.append(message)
            self._size += len(message)
            while self._size > ROOM and len(self._done) > 1:
                self._size -= len(self._done.popleft())
        self._hand_on(message)

    def _hand_on(self, message: str, events: int = 0) -> None:
        with self._lock:
            readers = list(self._readers)
        for reader in readers:
            reader.put(message, events)


def _plain(watched: Watched, event: Event) -> dict[str, Any]:
    made = watched.plain(event)
    if isinstance(event, Exchange):
        # It grows while one looks.
        made["title"] = str(event.exchange)[:TITLE]
        if event.phase == "delivered":
            made |= told(event.exchange)
    return made


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), default=str)
