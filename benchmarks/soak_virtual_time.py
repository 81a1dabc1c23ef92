"""Mixed scenarios in virtual time, thousands of them: `python benchmarks/soak_virtual_time.py --busy 4`.

Each run draws a scenario and its times from the seed and has a stretch of virtual time, servers and clients of its own.
It is early when something happens before its time, by the virtual clock; wrong when anything else is not as it has to
be, much too late among it; hung when it takes a minute of real time: then all stacks are printed, and that is the end.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import faulthandler
import os
import random
import signal
import subprocess
import sys
import traceback

from soak_scenarios import SCENARIOS, is_early

import pytest_netmocks
from pytest_netmocks import VirtualClock, clock

HUNG = 60
"""Real seconds after which a run is taken for hung."""

SLOW = 5.0
"""Real seconds after which it is said who kept a run from jumping."""

TRACEBACKS = 5
"""How many runs that went wrong are told at length."""

WORK = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"
"""What a busy process does: nothing, as long as this one is there."""


@dataclasses.dataclass
class Tally:
    """What came of the runs of one scenario."""

    runs: int = 0
    early: int = 0
    hung: int = 0
    wrong: int = 0
    real: float = 0.0
    longest: float = 0.0

    def __str__(self) -> str:
        each = self.real / max(1, self.runs) * 1e6
        return f"{self.runs:6} {self.early:6} {self.hung:5} {self.wrong:6} {each:10.0f} {self.longest * 1e3:11.0f}"


class Soak:
    """The runs, one after another, and an alarm for those that hang.

    The alarm is the kernel's: a thread that looks would be one from before virtual time that works now and then.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._tallies: dict[str, Tally] = collections.defaultdict(Tally)
        self._told = 0
        self._running: tuple[int, str, VirtualClock] | None = None
        signal.signal(signal.SIGALRM, self._hangs)

    def run(self, number: int) -> None:
        """Draw a scenario and let it run."""
        draw = random.Random(f"{self._seed}/{number}")
        name = draw.choice(list(SCENARIOS))
        tally = self._tallies[name]
        begin = clock.real_now()
        signal.setitimer(signal.ITIMER_REAL, HUNG)
        try:
            with pytest_netmocks.virtual_time(patience=HUNG / 2) as running:
                self._running = number, name, running
                SCENARIOS[name](draw, running)
        except Exception as error:
            tally.early += is_early(error)
            tally.wrong += not is_early(error)
            self._tell(number, name)
        took = clock.real_now() - begin
        signal.setitimer(signal.ITIMER_REAL, 0)
        if took > SLOW:
            print(f"run {number}, {name}: {took:.1f} s", *running.held_by, sep="\n  ", flush=True)
        tally.runs += 1
        tally.real += took
        tally.longest = max(tally.longest, took)

    def _tell(self, number: int, name: str) -> None:
        self._told += 1
        if self._told <= TRACEBACKS:
            print(f"run {number}, {name}:\n{traceback.format_exc()}", flush=True)

    def _hangs(self, *_: object) -> None:
        """End everything: nobody knows what else would wait for that run."""
        assert self._running is not None
        number, name, running = self._running
        print(f"run {number}, {name}, hangs:", *running.held_by, sep="\n  ", flush=True)
        faulthandler.dump_traceback(all_threads=True)
        self._tallies[name].runs += 1
        self._tallies[name].hung += 1
        self.report()
        os._exit(1)

    def report(self) -> bool:
        """Print a line for each scenario; whether all is well."""
        total = Tally()
        print(f"{'':24}{'runs':>6} {'early':>6} {'hung':>5} {'wrong':>6} {'us a run':>10} {'ms at most':>11}")
        for name in SCENARIOS:
            tally = self._tallies[name]
            print(f"{name:24}{tally}")
            for field in ("runs", "early", "hung", "wrong", "real"):
                setattr(total, field, getattr(total, field) + getattr(tally, field))
            total.longest = max(total.longest, tally.longest)
        print(f"{'all':24}{total}", flush=True)
        return not total.early + total.hung + total.wrong


def main() -> int:
    """The runs that were asked for; 1 if any was early, hung or wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="how many (10,000)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first, to see one again (0)")
    parser.add_argument("--busy", type=int, default=0, help="processes that do nothing but work beside it (0)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which no more are begun")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (0)")
    options = parser.parse_args()
    faulthandler.enable()
    # They are older than the stretches of virtual time: a child that is started in one keeps its clock from jumping.
    busy = [subprocess.Popen([sys.executable, "-c", WORK]) for _ in range(options.busy)]
    try:
        soak = Soak(options.seed)
        end = clock.real_now() + options.minutes * 60
        for number in range(options.first, options.first + options.runs):
            if clock.real_now() > end:
                break
            soak.run(number)
        return 0 if soak.report() else 1
    finally:
        for process in busy:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
