"""The way up: what comes from below waits for what stands above, and is handed to it in order."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator

from pytest_netmocks.engine.shaper import Eof
from pytest_netmocks.faults.base import Fault
from pytest_netmocks.link.ends import Act, Event, State
from pytest_netmocks.link.flows import DOWN, UP, Flows
from pytest_netmocks.link.ports import Record
from pytest_netmocks.link.transport import TransportBase


class Inbound(TransportBase):
    """The part of a link that hands bytes to what stands on it, when that wants them."""

    __slots__ = (
        "_backlog",
        "_flows",
        "_reading_paused",
        "_state",
        "_up_full",
        "_when_read",
        "record",
    )

    _flows: Flows

    def __init__(self, loop: asyncio.AbstractEventLoop, record: Record) -> None:
        super().__init__(loop)
        self.record = record
        self._backlog: deque[bytes | Eof] | None = None
        """What came while nobody wanted it; `None` as long as there was no such thing."""
        self._reading_paused = False
        self._up_full = False
        self._state = State.OPEN
        self._when_read: Callable[[], None] | None = None
        """What is to be done once the protocol has everything."""

    @property
    def over(self) -> bool:
        """Whether the connection has ended for the server, whatever the wire still has to do."""
        return self._state.over

    def _happens(self, event: Event) -> None:
        """Go on to the state that the table has for it, and do what it says."""
        step = self._state.after.get(event)
        if step is not None:
            self._state, act = step
            self._do(act)

    @abstractmethod
    def _do(self, act: Act) -> None:
        """Do what a row of the table says."""

    def _arrive(self, data: bytes) -> None:
        if not self._state.reads:
            return
        if self._reading_paused or self._above is None:
            self._keep(data)
            return
        self.record.received(data)
        try:
            self._above.data_received(data)
        except Exception as error:  # noqa: BLE001  # what a handler raises goes on record and fails the test
            self._fail(error)

    def _arrive_eof(self) -> None:
        if not self._state.reads:
            return
        if self._reading_paused or self._above is None:
            self._keep(Eof.EOF)
        else:
            self._happens(Event.CLIENT_FINISHES)

    def _tell_finished(self) -> None:
        assert self._above is not None
        try:
            self._above.peer_finished()
        except Exception as error:  # noqa: BLE001
            self._fail(error)

    def _keep(self, item: bytes | Eof) -> None:
        if self._backlog is None:
            self._backlog = deque()
        self._backlog.append(item)

    @abstractmethod
    def _fail(self, error: Exception) -> None:
        """What the protocol raised ends the connection."""

    def pause_reading(self) -> None:
        """Hand up nothing more for now."""
        if not self._reading_paused:
            self._reading_paused = True
            self._balance_reading()

    def resume_reading(self) -> None:
        """Hand up what comes, what came meanwhile first."""
        if not self._reading_paused:
            return
        self._reading_paused = False
        self._hand_up()
        self._balance_reading()

    def _hand_up(self) -> None:
        while self._backlog and not self._reading_paused:
            item = self._backlog.popleft()
            if isinstance(item, Eof):
                self._arrive_eof()
            else:
                self._arrive(item)
        if self._when_read is not None and not self._backlog:
            self._when_read()

    def push_back(self, data: bytes) -> None:
        """Hand up again what one protocol took and another is to have, and then what comes.

        The one before has to have paused the reading.
        """
        self._reading_paused = False
        if data and not self._state.closing and self._above is not None:
            try:
                self._above.data_received(data)
            except Exception as error:  # noqa: BLE001
                self._fail(error)
        self._hand_up()
        self._balance_reading()

    @contextlib.contextmanager
    def again(self, data: bytes) -> Iterator[int]:
        """Take back what the protocol has not dealt with, and what waits behind it, to come again.

        Faults that are armed meanwhile have it as they have what comes later. Gives the place of its first byte in the
        stream, for `arm`.
        """
        self.record.unread(len(data))
        items = [*([data] if data else []), *(self._backlog or ())]
        self._backlog = None
        with self._flows.again(items) as place:
            yield place

    def take_unread(self) -> tuple[bytes, bool]:
        """Take out what has come and what stands above has not got; gives the bytes, and whether the peer's end came.

        Faults hold none of it any more.
        """
        items = [*(self._backlog or ()), *self._flows.take_out(UP)]
        self._backlog = None
        finished = self._state.client_is_done or any(isinstance(item, Eof) for item in items)
        return b"".join(item for item in items if not isinstance(item, Eof)), finished

    @property
    def unread(self) -> bool:
        """Whether bytes have come that nobody has read."""
        return bool(self._backlog) or self._below.unread

    def is_reading(self) -> bool:
        """Whether the protocol wants what comes."""
        return not self._reading_paused and not self._state.closing

    def _balance_reading(self) -> None:
        if self._state.over:
            return
        if self._reading_paused or self._up_full:
            self._below.pause_reading()
        else:
            self._below.resume_reading()

    # What faults do to bytes, on record

    def strike_answer(self, fault: Fault) -> None:
        """Put on record that a fault speaks in place of the answer."""
        self.record.struck(fault)
        self.record.ended("fault", "the answer is the fault's")

    def held(self, *, upward: bool, size: int, faults: tuple[Fault, ...]) -> None:
        """Bytes wait at these faults."""
        self.record.held(UP if upward else DOWN, size, faults)

    def swallowed(self, *, upward: bool, size: int, fault: Fault) -> None:
        """A fault has thrown bytes away."""
        self.record.swallowed(UP if upward else DOWN, size, fault)
