"""The virtual clock: real time, and what was jumped over.

It runs as fast as real time while anybody has work. Whoever is about to wait looks whether everybody else does, too:
then nothing can happen before the earliest deadline, and the clock jumps there.

    thread A    recv ......................................| 30 s are over     waits -> looks: B works
    thread B    works | sleep(5) ...| 5 s are over, works ...                  waits -> looks: all wait -> jumps 5 s

Always true: a jump never passes a deadline, and while the lock is held nobody leaves the table of those who wait. A
thread whose deadline is due, or whose question is answered, counts as busy until it has left. Where all wait and one of
them is to go on, the clock stands still until the first has left: what a machine takes to wake it is nobody's work.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType

from pytest_netmocks import clock
from pytest_netmocks.strict import Strict
from pytest_netmocks.virtual import alarm, forever
from pytest_netmocks.virtual.busy import Holder, Others
from pytest_netmocks.virtual.calendar import Calendar
from pytest_netmocks.virtual.held import Held, Holds
from pytest_netmocks.virtual.kernel import Ends
from pytest_netmocks.virtual.sleeps import Sleep, sleep_of
from pytest_netmocks.virtual.wait import Wait, What

PAUSE, LONG_PAUSE = 0.0005, 0.01
"""Real seconds between looks while somebody is busy: nobody tells when an unknown wait ends."""

STANDSTILL = 0.25
"""Real seconds that it stands still at most for somebody to wake: he may not be able to, and deadlines have to pass."""

LONELY_JUMPS, LONELY_SECONDS = 10_000, 3600.0
"""After so many jumps, and so long, for the servers' own timers alone nobody is going to be woken by them."""


