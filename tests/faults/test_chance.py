"""Chance that can be repeated: draws, selectors, datagrams."""

from __future__ import annotations

import collections
import itertools
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.stages import through
from pytest_netmocks.faults import Bandwidth, Corrupt, Duplicate, Latency, Loss, Reorder
from pytest_netmocks.faults.bandwidth import QUEUE
from pytest_netmocks.faults.base import DatagramFault
from pytest_netmocks.faults.selector import Selector

keys = st.tuples(st.integers(), st.text(max_size=5))


@given(keys, st.lists(st.integers(0, 2**40), min_size=1, max_size=20))
def test_a_draw_depends_on_its_address_alone(key: tuple[int, str], numbers: list[int]) -> None:
    forwards = [Draws(*key).uniform(number) for number in numbers]
    draws = Draws(*key)
    backwards = [draws.uniform(number) for number in reversed(numbers)]
    assert forwards == backwards[::-1]
    assert all(0 <= draw < 1 for draw in forwards)


def test_draws_are_spread_evenly_and_keys_tell_apart() -> None:
    one = [Draws(1).uniform(number) for number in range(10_000)]
    two = [Draws(2).uniform(number) for number in range(10_000)]
    assert abs(statistics.mean(one) - 0.5) < 0.02
    assert abs(statistics.correlation(one, two)) < 0.05
    assert Draws(1).child("a").uniform(0) != Draws(1).child("b").uniform(0)


