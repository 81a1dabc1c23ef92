"""What becomes of single datagrams: each stage turns one into none, one or several, each with the time it is due.

No sockets, no clock: times are whatever the caller's clock says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pytest_netmocks.faults.shaper import nothing

Sent = tuple[float, bytes]


class DatagramStage:
    """Base: one fault's state for one direction of one client."""

    def __init__(self) -> None:
        self.hit: Callable[[], None] = nothing

    def step(self, at: float, number: int, data: bytes) -> list[Sent]:
        """What becomes of the datagram that came at `at`; `number` addresses its draws."""
        raise NotImplementedError


def through(stages: Iterable[tuple[DatagramStage, int]], at: float, data: bytes) -> list[Sent]:
    """What becomes of a datagram behind all of the stages, in their order, each with its number of the datagram."""
    flow = [(at, data)]
    for stage, number in stages:
        flow = [sent for came, piece in flow for sent in stage.step(came, number, piece)]
    return flow
