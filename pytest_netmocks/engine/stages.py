"""What becomes of single datagrams: each stage turns one into none, one or several, each with the time it is due.

No sockets, no clock: times are whatever the caller's clock says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from pytest_netmocks.engine.shaper import nothing

Sent = tuple[float, bytes]

COPY = 56
"""Bits of a datagram's number: above them is the number of its copy, each of which draws for itself."""

COPIES = 128
"""Copies of one datagram that draw differently."""


class DatagramStage(ABC):
    """Base: one fault's state for one direction of one client."""

    def __init__(self) -> None:
        self.hit: Callable[[], None] = nothing

    def join(self, common: object) -> None:
        """As `Shaper.join`."""

    @abstractmethod
    def step(self, at: float, number: int, data: bytes) -> list[Sent]:
        """What becomes of the datagram that came at `at`; `number` addresses its draws."""


def through(stages: Iterable[tuple[DatagramStage, int]], at: float, data: bytes) -> list[Sent]:
    """What becomes of a datagram behind all of the stages, in their order, each with its number of the datagram."""
    flow = [(at, data, 0)]
    copies = 0
    for stage, number in stages:
        behind = []
        for came, piece, copy in flow:
            for index, (due, sent) in enumerate(stage.step(came, number + (copy << COPY), piece)):
                copies += index > 0
                behind.append((due, sent, copies % COPIES if index else copy))
        flow = behind
    return [(due, sent) for due, sent, _ in flow]
