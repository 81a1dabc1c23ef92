"""The timeline: what happened on a server, in order, and its text form.

Events are appended as they happen and formatted only when somebody reads them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

LIMIT = 10_000
"""Events that are kept; of more the oldest go, and the text says how many."""

SHOWN = 200
"""Events that the text form shows at most: a quarter of them from the beginning, the others from the end."""

PREVIEW = 32
"""Bytes of a piece of data that an event keeps."""

INDENT = 27
"""Columns before what happened, and before the further lines of it."""

Kind = Literal[
    "opened", "received", "sent", "ended", "closed", "fault", "note", "unmatched", "exchange", "server", "tls"
]


def shown(data: bytes) -> str:
    """Bytes on one line: how many, and the first of them."""
    return f"{len(data)} B  {data[:PREVIEW]!r}{'...' if len(data) > PREVIEW else ''}"


def between(asked: bytes, replies: Sequence[bytes]) -> str:
    """What was asked and what was answered on one line; of several answers the first, and how many follow."""
    first = shown(replies[0]) if replies else "no reply"
    rest = f" (and {len(replies) - 1} more)" if len(replies) > 1 else ""
    return f"{shown(asked)} -> {first}{rest}"


class Event(NamedTuple):
    """One thing that happened.

    `at` is seconds since the server started, `connection` the connection's id (`None`: the server itself). For data
    `size` counts bytes, over `pieces` reads or writes in a row, and `preview` holds the first of them.
    """

    at: float
    connection: int | None
    kind: Kind
    text: str = ""
    size: int = 0
    pieces: int = 0
    preview: bytes = b""

    def __str__(self) -> str:
        who = "server" if self.connection is None else f"connection {self.connection}"
        return f"{self.at:9.4f}  {who:<14}  {self.describe()}".replace("\n", "\n" + " " * INDENT)

    def describe(self) -> str:
        """What happened, without when and to whom."""
        if self.kind not in ("received", "sent"):
            return f"! {self.text}" if self.kind == "fault" else self.text
        arrow = ">" if self.kind == "received" else "<"
        pieces = f" in {self.pieces} pieces" if self.pieces > 1 else ""
        more = "..." if self.size > len(self.preview) else ""
        return f"{arrow} {self.kind} {self.size} B{pieces}  {self.preview!r}{more}"


class Timeline:
    """The events of one server, oldest first: iterate over it, index it, or `str()` it."""

    def __init__(self) -> None:
        self.title = ""
        # Lists with the fields of an `Event`: a piece of data is added to the one before it in place.
        self._events: deque[list[Any]] = deque(maxlen=LIMIT)
        self._last: list[Any] = [None] * 7
        self.count = 0
        self._forgotten = 0
        self.unmatched = 0
        """How many of them were of that kind."""

    def add(self, at: float, connection: int | None, kind: Kind, text: object) -> None:
        """Append something else than data; `text` is made to text by who reads it."""
        self._last = [at, connection, kind, text, 0, 0, b""]
        self.count += 1
        self._events.append(self._last)

    def data(self, at: float, connection: int, kind: Literal["received", "sent"], data: bytes | memoryview) -> None:
        """Append data, or add it to the event before it if that is the same flow."""
        last = self._last
        if last[1] == connection and last[2] == kind:
            if len(last[6]) < PREVIEW:
                last[6] += bytes(data[: PREVIEW - len(last[6])])
            last[4] += len(data)
            last[5] += 1
        else:
            self._last = [at, connection, kind, "", len(data), 1, bytes(data[:PREVIEW])]
            self.count += 1
            self._events.append(self._last)

    def unread(self, connection: int, size: int) -> None:
        """Take the last bytes off that a connection received."""
        for event in reversed(self._events):
            if not size:
                return
            if event[1] == connection and event[2] == "received":
                gone = min(size, event[4])
                size -= gone
                event[4] -= gone
                event[6] = event[6][: event[4]]

    @property
    def dropped(self) -> int:
        """How many of the oldest events were dropped."""
        return self.count - self._forgotten - len(self._events)

    def clear(self) -> None:
        """Begin anew; the count goes on."""
        self._events.clear()
        self._last = [None] * 7
        self._forgotten = self.count

    def forget(self, until: float) -> None:
        """Let go what happened up to then: it would hold what is no longer on record."""
        events = self._events
        while events and events[0][0] <= until:
            events.popleft()
        if not events:
            self._last = [None] * 7

    def __iter__(self) -> Iterator[Event]:
        return map(_event, self._events.copy())

    def __len__(self) -> int:
        return len(self._events)

    def __getitem__(self, index: int) -> Event:
        return _event(self._events[index])

    def since(self, count: int) -> list[Event]:
        """The kept events after the first `count` that ever were."""
        events = list(self)
        return events[max(0, count - (self.count - len(events))) :]

    def news(self, count: int) -> tuple[list[Event], int]:
        """As `since`, with the count to ask with next time; what comes is an event of its own.

        For the thread that writes.
        """
        self._last = [None] * 7
        return self.since(count), self.count

    def lines(self, since: int = 0, *, shown: int = SHOWN) -> list[str]:
        """The text form, an item an event under the title, `shown` at most; `since` as with `since()`."""
        events = self.since(since)
        lines = [str(event) for event in events]
        if len(lines) > shown:
            gap = len(lines) - shown
            lines[shown // 4 : shown // 4 + gap] = [f"{'...':>9}  {gap} events are not shown"]
        if self.dropped > max(0, since - self._forgotten):
            lines.insert(0, f"{'...':>9}  {self.dropped} earlier events are not kept")
        return [self.title, *(lines or [f"{'-':>9}  nothing happened"])]

    def __str__(self) -> str:
        return "\n".join(self.lines())


def _event(fields: list[Any]) -> Event:
    at, connection, kind, text, *data = fields
    return Event(at, connection, kind, str(text), *data)
