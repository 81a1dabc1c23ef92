"""The flows: a connection's two pipes on the loop's clock, and the injections that are armed on them.

    arm(injection) ---> a gate or shaper on `up`, `down` or both
    feed(pipe, piece) -> run -> pipe.advance(now) -> effects.deliver / strike / end_swallowed
                          ^                            (the link acts)
    timer at next_at() ---+

The pipes decide, the flows see to it that they are asked in time, and whoever owns them acts.

Always true: a direction has a pipe only while a fault stands in it, and positions outlive it, so that what an exchange
holds stays true. Between two calls the timer stands at the earlier `next_at` of both pipes, or there is none. Example:
`Latency(0.3)` on the way down and 5 bytes written at 2.0 s: `feed` gives nothing out, the timer is set for 2.3 s, and
`_fire` delivers 5 bytes. When the latency is lifted, the pipe is idle and goes; position 5, where it ended, is where
the next one begins.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal, Protocol

from pytest_netmocks.engine.counting import Counter, Ends
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.gate import Action, Gate
from pytest_netmocks.engine.pipe import Pipe, Strike
from pytest_netmocks.engine.shaper import Eof, Item, Shaper, Window
from pytest_netmocks.faults.base import EndingFault, Fault, ShapingFault
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link.nobody import NOBODY

UP: Final = "upstream"
DOWN: Final = "downstream"
Side = Literal["upstream", "downstream"]

NEVER = 1 << 62
"""A place in the stream that no byte has."""

NONE: Final[frozenset[Any]] = frozenset()
"""Most connections meet no fault: theirs is one for all."""


class Effects(Protocol):
    """Who acts on what the pipes decide."""

    @property
    def over(self) -> bool:
        """Whether the connection has ended: nothing more is handed over."""

    @property
    def reaches(self) -> bool:
        """Whether there is a connection still, over or not."""

    def deliver(self, item: Item, *, upward: bool) -> None:
        """Bytes, or the end of the stream, have come through."""

    def strike(self, gate: Gate, *, upward: bool) -> None:
        """A gate has struck: end the connection, or one direction of it."""

    def end_swallowed(self, *, upward: bool, both: bool) -> None:
        """The end of a stream was swallowed: nothing closes; `both` ways everything is."""

    def keep_pieces(self, *, upward: bool, apart: bool) -> None:
        """Whether what is delivered in that direction is to go on in the pieces in which it is."""

    def held(self, *, upward: bool, size: int, faults: tuple[Fault, ...]) -> None:
        """The last bytes that were fed wait at these faults."""

    def swallowed(self, *, upward: bool, size: int, fault: Fault) -> None:
        """A fault has thrown bytes away."""

    def balance(self, *, upward: bool, full: bool) -> None:
        """The sender of that direction has to wait, or may go on."""


class Flows:
    """The pipes of one link; a direction has one only while there is a fault on it."""

    __slots__ = (
        "_armed",
        "_effects",
        "_full",
        "_gone",
        "_loop",
        "_positions",
        "_struck",
        "_timer",
        "apart",
        "down",
        "started",
        "up",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, effects: Effects) -> None:
        self._loop = loop
        self._effects = effects
        self.up: Pipe | None = None
        self.down: Pipe | None = None
        self.started = False
        """Before that nothing is run: the connection is not handed to anybody yet."""
        self.apart: frozenset[Side] = NONE
        """The directions in which pieces are to stay what they are on their further way."""
        self._armed: dict[Injection, list[Shaper | Gate]] = {}
        self._struck: frozenset[Injection] = NONE
        self._full: frozenset[Side] = NONE
        """The directions in which the sender has to wait."""
        self._positions: dict[Side, int] = {}
        """Where a direction's last pipe ended: positions that somebody holds stay true for the next."""
        self._timer: asyncio.TimerHandle | None = None
        self._gone: list[tuple[Fault, int]] = []
        """What was thrown away since it was last told."""

    def feed(self, pipe: Pipe, item: Item) -> None:
        """Take what a sender wrote."""
        pipe.feed(self._loop.time(), item)
        self.run(pipe)
        if pipe.held and not isinstance(item, Eof) and not self._effects.over:
            self._effects.held(upward=pipe.side == UP, size=min(len(item), pipe.held), faults=self._holding(pipe))

    def _holding(self, pipe: Pipe) -> tuple[Fault, ...]:
        """The faults at which bytes of that pipe wait."""
        return tuple(
            injection.fault
            for injection, stages in self._armed.items()
            if any(pipe.waits_at(stage) for stage in stages)
        )

    def pipe(self, side: Side) -> Pipe:
        """The pipe of that direction, made now if there is none."""
        if side == UP:
            self.up = self.up or Pipe(UP, self._positions.get(UP, 0))
            return self.up
        self.down = self.down or Pipe(DOWN, self._positions.get(DOWN, 0))
        return self.down

    @property
    def held(self) -> int:
        """Bytes on the way down that a fault holds."""
        return self.down.held if self.down is not None else 0

    def idles(self, *, unread: bool, awaited: bool) -> bool:
        """Whether a client that has gone changes nothing (yet): nothing that is held was for it.

        `unread` is whether something of its own has not come so far as to the faults, `awaited` whether an answer
        waits for its time.
        """
        up, down = self.up, self.down
        if up is not None and up.moves:
            return True
        if (up is not None and up.waits) or (down is not None and down.waits):
            return False
        return unread or (self.holds_nothing_down and not awaited)

    @property
    def holds_nothing_down(self) -> bool:
        """Whether nothing is on its way to the client."""
        return self.down is None or not (self.down.waits or self.down.moves)

    # Arming

    def arm(
        self,
        injection: Injection,
        hit: Callable[[], None],
        place: int | None,
        payload: tuple[int, int] | None,
        side: Side,
        draws: Draws | None,
        ends: Ends | None = None,
    ) -> None:
        """Put the injection's fault on the pipes; the arguments are those of `Link.arm`."""
        fault = injection.fault
        stages = self._armed.setdefault(injection, [])
        stages[:] = [stage for stage in stages if not (isinstance(stage, Shaper) and stage.over)]

        def struck() -> None:
            self._struck |= {injection}
            hit()

        if isinstance(fault, EndingFault):
            stages += self._arm_gate(fault, struck, place, payload, side, ends)
        elif isinstance(fault, ShapingFault):
            if stages and payload is not None and not fault.for_an_answer:
                return  # it stands there since an exchange before, and there is one end of the stream
            draws = draws or injection.chance()
            for pipe in self._pipes(fault.direction if payload is None else side):
                shaper = fault.shaper(draws.child(pipe.side))
                shaper.hit = struck
                shaper.join(injection.common(UP if pipe is self.up else DOWN))
                if shaper.apart:
                    self.keep_apart(UP if pipe is self.up else DOWN, apart=True)
                if payload is not None and fault.for_an_answer:
                    entry = pipe.entry()
                    shaper = Window(shaper, payload[0] - entry, payload[1] - entry)
                stages.append(shaper)
                pipe.add_shaper(shaper)
        else:
            raise TypeError(f"{fault!r} is no fault of a byte stream")
        self.run_all()

    def _arm_gate(
        self,
        fault: EndingFault,
        hit: Callable[[], None],
        place: int | None,
        payload: tuple[int, int] | None,
        side: Side,
        ends: Ends | None,
    ) -> list[Gate]:
        limit = fault.after_bytes
        gate = fault.gate(self._loop.time())
        gate.hit = hit
        gate.swallowed = functools.partial(self._swallowed, fault)
        gate.notifies = fault.layer == "application"
        if ends is not None and fault.after_messages is not None:
            pipe = self.pipe(DOWN)
            pipe.add_gate(gate, NEVER)
            pipe.add_counter(Counter(gate, DOWN, fault.after_messages, ends))
            if fault.direction == "both":
                self.pipe(UP).add_gate(gate, NEVER)
            return [gate]
        if payload is None:
            for pipe in self._pipes(fault.direction):
                pipe.add_gate(gate, None if limit is None else pipe.position + limit)
            return [gate]
        if limit is not None and payload[0] + limit > payload[1]:
            return []  # the answer is too short to get there
        self.pipe(side).add_gate(gate, place if limit is None else payload[0] + limit)
        if fault.direction == "both":
            self.pipe(UP if side == DOWN else DOWN).add_gate(gate, NEVER)  # it shuts when the answer's side does
        return [gate]

    @contextlib.contextmanager
    def again(self, items: Sequence[Item]) -> Iterator[int]:
        """Let what the server has not dealt with come again, past the faults that are armed meanwhile.

        Gives its place in the stream.
        """
        pipe = self.pipe(UP)
        pipe.take_back(items)
        busy, pipe.busy = pipe.busy, True
        try:
            yield pipe.position
        finally:
            pipe.busy = busy
            self.run(pipe)

    def take_out(self, side: Side) -> list[Item]:
        """Give up what is on its way in that direction, in order."""
        pipe = self.up if side == UP else self.down
        if pipe is None:
            return []
        items = pipe.take_out()
        self.run(pipe)
        return items

    def _swallowed(self, fault: Fault, size: int) -> None:
        self._gone.append((fault, size))

    def keep_apart(self, side: Side, *, apart: bool) -> None:
        """Let pieces stay what they are on their further way, or not any more."""
        self.apart = self.apart | {side} if apart else self.apart - {side}
        if self.started:
            self._effects.keep_pieces(upward=side == UP, apart=apart)

    def answer_ends(self, injection: Injection) -> None:
        """The windows of the injection end with what has been fed."""
        for stage in self._armed.get(injection, ()):
            if isinstance(stage, Window):
                stage.end_here()

    def disarm(self, injection: Injection) -> None:
        """Take the injection's fault off; what went silent stays so."""
        now = self._loop.time()
        for stage in self._armed.pop(injection, ()):
            for pipe in (self.up, self.down):
                if pipe is None:
                    continue
                if isinstance(stage, Shaper):
                    pipe.remove_shaper(stage, now)
                elif stage.action is not Action.DISCARD or injection not in self._struck:
                    pipe.remove_gate(stage)
        self.run_all()

    def _pipes(self, direction: str) -> list[Pipe]:
        sides: tuple[Side, ...] = (UP, DOWN)
        return [self.pipe(side) for side in sides if direction in (side, "both")]

    # Running

    def run_all(self) -> None:
        """Ask both pipes what is due."""
        # Of a fault that strikes both at once the way down is the one that ends the connection.
        for pipe in (self.down, self.up):
            if pipe is not None and self.started and not self._effects.over:
                self.run(pipe)

    def run(self, pipe: Pipe) -> None:
        """Ask a pipe what is due, and hand it over."""
        if pipe.busy:
            # A protocol that injects a fault while bytes are handed to it: finish with those first, in order.
            pipe.again = True
            return
        pipe.busy = pipe.again = True
        upward = pipe is self.up
        while pipe.again and not self._effects.over:
            pipe.again = False
            pipe.leaving.extend(pipe.advance(self._loop.time()))
            self._hand_over(pipe, upward=upward)
            if self._gone:  # told behind what came before it
                gone, self._gone = self._gone, []
                for fault, size in gone:
                    self._effects.swallowed(upward=upward, size=size, fault=fault)
        pipe.busy = False
        if self._effects.over:
            return
        if pipe.silent:
            pipe.silent = False
            other = self.down if upward else self.up
            self._effects.end_swallowed(upward=upward, both=other is not None and other.swallows)
            return
        self._balance(pipe, upward=upward)
        if pipe.idle:
            side: Side = UP if upward else DOWN
            self._positions[side] = pipe.position
            if side in self.apart:
                self.keep_apart(side, apart=False)
            if upward:
                self.up = None
            else:
                self.down = None
        self._set_timer()

    def _hand_over(self, pipe: Pipe, *, upward: bool) -> None:
        while pipe.leaving and not self._effects.over:
            output = pipe.leaving.popleft()
            if isinstance(output, Strike):
                self._effects.strike(output.gate, upward=upward)
            else:
                self._effects.deliver(output, upward=upward)

    def _balance(self, pipe: Pipe, *, upward: bool) -> None:
        side: Side = UP if upward else DOWN
        was_full = side in self._full
        full = not pipe.spacious if was_full else pipe.full
        if full != was_full:
            self._full ^= {side}
            self._effects.balance(upward=upward, full=full)

    def _set_timer(self) -> None:
        pipes = [pipe for pipe in (self.up, self.down) if pipe is not None]
        due = min((at for pipe in pipes if (at := pipe.next_at()) is not None), default=None)
        if self._timer is not None:
            if self._timer.when() == due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self.run_all()

    def fall_silent(self) -> None:
        """Nothing passes any more, but what ends connections still does so when its time has come."""
        later = [
            (due, number, injection, stage)
            for number, (injection, stages) in enumerate(self._armed.items())
            for stage in stages
            if isinstance(stage, Gate) and stage.ends and stage.guards(DOWN) and (due := stage.due(DOWN)) is not None
        ]
        self.close()
        self._next_end(sorted(later, key=lambda end: end[:2]))

    def _next_end(self, later: list[tuple[float, int, Injection, Gate]]) -> None:
        if later:
            self._timer = self._loop.call_at(later[0][0], self._end_in_silence, later)

    def _end_in_silence(self, later: list[tuple[float, int, Injection, Gate]]) -> None:
        self._timer = None
        _, _, injection, gate = later.pop(0)
        if injection.lifted:
            self._next_end(later)
        elif self._effects.reaches:
            gate.hit()
            self._effects.strike(gate, upward=False)

    def let_go(self) -> None:
        """All is over: nobody acts any more, but for a fault that ends a silence in its time."""
        if self._timer is None:
            self._effects = NOBODY

    def close(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
