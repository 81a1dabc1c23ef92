"""`Recording`: all that happened on the servers of one test, as JSON can have it; every output is made of one.

Its form is that of the JSON lines (`docs/events.md`): a head, and one object for each event, in order.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Literal

SCHEMA = 1
"""The version of the form: it grows when a reader of the older would misread the newer."""

Outcome = Literal["passed", "failed", "skipped", ""]


_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclasses.dataclass
class Recording:
    """What happened, once and for all.

    `began` is in seconds since 1970 (UTC), `seconds` how long it took. Each of `servers` has a number, `"id"`, by which
    events name it, and when its clock was at 0, `"began"`. An event has `"server"`, `"at"` (seconds by that clock),
    `"event"` (its kind), `"connection"` where it is of one, and what belongs to its kind.
    """

    title: str = ""
    outcome: Outcome = ""
    began: float = 0.0
    seconds: float = 0.0
    seed: int | None = None
    virtual: bool = False
    """Whether its times are virtual."""
    cause: str = ""
    """What ended it, in one line."""
    error: str = ""
    """What the test failed by, as pytest shows it."""
    place: str = ""
    """Of a run of a sweep: where its fault was."""
    sweep: dict[str, Any] | None = None
    """What the sweep came to, whose run it is."""
    notes: list[str] = dataclasses.field(default_factory=list)
    """What is to be known of it: what is missing, for one."""
    servers: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    events: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    written: str = dataclasses.field(default="", repr=False, compare=False)
    """The events as an array of JSON, until somebody has called `read`: there are none in `events` before."""

    def head(self) -> dict[str, Any]:
        """All but the events."""
        head = {"netmocks": SCHEMA, **vars(self)}
        del head["events"], head["written"]
        return head

    def read(self) -> None:
        """Make events of what is written."""
        if self.written:
            self.events, self.written = json.loads(self.written), ""

    def lines(self) -> Iterator[str]:
        """The JSON lines."""
        yield dumped(self.head())
        for event in self.events:
            yield dumped(event)

    @classmethod
    def of_lines(cls, lines: Iterable[str]) -> Recording:
        """What such lines say. Raises `ValueError` where they are none, or of a version that nobody here knows."""
        given = iter(lines)
        try:
            head = json.loads(next(given))
            events = [json.loads(line) for line in given if line.strip()]
        except (StopIteration, json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"these are no JSON lines of a recording: {error}") from None
        if not isinstance(head, dict) or not isinstance(head.get("netmocks"), int):
            raise ValueError('these are no JSON lines of a recording: the first has no "netmocks"')
        if head["netmocks"] > SCHEMA:
            raise ValueError(f"the recording is of version {head['netmocks']}; known are those up to {SCHEMA}")
        known = {field.name for field in dataclasses.fields(cls)} - {"events", "written"}
        if not all(isinstance(event, dict) for event in events):
            raise ValueError("these are no JSON lines of a recording: a line is no object")
        return cls(**{name: value for name, value in head.items() if name in known}, events=events)

    def text(self) -> str:
        """Two lines, the head and all events as one array: many small texts take much longer."""
        return f"{dumped(self.head())}\n{self.written or dumped(self.events)}"

    @classmethod
    def of_text(cls, text: str) -> Recording:
        """The recording again; its events are written."""
        head, _, events = text.partition("\n")
        recording = cls.of_lines([head])
        recording.written = events
        return recording

    def pack(self) -> str:
        """Its text, packed."""
        return packed(self.text())

    @classmethod
    def unpack(cls, text: str) -> Recording:
        """The recording again."""
        recording = cls.of_text(unpacked(text))
        recording.read()
        return recording

    def began_of(self, event: dict[str, Any]) -> float:
        """When the clock of the event's server was at 0, in seconds since 1970."""
        return next((float(one["began"]) for one in self.servers if one["id"] == event.get("server")), self.began)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # `dumps` makes an encoder each time


def dumped(value: Any) -> str:
    """JSON on one line, of characters that UTF-8 has."""
    text = _encode(value)
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return json.dumps(value, separators=(",", ":"))


def packed(text: str) -> str:
    """A text compressed (raw deflate) and in base64: what goes into the page."""
    data = text.encode()
    # A window that is larger than the text would only be memory to be had and cleared.
    window = min(zlib.MAX_WBITS, max(9, len(data).bit_length()))
    packer = zlib.compressobj(wbits=-window, memLevel=zlib.DEF_MEM_LEVEL if window == zlib.MAX_WBITS else 6)
    return base64.b64encode(packer.compress(data) + packer.flush()).decode()


def unpacked(text: str) -> str:
    """The text again."""
    return zlib.decompress(base64.b64decode(text), -zlib.MAX_WBITS).decode()
