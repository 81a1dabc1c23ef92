"""The pipe: one direction of one layer of one connection, with all the faults it has.

    feed -> inbox -> shaper -> shaper -> gates -> advance
      fed             (delays add)      position

Bytes go through the shapers in the order in which the faults were injected, so delays add; then past the gates, which
count what is really delivered. Feed it items with the time they came, ask it what is due. No sockets, no clock.

Both ends are counted in the stream's bytes: `fed` is where the next byte fed will be, `position` how many came out.
What is gone (swallowed by a gate, or cut off with the end) is taken back from `fed`, what a shaper adds is put on it.
So at any time

    held = fed - position

Example: 10 bytes are fed at 0 s to `Latency(1)` and `Stall(after_bytes=4)`: fed 10, position 0, held 10. At 1 s 4 bytes
come out: position 4, held 6, and they stay at the gate. With `Close(after_bytes=4)` instead the 6 are cut off: fed 4,
position 4, held 0. Lifting the stall brings the 6 out: fed 10, position 10.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Hashable, Sequence

from pytest_netmocks.engine.counting import Counter
from pytest_netmocks.engine.gate import Action, Gate
from pytest_netmocks.engine.shaper import Eof, Item, Shaper, Timed


@dataclasses.dataclass(frozen=True, slots=True)
class Strike:
    """The gate's verdict, to be acted on after everything that came out before it."""

    gate: Gate


Output = Item | Strike

BATCH = 512
"""Pieces that come out of a shaper at one call at most: whoever drives the pipe has others to look after too."""


