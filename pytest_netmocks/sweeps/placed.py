"""Faults as a sweep places them: the same faults, each at one place only."""

from __future__ import annotations

import dataclasses
from typing import Any

from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.shaper import Eof, Item, Shaper
from pytest_netmocks.engine.stages import DatagramStage, Sent
from pytest_netmocks.faults.base import DatagramFault, EndingFault, Fault, ShapingFault
from pytest_netmocks.faults.selector import Selector
from pytest_netmocks.faults.table import Corrupt, Latency
from pytest_netmocks.injections.injection import Client, Injection
from pytest_netmocks.sweeps.place import Place


class FromHere(Selector):
    """Counts what is open already, before what is new."""

    @property
    def counts(self) -> bool:
        return False


class Armed(Injection):
    """An injection that counts from the run's beginning, whatever a test does to its servers meanwhile."""

    def begin_again(self) -> None:
        """A reset is part of the run."""

    counts_later_answers = True

    def redraw(self, draws: Draws) -> None:
        """There is nothing that it draws."""


class ArmedHandshake(Armed):
    """Of those it counts handshakes, which not every connection has, and some have late."""

    def chooses(self, connection: Client | None) -> bool:
        return True

    def strikes_handshake(self) -> bool:
        self.counted += 1
        return self.selector.selects(self.counted, self.draws)


def armed(place: Place) -> type[Armed]:
    """What counts up to the place."""
    return ArmedHandshake if place.kind == "handshake" else Armed


def selector(place: Place, repeat: int | None) -> Selector:
    """Which connections, answers or handshakes are struck: the place's, and those after it that are asked for."""
    if place.kind == "datagram":
        return Selector()  # they are counted one by one, each way
    before = (place.streams_before or 0) if place.kind == "byte" else place.at - 1
    return FromHere(skip=before or None, first=repeat)


def placed(place: Place, repeat: int | None) -> Fault:
    """The fault of a place, as it is put in force there; an object of its own, known by its identity."""
    fault = place.fault
    if place.kind == "datagram":
        assert isinstance(fault, DatagramFault)
        return NthDatagram(certain(fault, place.direction), place.at, repeat, direction=place.direction)
    if place.kind != "byte":
        return dataclasses.replace(fault)  # type: ignore[type-var]  # every fault is a dataclass
    if isinstance(fault, EndingFault):
        return dataclasses.replace(fault, after_bytes=place.at, direction=place.direction)
    if isinstance(fault, Latency):
        return Pause(place.at, fault.seconds, direction=place.direction, layer=fault.layer)
    assert isinstance(fault, Corrupt)
    return Flip(place.at, direction=place.direction, layer=fault.layer)


def certain(fault: DatagramFault, direction: Any) -> DatagramFault:
    """The fault as it strikes each datagram: the place has chosen it, and leaves nothing to chance."""
    sure: dict[str, Any] = {"direction": direction}
    if getattr(fault, "probability", 0) is None:
        sure["probability"] = 1.0
    return dataclasses.replace(fault, **sure)


@dataclasses.dataclass(frozen=True, repr=False)
class NthDatagram(DatagramFault):
    """Another fault, for `count` datagrams (`None`: all) from the `first` on, whoever they are from or for."""

    inner: DatagramFault
    first: int
    count: int | None

    def __repr__(self) -> str:
        return repr(self.inner)

    @property
    def name(self) -> str:
        return self.inner.name

    def common(self) -> object:
        return _Count(self.inner.common())

    def datagrams(self, draws: Draws) -> DatagramStage:
        return _Nth(self, self.inner.datagrams(draws))


class _Count:
    """How many datagrams have come by, of all clients."""

    def __init__(self, inner: object) -> None:
        self.seen = 0
        self.inner = inner


class _Nth(DatagramStage):
    def __init__(self, fault: NthDatagram, stage: DatagramStage) -> None:
        super().__init__()
        self._fault = fault
        self._stage = stage
        self._common: _Count

    def join(self, common: object) -> None:
        assert isinstance(common, _Count)
        self._common = common
        self._stage.join(common.inner)

    def step(self, at: float, number: int, data: bytes) -> list[Sent]:
        common, fault = self._common, self._fault
        common.seen += 1
        past = common.seen - fault.first
        if past < 0 or (fault.count is not None and past >= fault.count):
            return [(at, data)]
        self._stage.hit = self.hit
        return self._stage.step(at, number, data)


@dataclasses.dataclass(frozen=True, repr=False)
class Pause(ShapingFault):
    """Silence for so many `seconds` after `offset` bytes; then all goes on."""

    offset: int
    seconds: float

    def __repr__(self) -> str:
        return f"Latency({self.seconds!r})"

    @property
    def name(self) -> str:
        return "Latency"

    def shaper(self, draws: Draws) -> Shaper:
        return _Pause(self.offset, self.seconds)


class _Pause(Shaper):
    """Bytes before the offset pass; what is behind them is due when the pause is over."""

    def __init__(self, offset: int, seconds: float) -> None:
        super().__init__()
        self._offset = offset
        self._seconds = seconds
        self._until: float | None = None

    def schedule(self, at: float, item: Item) -> None:
        before = 0
        if self._until is None:
            size = 0 if isinstance(item, Eof) else len(item)
            before = self._offset - self.seen
            if size < before:
                self._put(at, item)
                return
            self._until = at + self._seconds
            self.hit()
        if isinstance(item, Eof):
            self._put(max(at, self._until), item)
            return
        view = memoryview(item)
        if before:
            self._put(at, view[:before])
        if len(view) > before:
            self._put(max(at, self._until), view[before:])


@dataclasses.dataclass(frozen=True, repr=False)
class Flip(ShapingFault):
    """One bit of the byte at `offset` is flipped."""

    offset: int

    def __repr__(self) -> str:
        return "Corrupt()"

    @property
    def name(self) -> str:
        return "Corrupt"

    def shaper(self, draws: Draws) -> Shaper:
        return _Flip(self.offset, 1 << draws.generator(0).getrandbits(3))


class _Flip(Shaper):
    def __init__(self, offset: int, mask: int) -> None:
        super().__init__()
        self._offset = offset
        self._mask = mask

    def schedule(self, at: float, item: Item) -> None:
        where = self._offset - self.seen
        if not isinstance(item, Eof) and 0 <= where < len(item):
            changed = bytearray(item)
            changed[where] ^= self._mask
            item = bytes(changed)
            self.hit()
        self._put(at, item)

    @property
    def over(self) -> bool:
        return self.seen > self._offset and not self.held
