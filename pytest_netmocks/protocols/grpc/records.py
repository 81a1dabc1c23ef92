"""`GrpcCall`: one call on record, from its head on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

from pytest_netmocks.protocols.grpc.inflow import Inflow, Messages
from pytest_netmocks.protocols.grpc.metadata import NONE, Metadata
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.plain import TOLD, plain_data
from pytest_netmocks.records.sides import Sides

SHOWN = 60
"""Characters of a message in a line."""


class GrpcCall:
    """One call as the server understood it, and what it was answered.

    `method` is its path, `"/package.Service/Method"`, `messages` are those of the client: of the type that a servicer
    or a generated module gives them, else bytes. `deadline` is how many seconds the client waits, `None` for ever.
    `status` is the name of the status that it ended with, `None` as long as it has not: what was answered, or
    `"CANCELLED"` or `"DEADLINE_EXCEEDED"` where the client gave up, which is `cancelled` then. `details` is the text
    with it. `replies`, `initial_metadata` and `trailing_metadata` are what was sent, as much of it as faults let out.
    `at`, `answered_at` and `ended_at` are seconds since the server started.

    Iterating over a call gives its messages as they come and ends when the client has sent its last one: in a reply's
    function with `for` or `async for`.
    """

    __slots__ = (
        "__weakref__",
        "_inflow",
        "answered_at",
        "answered_by",
        "at",
        "authority",
        "cancelled",
        "complete",
        "connection",
        "deadline",
        "details",
        "encoding",
        "ended_at",
        "initial_metadata",
        "messages",
        "metadata",
        "method",
        "number",
        "replies",
        "status",
        "stream",
        "trailing_metadata",
    )

    told: ClassVar[bool] = True
    """Whether the timeline has a line of it."""

    def __init__(
        self, method: str, metadata: Metadata, connection: Connection, stream: int, at: float, inflow: Inflow
    ) -> None:
        self.method = method
        self.metadata = metadata
        """What came with the call: `metadata["x-id"]` is the last value of that name."""
        self.connection = connection
        self.stream = stream
        """The number of its HTTP/2 stream."""
        self.at = at
        self.authority = ""
        """Which host the client asked."""
        self.deadline: float | None = None
        self.encoding = "identity"
        """How its messages are compressed, those that are."""
        self.messages: list[Any] = []
        self.complete = False
        """Whether the client has sent its last message."""
        self.replies: list[Any] = []
        self.initial_metadata: Metadata = NONE
        self.trailing_metadata: Metadata = NONE
        self.status: str | None = None
        self.details = ""
        self.cancelled = False
        """Whether the client gave up, or went away, before it was answered."""
        self.answered_by = ""
        """The rule or servicer that answered."""
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        self.number = 0
        """Its place on the connection, from 1."""
        self._inflow = inflow

    @property
    def service(self) -> str:
        """The name of the service: the first part of the method."""
        return self.method[1:].partition("/")[0]

    def __iter__(self) -> Iterator[Any]:
        return Messages(self._inflow)

    def __aiter__(self) -> AsyncIterator[Any]:
        return Messages(self._inflow)

    def __str__(self) -> str:
        return f"{self._asked} -> {self._answered or 'no answer'}"

    @property
    def _asked(self) -> str:
        return f"{self.method} {in_words(self.messages)}".rstrip()

    @property
    def _answered(self) -> str:
        if self.status is None:
            return in_words(self.replies)
        words = [self.status, self.details if self.status != "OK" else "", in_words(self.replies)]
        if self.cancelled:
            words[1] = "(the client gave up)"
        return " ".join(word for word in words if word)

    def sides(self) -> Sides:
        """Call and answer in words."""
        refuses = self.status not in (None, "OK")
        return Sides(self._asked, self._answered, by=self.answered_by, refuses=refuses, code=self.status or "")

    def to_dict(self) -> dict[str, Any]:
        """What it was, as JSON can have it."""
        return {
            "call": {
                "method": self.method,
                "metadata": [[name, _plain(value)] for name, value in self.metadata],
                "messages": [_plain(message) for message in self.messages],
                "deadline": self.deadline,
                "replies": [_plain(reply) for reply in self.replies],
                "initial_metadata": [[name, _plain(value)] for name, value in self.initial_metadata],
                "trailing_metadata": [[name, _plain(value)] for name, value in self.trailing_metadata],
                "status": self.status,
                "details": self.details,
                "cancelled": self.cancelled,
                "stream": self.stream,
            }
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


def in_words(messages: list[Any]) -> str:
    """Messages on one line: the first, and how many there are."""
    if not messages:
        return ""
    first = shown(messages[0])
    return first if len(messages) == 1 else f"{first} (and {len(messages) - 1} more)"


def shown(message: Any) -> str:
    """A short form for reports; of protobuf that is its text on one line."""
    described = getattr(message, "DESCRIPTOR", None)
    text = repr(message) if described is None else f"{described.name}({' '.join(str(message).split())})"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return plain_data(value[:TOLD], len(value))
    return value if isinstance(value, str) else shown(value)