class VirtualClock(Strict):
    """Virtual time, from the beginning of one stretch of it to its end; see `pytest_netmocks.virtual_time`."""

    def __init__(self, patience: float, servers: int, tell: Callable[[Held], None]) -> None:
        self.jumps = 0
        """How many jumps there were."""
        self.jumped = 0.0
        """Seconds that were jumped over."""
        self.ahead = 0.0
        """Seconds by which it is ahead of real time: what was jumped over, less what it stood still."""
        self.sleeps: list[Sleep] = []
        """What the test and its clients slept, oldest first."""
        self.patience = patience
        """Real seconds that somebody unknown may take to end a wait that has no time-out."""
        self.active = True
        """Whether time is virtual now."""
        self.owner = threading.get_ident()
        self.others = Others({self.owner, servers})
        self.outsiders = self.others.outsiders
        self.ends = Ends()
        self._lock = threading.RLock()
        self._waiting: dict[int, Wait] = {}
        self._holds = Holds(tell)
        self._lonely = (0, 0.0)
        self._stopped: tuple[float, float] | None = None
        """Where it stands still, and since when in real time."""
        self._given_up = False
        """Whether the test was told that nobody will come."""
        self.calendar = Calendar()
        self._wall = clock.wall() - clock.real_now()

    def __repr__(self) -> str:
        return f"<VirtualClock {self.jumps} jumps over {self.jumped:g} s>"

    # What is seen

    def now(self) -> float:
        """Seconds of a clock that only goes forward: what `time.monotonic()` gives in virtual time."""
        return clock.real_now() + self.ahead

    def wall(self) -> float:
        """Seconds since 1970, UTC: what `time.time()` gives in virtual time."""
        return self._wall + self.now()

    @property
    def held_by(self) -> list[Held]:
        """Who kept it from jumping, and for how many real seconds, the longest first."""
        with self._lock:
            return self._holds.all()

    def note_sleep(self, seconds: float, frame: FrameType | None) -> None:
        """Put a sleep on record that is asked for in that frame, if it is the test's or its client's."""
        meant = sleep_of(seconds, frame)
        if meant is not None:
            self.sleeps.append(meant)

    # Beginning and end

    def stop(self) -> None:
        """Wake everybody: what is still waited for is waited for in real time."""
        with self._lock:
            self.active = False
            self._go_on()
            self._holds.free()
            for wait in self._waiting.values():
                wait.alarm.ring()

    # Waiting

    def wait(
        self,
        ready: Callable[[], bool],
        timeout: float | None,
        what: What,
        *,
        thread: threading.Thread | None = None,
        rings: bool = True,
    ) -> bool:
        """Wait until `ready()`: true, or false when so many seconds are over (`None`: no end).

        Others ask it, too, see `Wait`; `what` is what the wait is called. Without `rings` nobody wakes the thread when
        it may be ready, so that it has to look by itself. Raises `WaitsForever` when nobody will ever end it.
        """
        if ready():
            return True
        if timeout is not None and timeout <= 0:
            return False
        deadline = None if timeout is None else self.now() + timeout
        mine = Wait(what, deadline, ready, thread=thread, is_for_threads=True)
        with self._waits(mine):
            return self._sleep(mine, ready, rings=rings)

    def wait_for(
        self,
        questions: Sequence[alarm.Question],
        timeout: float | None,
        what: What,
        behind: Callable[[], Iterable[int]] | None = None,
        *,
        asked: bool = False,
    ) -> bool:
        """Wait until one of these descriptors has one of its events; as `wait`. If they were just `asked`, none had."""
        of_others = alarm.Poller(questions)
        if not asked and of_others.ask():
            return True
        if timeout is not None and timeout <= 0:
            return False
        deadline = None if timeout is None else self.now() + timeout
        mine = Wait(what, deadline, of_others.ask, behind or (lambda: [number for number, _ in questions]))
        with self._waits(mine):
            return self._sleep(mine, None, questions)

    @contextlib.contextmanager
    def _waits(self, mine: Wait) -> Iterator[None]:
        """Have it in the table."""
        ident = threading.get_ident()
        with self._lock:
            before = self._waiting.get(ident)
            self._waiting[ident] = mine
        try:
            yield
        finally:
            with self._lock:
                self._go_on()
                if not mine.is_the_servers:
                    self._lonely = 0, self.jumped
                if before is None:
                    del self._waiting[ident]
                else:  # a finalizer or a signal's handler, in the midst of another wait
                    self._waiting[ident] = before

    def _sleep(
        self,
        mine: Wait,
        ready: Callable[[], bool] | None,
        questions: Sequence[alarm.Question] = (),
        *,
        rings: bool = True,
    ) -> bool:
        """Until it is ready, or one of its descriptors is; the alarm may have been rung for an earlier wait."""
        poller = alarm.Poller([(mine.alarm.number, alarm.IN), *questions])
        pause = PAUSE
        while ready is None or not ready():
            if mine.error is not None:
                raise mine.error
            left = None if mine.deadline is None else mine.deadline - self._still()
            if left is not None and left <= 0:
                return any(number != mine.alarm.number for number in poller.told(0))
            if self.active and self._look(mine):
                continue
            if self.active or not rings:
                left = pause if left is None else min(left, pause)
                pause = min(pause * 2, LONG_PAUSE)
            for number in poller.told(left):
                if number != mine.alarm.number:
                    return True
                mine.alarm.hush()
        return True

    # Jumping

    def _look(self, mine: Wait) -> bool:
        """Jump if nobody has work; whether the caller's own wait may be over by that."""
        with self._lock:
            if not self.active:
                return False
            deadlines = [wait.deadline for wait in self._waiting.values() if wait.deadline is not None]
            earliest = min(deadlines, default=None)
            if earliest is not None and earliest <= self._still():
                return False  # it is due, and about to run
            holder = self._holder()
            if holder is not None:
                self._holds.note(*holder)
                self._lose_patience()
                return False
            if self._anybody_ready():  # last, when nothing is on its way any more
                self._stand_still()
                return False
            self._holds.free()
            if earliest is None or self._is_lonely():
                return self._nobody_will_come(mine)
            return self._jump(earliest, mine)

    def _holder(self) -> Holder | None:
        """Who keeps it from jumping, if everybody waits for what has not come."""
        holder = self.others.busy(self._waiting)
        if holder is not None:
            return holder
        everybodys: list[int] = []
        for ident, wait in self._waiting.items():
            numbers = list(wait.behind())
            if any(self.ends.foreign(number) for number in numbers):
                return Holder((ident, "foreign"), functools.partial(_from_elsewhere, ident, wait))
            everybodys += numbers
        if self.ends.under_way(everybodys):
            return Holder("way", lambda: "bytes that are on their way")
        return None

    def _anybody_ready(self) -> bool:
        return any(wait.asked() for wait in self._waiting.values())

    def _still(self) -> float:
        """The time for those who wait."""
        stopped = self._stopped
        if stopped is None:
            return self.now()
        return stopped[0] + max(0.0, clock.real_now() - stopped[1] - STANDSTILL)

    def _stand_still(self) -> None:
        """All wait, so nobody reads the clock before the first of them goes on."""
        if self._stopped is None:
            real = clock.real_now()
            self._stopped = real + self.ahead, real

    def _go_on(self) -> None:
        if self._stopped is not None:
            lost = min(clock.real_now() - self._stopped[1], STANDSTILL)
            self._stopped = None
            self.ahead -= lost
            self.calendar.jump(-lost)

    def _jump(self, earliest: float, mine: Wait) -> bool:
        self._go_on()
        gap = earliest - self.now()
        if gap > 0:
            self.jumps += 1
            self.jumped += gap
            self.ahead += gap
            self.calendar.jump(gap)
            self._lonely = self._lonely[0] + 1, self._lonely[1]
        self._stand_still()
        due = False
        for wait in self._waiting.values():
            if wait.deadline is not None and wait.deadline <= earliest:
                if wait is mine:
                    due = True
                else:
                    wait.alarm.ring()
        return due

    # Waiting for ever

    def _is_lonely(self) -> bool:
        """Whether the servers have long been jumping for their own timers, and nobody else has a deadline."""
        jumps, since = self._lonely
        if jumps < LONELY_JUMPS or self.jumped - since < LONELY_SECONDS:
            return False
        return all(wait.deadline is None for wait in self._waiting.values() if not wait.is_the_servers)

    def _lose_patience(self) -> None:
        owner = self._waiting.get(self.owner)
        if (
            owner is not None
            and clock.real_now() - owner.began > self.patience
            and all(wait.deadline is None for wait in self._waiting.values())
        ):
            self._nobody_will_come(owner)

    def _nobody_will_come(self, mine: Wait) -> bool:
        """End the test's wait; whether that is the caller's.

        A test that waits for other threads may do so again as soon as that is over, at the end of a `with` block: then
        what these wait for ends, and so they do.
        """
        owner = self._waiting.get(self.owner)
        if owner is None:
            return False
        error = forever.WaitsForever(forever.told(self._waiting))
        trio = sys.modules.get("pytest_netmocks.virtual.patches.trio")
        at_home = trio is not None and trio.is_at_home(self.owner)
        if not self._given_up or not (at_home or owner.is_for_threads):
            self._given_up = True
            if at_home:
                trio.deliver(self.owner, error)  # type: ignore[union-attr]
                return False
            return _end(owner, error, mine)
        stuck = [
            wait
            for wait in self._waiting.values()
            if not (wait is owner or wait.is_the_servers or wait.is_for_threads) and wait.deadline is None
        ]
        self._given_up = bool(stuck)
        ended = [_end(wait, error, mine) for wait in stuck or [owner]]
        return any(ended)


def _end(wait: Wait, error: BaseException, mine: Wait) -> bool:
    wait.error = error
    wait.alarm.ring()
    return wait is mine


def _from_elsewhere(ident: int, wait: Wait) -> str:
    return f"the other end of what {forever.name_of(ident)} waits for in {wait.what}: it is in another process"


current: VirtualClock | None = None
"""The clock that runs, if one does."""


def here() -> VirtualClock | None:
    """The clock by which the calling thread lives, `None` for real time."""
    running = current
    return running if running is not None and threading.get_ident() not in running.outsiders else None
