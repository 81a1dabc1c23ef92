"""Who kept virtual time from jumping, as it is counted."""

from __future__ import annotations

import pytest

from pytest_netmocks import clock
from pytest_netmocks.virtual.held import Held, Holds


@pytest.fixture
def told() -> list[Held]:
    return []


@pytest.fixture
def holds(told: list[Held]) -> Holds:
    return Holds(told.append)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(clock, "real_now", lambda: now[0])
    return now


def counted(held: list[Held]) -> dict[str, float]:
    return {one.who: round(one.seconds, 6) for one in held}


def test_who_is_seen_between_the_looks_of_a_loop_of_sleeps_does_not_hide_who_is_waited_for(
    holds: Holds, told: list[Held], now: list[float]
) -> None:
    for _ in range(15):
        holds.note("child", lambda: "the process")
        now[0] += 0.04
        holds.note("test", lambda: "the test")
        now[0] += 0.001
    assert counted(holds.all()) == {"the process": 0.6, "the test": 0.015}
    assert not told
    holds.free()
    assert counted(told) == {"the process": 0.6}


def test_what_lies_between_two_jumps_counts_by_itself(holds: Holds, told: list[Held], now: list[float]) -> None:
    for _ in range(3):
        for _ in range(2):
            holds.note("a", lambda: "A")
            now[0] += 0.15
        holds.free()
        now[0] += 100  # nobody holds it
        holds.free()
    assert not told  # none of them was long
    assert counted(holds.all()) == {"A": 0.9}


def test_moments_are_nobodys(holds: Holds, now: list[float]) -> None:
    for _ in range(1000):
        holds.note("a", lambda: "A")
        now[0] += 0.009
        holds.free()
    assert holds.all() == []
