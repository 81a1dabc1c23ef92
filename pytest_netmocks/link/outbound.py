"""The way down: what is written goes through the faults to the layer below, and who writes hears of its room."""

from __future__ import annotations

import asyncio
from typing import Any

from pytest_netmocks import clock
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.shaper import Eof
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link.ends import Event
from pytest_netmocks.link.inbound import Inbound
from pytest_netmocks.link.ports import Record


class Outbound(Inbound):
    """The part of a link that takes bytes from what stands on it."""

    __slots__ = (
        "_below_full",
        "_divided",
        "_down_full",
        "_pauses",
        "_writing_paused",
        "on_answers",
        "to_be_secured",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, record: Record) -> None:
        super().__init__(loop, record)
        self._divided = False
        """Whether what is written and what is delivered may differ: a fault stands between, or has."""
        self._down_full = False
        self._below_full = False
        self._writing_paused = False
        self._pauses = 0
        """How many answers wait for their time."""
        self.to_be_secured = False
        """Whether TLS begins behind what was written."""
        self.on_answers: tuple[tuple[Injection, Draws], ...] = ()
        """Faults that count the messages of each answer: whoever gives the next one arms them."""

    # What stands above calls

    async def pause(self, seconds: float) -> None:
        """Let that time pass before an answer: if nobody can get it any more, meanwhile the connection ends."""
        self._pauses += 1
        try:
            await clock.sleep(seconds)
        finally:
            self._pauses -= 1

    def write(self, data: Any) -> None:
        """Send bytes to the client, through the faults. Raises `TypeError` for what has none."""
        if not isinstance(data, bytes):
            data = bytes(memoryview(data))
        if not self._state.writes or not data:
            return
        self.record.sent(data)
        pipe = self._flows.down
        if pipe is None:
            if self._divided:
                self.record.delivered(data)
            self._below.write(data)
        else:
            self._flows.feed(pipe, data)

    def write_eof(self) -> None:
        """Send a FIN after what was written, and go on receiving."""
        self._happens(Event.SERVER_FINISHES)

    def _send_fin(self) -> None:
        self.record.ended("server", "the server has finished", "FIN")
        pipe = self._flows.down
        if pipe is None:
            self._happens(Event.FIN_THROUGH)
        else:
            self._flows.feed(pipe, Eof.EOF)

    def _send_rst(self) -> None:
        pipe = self._flows.down
        if pipe is None:
            self._happens(Event.RST_THROUGH)
        else:
            self._flows.feed(pipe, Eof.RESET)

    def keep_apart(self, *, apart: bool) -> None:
        """Whether what is written at once leaves so."""
        self._below.keep_apart(apart=apart)

    def hold_for_the_end(self) -> None:
        """Let what is written wait for the FIN that follows it unless a fault parts them."""
        if self._flows.down is None:
            self._below.hold_for_the_end()

    def lets_answers_be(self) -> bool:
        """Whether no fault and no end is in the way of an answer that is written now."""
        return self._flows.down is None and self._state.writes and not self.on_answers

    @property
    def unwritable(self) -> str | None:
        """Why nothing can be written any more, `None` as long as something can."""
        return None if self._state.writes else self._state.says

    def passing(self, data: bytes) -> bytes:
        """What of these bytes, if they are written now, goes out past the faults that are known."""
        if not self._state.writes:
            return b""
        pipe = self._flows.down
        room = pipe.room if pipe is not None else None
        return data if room is None else data[:room]

    @property
    def buffered(self) -> int:
        """Bytes that were written and have not left, whether a fault or the client holds them."""
        return self._below.buffered + self._flows.held

    def get_write_buffer_size(self) -> int:
        """As `buffered`, by asyncio's name."""
        return self.buffered

    # What the layer below calls

    def pause_writing(self) -> None:
        """The layer below has too much to write."""
        self._below_full = True
        self._balance_writing()

    def resume_writing(self) -> None:
        """The layer below has room again."""
        self._below_full = False
        self._balance_writing()

    def _balance_writing(self) -> None:
        pause = self._below_full or self._down_full
        if pause == self._writing_paused or self._state.over or self._above is None:
            return
        self._writing_paused = pause
        if pause:
            self._above.pause_writing()
        else:
            self._above.resume_writing()
