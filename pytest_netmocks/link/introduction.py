"""`Introduction`: the layer that takes the PROXY header off what comes, before anything above begins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pytest_netmocks.link.passing import Transparent
from pytest_netmocks.link.proxy_protocol import BadHeaderError, Reader
from pytest_netmocks.records.proxied import ProxyHeader

PATIENCE = 5.0
"""Seconds in which the header has to come. HAProxy's proxy-protocol.txt, section 2, asks for 3 at least."""


class Introduction(Transparent):
    """Stands below the links: they count from the first byte behind the header.

    `met` is called with the header, and then what was to wait for it begins; `refused` with the reason why none has
    come. After either it passes everything on.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        met: Callable[[ProxyHeader], None],
        refused: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._met = met
        self._refused = refused
        self._reader: Reader | None = Reader()
        self._begin: Callable[[], None]
        self._timer: asyncio.TimerHandle | None = None
        self._reads = False
        """Whether the layer above wants what comes."""

    def wait(self, begin: Callable[[], None]) -> None:
        """Let that begin once the header is here."""
        if self._reader is None:  # a fault has ended the connection
            return
        self._begin = begin
        self._timer = self._loop.call_later(PATIENCE, self._refuse, f"it has not come within {PATIENCE:g} s")
        self._below.resume_reading()

    @property
    def waits(self) -> bool:
        """Whether the header is not here yet."""
        return self._reader is not None

    def _refuse(self, why: str) -> None:
        self._over()
        self._refused(f"no PROXY header: {why}")

    def _over(self) -> None:
        self._reader = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What the layer below calls

    def data_received(self, data: bytes) -> None:
        """The peer sent this."""
        if self._reader is None:
            self._above.data_received(data)
            return
        try:
            found = self._reader.feed(data)
        except BadHeaderError as error:
            self._refuse(str(error))
            return
        if found is None:
            return
        header, rest = found
        self._over()
        self._met(header)
        self._begin()
        if not self._reads:
            self._below.pause_reading()
        if rest:
            self._above.data_received(rest)

    def peer_finished(self) -> None:
        """The peer's FIN."""
        self._above.peer_finished()
        if self._reader is not None:
            self._refuse("the peer has finished before it was whole")

    def end_of_stream(self) -> None:
        """The peer's end, which is on record."""
        self._above.end_of_stream()
        if self._reader is not None:
            self._refuse("the peer has finished before it was whole")

    def wire_lost(self, error: Exception | None) -> None:
        """There is nobody any more who could send a header."""
        self._over()
        self._above.wire_lost(error)

    def gone(self, error: Exception | None) -> None:
        """As `wire_lost`."""
        self._over()
        self._above.gone(error)

    # What the layer above calls

    def resume_reading(self) -> None:
        """Hand up what comes behind the header."""
        self._reads = True
        self._below.resume_reading()

    def pause_reading(self) -> None:
        """Hand up nothing; the header is read all the same."""
        self._reads = False
        if self._reader is None:
            self._below.pause_reading()

    def finish(self, *, at_once: bool = False, past_faults: bool = False, notify: bool = True) -> None:
        """The header is waited for no more."""
        self._over()
        self._below.finish(at_once=at_once, past_faults=past_faults, notify=notify)

    def reset(self, *, at_once: bool = False) -> None:
        """As `finish`."""
        self._over()
        self._below.reset(at_once=at_once)