class Pipe:
    """`feed` it, `advance` it, deliver what it gives, and come back at `next_at`."""

    __slots__ = (
        "_counters",
        "_gates",
        "_held",
        "_held_bytes",
        "_inbox",
        "_released",
        "_returned",
        "_shapers",
        "again",
        "busy",
        "ended",
        "fed",
        "leaving",
        "position",
        "side",
        "silent",
    )

    def __init__(self, side: Hashable, position: int = 0) -> None:
        self.side = side
        self.position = position
        """Bytes that were delivered at the far end."""
        self.fed = position
        """Where a byte fed next will be, of those that are delivered."""
        self.ended = False
        """Whether a gate has ended this direction: no other strikes after it."""
        self.silent = False
        """Whether the end of the stream was swallowed: nothing closes any more."""
        self.busy = self.again = False
        """For the one who drives the pipe: whether it is being driven, and whether to do it once more."""
        self._shapers: list[Shaper] = []
        self._gates: list[Gate] = []
        self._counters: list[Counter] = []
        self._inbox: list[Timed] = []
        self._released: list[Timed] = []
        self._returned: tuple[int, list[Item]] | None = None
        """What comes again, and how many of the shapers it has been through."""
        self.leaving: deque[Output] = deque()
        """For the one who drives the pipe: what is due and not handed over yet."""
        self._held: deque[Item] = deque()
        self._held_bytes = 0

    def add_shaper(self, shaper: Shaper) -> None:
        """From here on bytes go through this one too, after the others."""
        self._shapers.append(shaper)

    def add_gate(self, gate: Gate, limit: int | None) -> None:
        """From here on the gate stands at that position of the stream (`None`: wherever it is at the gate's time)."""
        gate.bound(self.side, limit)
        self._gates.append(gate)

    def add_counter(self, counter: Counter) -> None:
        """Let it look at what is fed from here on."""
        counter.look(b"", self.fed)
        self._counters.append(counter)

    def entry(self) -> int:
        """The stream's offset where a new shaper would stand: behind all that the others still hold."""
        return (
            self.position + self._held_bytes + sum(len(item) for _, item in self._released if not isinstance(item, Eof))
        )

    def take_back(self, items: Sequence[Item]) -> None:
        """Let what has been delivered come again, before all else: stages that are added from now on have it first."""
        items = [*items, *(item for item in self.leaving if not isinstance(item, Strike))]
        self.position -= sum(len(item) for item in items if not isinstance(item, Eof))
        for gate in self._gates:
            gate.reopen(self.side, self.position)
        self.leaving = deque(item for item in self.leaving if isinstance(item, Strike) and item.gate.struck)
        self.ended = self.ended and any(gate.struck and gate.ends for gate in self._gates)
        items += [*self._held, *(item for _, item in self._released)]
        self._held.clear()
        self._held_bytes = 0
        self._released = []
        if items:
            self._returned = len(self._shapers), items

    def take_out(self) -> list[Item]:
        """Give up everything that was fed and has not come out, in order; for no other stage it counts as fed."""
        passed, returned = self._returned or (0, [])
        items = [*self._held, *(returned if passed >= len(self._shapers) else ())]
        items += [item for _, item in self._released]
        for number in range(len(self._shapers) - 1, -1, -1):
            items += self._shapers[number].release()
            items += returned if number == passed else ()
        items += [item for _, item in self._inbox]
        self._held.clear()
        self._held_bytes = 0
        self._released, self._returned, self._inbox = [], None, []
        self.fed = self.position
        return items

    def remove_shaper(self, shaper: Shaper, now: float) -> None:
        """Take it out; what it held goes on at once, in order."""
        if shaper not in self._shapers:
            return
        index = self._shapers.index(shaper)
        del self._shapers[index]
        items: list[Timed] = [(now, item) for item in shaper.release()]
        if index < len(self._shapers):
            for at, item in items:
                self._shapers[index].push(at, item)
        else:
            self._released += items

    def remove_gate(self, gate: Gate) -> None:
        """Take it out; what it held goes on, what it swallowed is gone."""
        if gate in self._gates:
            self._gates.remove(gate)

    @property
    def room(self) -> int | None:
        """How many of the bytes fed next will be delivered if nothing is lifted; those that are held may be one day."""
        cutting = [gate for gate in self._gates if gate.action is not Action.HOLD]
        rooms = [room for gate in cutting if (room := gate.room(self.side, self.position)) is not None]
        return max(0, min(rooms) - self.held) if rooms else None

    @property
    def swallows(self) -> bool:
        """Whether everything that comes is thrown away."""
        return any(gate.action is Action.DISCARD for gate in self._shut())

    @property
    def idle(self) -> bool:
        """Whether nothing is left that could change or hold a byte."""
        waiting = self._inbox or self._released or self._returned or self._held
        return not (self._shapers or self._gates or waiting)

    @property
    def moves(self) -> bool:
        """Whether something is on its way and comes out by itself."""
        return any(shaper.due() is not None for shaper in self._shapers)

    @property
    def waits(self) -> bool:
        """Whether a gate holds something back."""
        return bool(self._held)

    def waits_at(self, stage: Shaper | Gate) -> bool:
        """Whether bytes wait at that stage."""
        if isinstance(stage, Gate):
            return bool(self._held) and stage in self._gates and stage.holds and not self._open(stage)
        return stage.held > 0 and stage in self._shapers

    @property
    def full(self) -> bool:
        """Whether the sender has to wait."""
        return bool(self._held) or any(shaper.held > shaper.limit for shaper in self._shapers)

    @property
    def spacious(self) -> bool:
        """Whether a sender that waited may go on."""
        return not self._held and all(shaper.held <= shaper.limit // 2 for shaper in self._shapers)

    @property
    def held(self) -> int:
        """Bytes that were fed and are neither delivered nor gone."""
        return self.fed - self.position

    def feed(self, now: float, item: Item) -> None:
        """Take what the sender wrote: bytes, or the end of its stream."""
        if not isinstance(item, Eof):
            for counter in self._counters:
                counter.look(item, self.fed)
            if self._counters:
                self._counters = [counter for counter in self._counters if not counter.over]
            self.fed += len(item)
        self._inbox.append((now, item))

    def advance(self, now: float) -> list[Output]:
        """Everything that is due by now, in order."""
        flow = self._inbox
        self._inbox = []
        passed, returned = self._returned or (0, [])
        self._returned = None
        if passed >= len(self._shapers):
            self._released = [(now, item) for item in returned] + self._released
        for number, shaper in enumerate(self._shapers):
            for item in returned if number == passed else ():
                shaper.push(now, item)
            for at, item in flow:
                shaper.push(at, item)
            if shaper.grown:
                self.fed += shaper.grown
                shaper.grown = 0
            flow = []
            while len(flow) < BATCH and (popped := shaper.pop(now)) is not None:
                flow.append(popped)
        if self._released:
            flow = self._released + flow
            self._released = []
        if self._held and not self._holding():
            flow = [(now, item) for item in self._held] + flow
            self._held.clear()
            self._held_bytes = 0
        output: list[Output] = []
        for at, item in flow:
            self._settle(at, output)
            self._deliver(at, item, output)
        if not any((due := shaper.due()) is not None and due <= now for shaper in self._shapers):
            self._settle(now, output)  # what is due before the gate's time is through
        if any(shaper.over for shaper in self._shapers):
            self._shapers = [shaper for shaper in self._shapers if not shaper.over]
        return output

    def next_at(self) -> float | None:
        """When to come back if nothing is fed before, `None` for no need."""
        if self.ended:
            return None
        times = [due for shaper in self._shapers if (due := shaper.due()) is not None]
        times += [due for gate in self._gates if (due := gate.due(self.side)) is not None]
        return min(times, default=None)

    def _settle(self, now: float, output: list[Output]) -> None:
        for gate in self._gates:
            if self.ended:
                return
            if gate.settle(self.side, self.position, now) and gate.ends:
                self.ended = True
                self.fed -= self._held_bytes
                self._held.clear()
                self._held_bytes = 0
                gate.hit()
                output.append(Strike(gate))

    def _shut(self) -> list[Gate]:
        return [gate for gate in self._gates if not self._open(gate)]

    def _open(self, gate: Gate) -> bool:
        room = gate.room(self.side, self.position)
        return room is None or room > 0

    def _holding(self) -> bool:
        return any(gate.holds for gate in self._shut())

    def _deliver(self, at: float, item: Item, output: list[Output]) -> None:
        if self._held:
            self._hold(item)
        elif isinstance(item, Eof):
            if self._shut():
                self._stop(item)
            else:
                output.append(item)
        else:
            while len(item):
                rooms = [room for gate in self._gates if (room := gate.room(self.side, self.position)) is not None]
                room = min(rooms, default=len(item))
                if room <= 0:
                    self._stop(item)
                    return
                output.append(item[:room] if room < len(item) else item)
                self.position += min(room, len(item))
                item = item[room:]
                self._settle(at, output)

    def _stop(self, item: Item) -> None:
        """What becomes of an item at a shut gate: if any gate swallows it is gone, else it is held."""
        shut = self._shut()
        swallowing = [gate for gate in shut if not gate.holds]
        if not swallowing:
            for gate in shut:
                gate.hit()
            self._hold(item)
            return
        for gate in swallowing:
            gate.hit()
            if gate.action is Action.DISCARD:
                self.silent = self.silent or isinstance(item, Eof)
        if not isinstance(item, Eof):
            self.fed -= len(item)  # what is gone counts for no other gate
            swallowing[0].swallowed(len(item))

    def _hold(self, item: Item) -> None:
        self._held.append(item)
        if not isinstance(item, Eof):
            self._held_bytes += len(item)
