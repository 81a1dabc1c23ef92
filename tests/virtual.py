"""A pipe driven in virtual time: what is fed when, and what comes out when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.gate import Action
from pytest_netmocks.engine.pipe import Pipe, Strike
from pytest_netmocks.engine.shaper import Eof
from pytest_netmocks.faults.base import EndingFault, Fault, ShapingFault

DRAWS = Draws("virtual")
Write = tuple[float, bytes | Eof]
Arrival = tuple[float, bytes | Eof | Action]


def pipe_with(faults: Iterable[Fault], start: float = 0.0, draws: Draws = DRAWS) -> Pipe:
    """A pipe that has these faults from `start` on."""
    pipe = Pipe("downstream")
    for number, fault in enumerate(faults):
        if isinstance(fault, EndingFault):
            pipe.add_gate(fault.gate(start), fault.after_bytes)
        else:
            assert isinstance(fault, ShapingFault)
            pipe.add_shaper(fault.shaper(draws.child(number)))
    return pipe


def collect(pipe: Pipe, now: float) -> list[Arrival]:
    """What is due by now."""
    out: list[Arrival] = []
    while True:
        for item in pipe.advance(now):
            if isinstance(item, Strike):
                out.append((now, item.gate.action))
            else:
                out.append((now, item if isinstance(item, Eof) else bytes(item)))
        due = pipe.next_at()
        if due is None or due > now:
            return out


def run(pipe: Pipe, writes: Sequence[Write], end: float = 1e6) -> list[Arrival]:
    """Feed the writes at their times, come back whenever the pipe asks for it, until `end`."""
    out = collect(pipe, 0.0)
    pending = list(writes)
    for _ in range(100_000):
        due = pipe.next_at()
        now = min(pending[0][0] if pending else end, due if due is not None else end)
        if now >= end:
            break
        while pending and pending[0][0] <= now:
            at, item = pending.pop(0)
            pipe.feed(at, item)
        out += collect(pipe, now)
    else:
        raise AssertionError("the pipe asks to be called again and again")
    return out


def data(arrivals: Iterable[Arrival]) -> bytes:
    """All the bytes that arrived."""
    return b"".join(item for _, item in arrivals if isinstance(item, bytes))


def byte_times(arrivals: Iterable[tuple[float, object]]) -> list[float]:
    """When each byte arrived."""
    return [at for at, item in arrivals if isinstance(item, bytes) for _ in item]