def chosen(selector: Selector, count: int = 12) -> str:
    return "".join("x" if selector.selects(number, Draws("s")) else "." for number in range(1, count + 1))


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (Selector(), "xxxxxxxxxxxx"),
        (Selector(first=3), "xxx........."),
        (Selector(nth=3), "..x........."),
        (Selector(every=3), "..x..x..x..x"),
        (Selector(probability=0.0), "............"),
        (Selector(probability=1.0), "xxxxxxxxxxxx"),
    ],
)
def test_selectors_count_from_one(selector: Selector, expected: str) -> None:
    assert chosen(selector) == expected


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"first": 1, "nth": 2}, ValueError, "only one of first, nth, .* not first=1, nth=2"),
        ({"first": 0}, ValueError, "first must be a whole number of at least 1"),
        ({"nth": 1.5}, TypeError, "nth .* not 1.5"),
        ({"every": -1}, ValueError, "every .* not -1"),
        ({"probability": 2}, ValueError, "probability .* not 2"),
    ],
)
def test_wrong_selectors_are_named(options: dict[str, float], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Selector(**options)  # type: ignore[arg-type]


def sent(*faults: DatagramFault, count: int = 20, at: float = 0.0) -> list[tuple[float, bytes]]:
    stages = [fault.datagrams(Draws("d", index)) for index, fault in enumerate(faults)]
    out = [through([(stage, n) for stage in stages], at, b"%03d" % n) for n in range(count)]
    return list(itertools.chain.from_iterable(out))


def test_datagrams_are_lost_doubled_and_held_back() -> None:
    whole = [b"%03d" % n for n in range(20)]
    assert sent(Loss(1.0)) == []
    assert [piece for _, piece in sent(Loss(0.0))] == whole
    assert [piece for _, piece in sent(Duplicate(1.0))] == [piece for piece in whole for _ in range(2)]
    assert [at for at, _ in sent(Reorder(1.0, delay=0.5))] == [0.5] * 20
    assert 0 < len(sent(Loss(0.5))) < 20
    assert sent(Loss(0.5)) == sent(Loss(0.5))


def test_the_copies_of_a_datagram_draw_for_themselves() -> None:
    counts = collections.Counter(piece for _, piece in sent(Duplicate(1.0), Loss(0.5), count=200))
    assert 70 <= sum(count == 1 for count in counts.values()) <= 130
    times = [at for at, _ in sent(Duplicate(1.0), Duplicate(1.0), Latency(1.0, jitter=0.5), count=1)]
    assert len(set(times)) == 4


def test_delays_of_datagrams_add_and_jitter_stays_in_its_width() -> None:
    assert {at for at, _ in sent(Latency(0.5), Latency(0.25))} == {0.75}
    times = [at for at, _ in sent(Latency(1.0, jitter=0.5))]
    assert all(0.5 <= at < 1.5 for at in times)
    assert len(set(times)) > 10


def test_a_slow_line_sends_datagrams_one_after_the_other_and_drops_what_it_cannot_hold() -> None:
    assert [at for at, _ in sent(Bandwidth(3.0), count=3)] == [1.0, 2.0, 3.0]
    stage = Bandwidth(1000.0).datagrams(Draws())
    kept = sum(bool(stage.step(0.0, number, bytes(10_000))) for number in range(100))
    assert QUEUE // 10_000 <= kept <= QUEUE // 10_000 + 2


@given(st.floats(0, 1), st.integers(0, 1000))
def test_corrupt_datagrams_keep_their_size(probability: float, size: int) -> None:
    ((_, piece),) = Corrupt(probability).datagrams(Draws(1)).step(0.0, 7, bytes(size))
    assert len(piece) == size
    assert all(byte.bit_count() <= 1 for byte in piece)


@pytest.mark.parametrize("distribution", ["uniform", "normal", "pareto"])
def test_jitter_has_the_mean_and_the_width_it_says(distribution: str) -> None:
    fault = Latency(10.0, 1.0, distribution)  # type: ignore[arg-type]
    delays = [fault.delay(Draws("j"), number) for number in range(20_000)]
    assert abs(statistics.mean(delays) - 10.0) < 0.05
    deviation = statistics.stdev(delays)
    if distribution == "uniform":
        assert min(delays) >= 9.0
        assert max(delays) <= 11.0
    else:
        assert 0.8 < deviation < 1.25


@pytest.mark.parametrize(("probability", "burst"), [(0.1, 5.0), (0.3, 2.0), (0.5, 1.0), (0.8, 10.0)])
def test_bursts_are_as_long_as_they_say_and_lose_as_many_in_the_long_run(probability: float, burst: float) -> None:
    stage = Loss(probability, burst=burst).datagrams(Draws("bursts"))
    lost = [not stage.step(0.0, number, b"x") for number in range(200_000)]
    runs = [len(list(run)) for bad, run in itertools.groupby(lost) if bad]
    assert abs(statistics.mean(lost) - probability) < 0.02
    assert abs(statistics.mean(runs) - burst) < 0.05 * burst


def test_bursts_do_not_depend_on_who_else_sends() -> None:
    alone, among = Loss(0.3, burst=3), Loss(0.3, burst=3)
    one, other = alone.datagrams(Draws("b")), among.datagrams(Draws("b"))
    numbers = itertools.count(step=7)
    assert [one.step(0.0, 0, b"x") for _ in range(99)] == [other.step(0.0, next(numbers), b"x") for _ in range(99)]


@pytest.mark.parametrize("burst", [0.5, 3.9, float("nan")])
def test_bursts_that_leave_no_room_for_the_others_are_refused(burst: float) -> None:
    with pytest.raises(ValueError, match="Loss: burst must be"):
        Loss(0.8, burst=burst)


def test_a_lognormal_delay_has_its_mean_and_deviation_and_is_never_negative() -> None:
    fault = Latency(0.1, 0.05, "lognormal")
    delays = [fault.delay(Draws("log"), number) for number in range(50_000)]
    assert abs(statistics.mean(delays) - 0.1) < 0.002
    assert abs(statistics.stdev(delays) - 0.05) < 0.005
    assert min(delays) > 0
    assert Latency(0.0, 0.05, "lognormal").delay(Draws("log"), 0) == 0


def test_datagrams_of_all_clients_share_a_line() -> None:
    fault = Bandwidth(1000, shared=True)
    line = fault.common()
    stages = [fault.datagrams(Draws("x")) for _ in range(2)]
    for stage in stages:
        stage.join(line)
    assert [stage.step(0.0, 0, b"x" * 500) for stage in stages] == [[(0.5, b"x" * 500)], [(1.0, b"x" * 500)]]
