"""`Plan`: what a sweep is asked for, checked when it is said."""

from __future__ import annotations

from typing import TypedDict

from pytest_netmocks import check
from pytest_netmocks.faults.base import (
    AnswerFault,
    ConnectFault,
    DatagramFault,
    DirectedFault,
    EndingFault,
    Fault,
    HandshakeFault,
    StreamFault,
    Unsaid,
    check_fault,
)
from pytest_netmocks.faults.table import Blackhole, Close, Corrupt, Latency, Reset, Stall
from pytest_netmocks.records.events import Direction

LIMIT = 300
"""Places that are tried unless told otherwise."""

BOTH: tuple[Direction, Direction] = "upstream", "downstream"


class SweepOptions(TypedDict, total=False):
    """The keyword arguments of a sweep: how many places at most, how often a fault strikes and for how long."""

    limit: int | None
    repeat: int | None
    duration: float | None
    depth: int


class Plan:
    """The faults of a sweep, by default `Reset()`, `Close()`, `Stall()` and `Blackhole()`, and its options.

    `limit` is how many places are tried at most (`None`: all), `repeat` how many connections, exchanges or datagrams in
    a row are struck from a place on (`None`: all), `duration` after how many seconds from the strike on it is lifted,
    and `depth` how many faults come one after the other. Raises `ValueError` or `TypeError` that says what would make
    sense.
    """

    def __init__(
        self,
        faults: tuple[Fault, ...],
        *,
        limit: int | None = LIMIT,
        repeat: int | None = 1,
        duration: float | None = None,
        depth: int = 1,
        **unknown: object,
    ) -> None:
        for option in unknown:
            raise TypeError(f"a sweep takes no {option!r}{check.nearest(option, SweepOptions.__annotations__)}")
        if limit is not None:
            check.whole("limit", limit, unit="places; None for all", minimum=1)
        if repeat is not None:
            check.whole("repeat", repeat, unit="times in a row; None for ever", minimum=1)
        if duration is not None:
            check.number("duration", duration, unit="seconds from the strike on", above=0)
        check.whole("depth", depth, unit="faults one after the other", minimum=1)
        self.faults = faults or (Reset(), Close(), Stall(), Blackhole())
        for fault in self.faults:
            check_fault(fault)
            if (problem := _no_place(fault)) is not None:
                raise ValueError(problem)
        self.limit = limit
        self.repeat = repeat
        self.duration = duration
        self.depth = depth

    @property
    def hears_cipher_text(self) -> bool:
        """Whether a fault strikes it, so that its bytes have to be known."""
        return any(isinstance(fault, StreamFault) and fault.layer == "tls" for fault in self.faults)

    @property
    def strikes_answers(self) -> bool:
        """Whether a fault is one of answers, so that these have to be counted."""
        return any(isinstance(fault, AnswerFault) for fault in self.faults)


def _no_place(fault: Fault) -> str | None:
    """Why the fault has no places that could be tried, `None` if it has."""
    if isinstance(fault, ConnectFault):
        return (
            f"{fault!r} happens in the kernel, before there is a connection, and nobody can count a connect that it "
            "refused: inject it in a test of its own, or sweep Reset(), whose first place is before the first byte"
        )
    if isinstance(fault, EndingFault):
        for name in ("after_bytes", "after_messages"):
            if getattr(fault, name) is not None:
                return f"{fault!r}: {name} is what a sweep varies: leave it out"
        return None
    if getattr(fault, "probability", None) not in (None, 1):
        return f"{fault!r}: a place is struck for sure, and only there: leave probability= out"
    if isinstance(fault, Corrupt):
        return None
    if isinstance(fault, Latency):
        return f"{fault!r}: at one place there is one delay: leave jitter= out" if fault.jitter else None
    if isinstance(fault, (AnswerFault, HandshakeFault)) or (
        isinstance(fault, DatagramFault) and not isinstance(fault, StreamFault)
    ):
        return None
    return (
        f"{fault!r} lasts and has no place where it strikes: put it before all runs with the faults marker or "
        "inject(), and sweep Reset, Close, Stall, Blackhole, Corrupt or Latency"
    )


def directions(fault: Fault) -> tuple[Direction, ...]:
    """The directions that it is swept in: the one that it names, or both."""
    said = fault.direction if isinstance(fault, DirectedFault) else "downstream"
    if isinstance(said, Unsaid) or said == "both":
        return BOTH
    return (said,)
