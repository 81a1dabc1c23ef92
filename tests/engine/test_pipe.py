"""The engine in virtual time: bytes are conserved and in order, delays add, nothing is early, cuts are exact."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from virtual import Write, byte_times, collect, data, pipe_with, run

from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.gate import Action
from pytest_netmocks.engine.pipe import Pipe
from pytest_netmocks.engine.shaper import EOF, Window
from pytest_netmocks.faults import (
    Bandwidth,
    Blackhole,
    Close,
    Corrupt,
    Latency,
    Replace,
    Reset,
    Slice,
    SlowClose,
    Stall,
)
from pytest_netmocks.faults.base import EndingFault, Fault

# A little slack for sums of floats: times below are compared to a nanosecond.
NANO = 1e-9

delays = st.floats(0, 2, allow_nan=False)
shapers = st.one_of(
    st.builds(Latency, delays, delays, st.sampled_from(["uniform", "normal", "pareto", "lognormal"])),
    st.builds(Bandwidth, st.floats(50, 1e6)),
    st.builds(Slice, st.integers(1, 50), st.floats(0, 0.1)),
    st.builds(SlowClose, delays),
)
endings = st.builds(
    lambda kind, after_bytes, after: kind(after_bytes, after),
    st.sampled_from([Reset, Close, Blackhole, Stall]),
    st.integers(0, 400),
    delays,
)


@st.composite
def write_lists(draw: st.DrawFn) -> list[Write]:
    """Chunks of a stream of distinguishable bytes, at times that do not go back, with or without an end."""
    sizes = draw(st.lists(st.integers(1, 120), max_size=8))
    gaps = draw(st.lists(st.floats(0, 1), min_size=len(sizes) + 1, max_size=len(sizes) + 1))
    times = list(itertools.accumulate(gaps))
    stream = bytes(index % 251 for index in range(sum(sizes)))
    offsets = [0, *itertools.accumulate(sizes)]
    writes: list[Write] = [(at, stream[a:b]) for at, (a, b) in zip(times, itertools.pairwise(offsets), strict=False)]
    if draw(st.booleans()):
        writes.append((times[-1], EOF))
    return writes


def written(writes: list[Write]) -> bytes:
    return b"".join(item for _, item in writes if isinstance(item, bytes))


@given(st.lists(shapers, max_size=4), write_lists())
def test_shapers_conserve_bytes_order_and_the_end(faults: list[Fault], writes: list[Write]) -> None:
    out = run(pipe_with(faults), writes)
    assert data(out) == written(writes)
    assert [item for _, item in out].count(EOF) == [item for _, item in writes].count(EOF)
    if EOF in [item for _, item in writes]:
        assert out[-1][1] is EOF


@given(st.lists(shapers, max_size=4), write_lists())
def test_nothing_is_early(faults: list[Fault], writes: list[Write]) -> None:
    out = run(pipe_with(faults), writes)
    least = sum(
        max(0.0, fault.seconds - (fault.jitter if fault.distribution == "uniform" else 1e9))
        for fault in faults
        if isinstance(fault, Latency)
    )
    for sent, arrived in zip(byte_times(writes), byte_times(out), strict=True):
        assert arrived >= sent + least - NANO


@given(st.lists(delays, max_size=5), write_lists())
def test_delays_add_exactly(seconds: list[float], writes: list[Write]) -> None:
    out = run(pipe_with([Latency(delay) for delay in seconds]), writes)
    for sent, arrived in zip(byte_times(writes), byte_times(out), strict=True):
        assert abs(arrived - sent - sum(seconds)) < NANO


@given(st.floats(10, 1e5), write_lists())
def test_bandwidth_lets_no_byte_through_before_the_line_had_room(rate: float, writes: list[Write]) -> None:
    times = byte_times(run(pipe_with([Bandwidth(rate)]), writes))
    free = 0.0
    for sent, arrived in zip(byte_times(writes), times, strict=True):
        free = max(free, sent) + 1 / rate
        assert arrived >= free - 1e-6
        assert arrived <= free + 0.0101 + 1e-6  # a piece is a hundredth of a second of the line


@given(st.lists(st.one_of(shapers, endings), max_size=5), write_lists())
@settings(max_examples=300)
def test_whatever_the_faults_what_arrives_is_a_beginning_of_what_was_sent(
    faults: list[Fault], writes: list[Write]
) -> None:
    out = run(pipe_with(faults), writes)
    limits = [fault.after_bytes for fault in faults if isinstance(fault, EndingFault)]
    expected = written(writes)[: min((limit for limit in limits if limit is not None), default=None)]
    assert data(out) == expected
    strikes = [item for _, item in out if isinstance(item, Action)]
    assert all(item in (Action.RST, Action.FIN) for item in strikes)


@given(
    st.sampled_from([Reset, Close]),
    st.integers(0, 300),
    delays,
    st.lists(shapers, max_size=2),
    write_lists(),
    st.data(),
)
def test_after_bytes_is_exact_for_any_chunking(
    kind: type[Reset | Close], limit: int, after: float, around: list[Fault], writes: list[Write], pick: st.DataObject
) -> None:
    place = pick.draw(st.integers(0, len(around)))
    out = run(pipe_with([*around[:place], kind(limit, after), *around[place:]]), writes)
    assert data(out) == written(writes)[:limit]
    strikes = [at for at, item in out if isinstance(item, Action)]
    if len(written(writes)) < limit or (len(written(writes)) == limit and EOF in [item for _, item in out]):
        assert len(strikes) <= 1
    else:
        assert len(strikes) == 1
        assert strikes[0] >= after
        assert strikes[0] >= max(byte_times(out), default=0.0)


@given(st.floats(0.01, 3), write_lists())
def test_after_alone_lets_everything_flow_until_then(after: float, writes: list[Write]) -> None:
    out = run(pipe_with([Reset(after=after)]), writes)
    assert data(out) == b"".join(item for at, item in writes if isinstance(item, bytes) and at < after)
    assert [(at, item) for at, item in out if isinstance(item, Action)] == [(after, Action.RST)]


@given(st.sampled_from(["uniform", "normal", "pareto"]), st.integers(1, 400), st.integers(1, 400), st.booleans())
def test_jitter_does_not_depend_on_the_chunking(distribution: str, one: int, two: int, both: bool) -> None:
    stream = bytes(range(200)) * 4

    def arrivals(size: int) -> list[float]:
        fault = Latency(1.0, 0.5, distribution)  # type: ignore[arg-type]
        chunks: list[Write] = [(0.0, stream[at : at + size]) for at in range(0, len(stream), size)]
        return byte_times(run(pipe_with([fault, Corrupt(0.1)] if both else [fault]), chunks))

    assert arrivals(one) == arrivals(two)


@given(st.floats(0, 1), st.integers(100, 5000), st.integers(100, 5000), st.integers(0, 5))
def test_corruption_does_not_depend_on_the_chunking_and_flips_one_bit(
    probability: float, one: int, two: int, seed: int
) -> None:
    stream = bytes(10_000)

    def arrived(size: int) -> bytes:
        chunks: list[Write] = [(0.0, stream[at : at + size]) for at in range(0, len(stream), size)]
        return data(run(pipe_with([Corrupt(probability)], draws=Draws(seed)), chunks))

    result = arrived(one)
    assert result == arrived(two)
    assert len(result) == len(stream)
    assert all(byte.bit_count() <= 1 for byte in result)


def test_corruption_strikes_about_as_often_as_it_says() -> None:
    struck = sum(map(bool, data(run(pipe_with([Corrupt(0.05)]), [(0.0, bytes(200_000))]))))
    assert 9_000 < struck < 11_000


def test_slices_have_the_size_and_the_distance() -> None:
    out = run(pipe_with([Slice(4, 0.5)]), [(1.0, b"0123456789")])
    assert out == [(1.0, b"0123"), (1.5, b"4567"), (2.0, b"89")]


def test_slow_close_delays_the_end_and_nothing_else() -> None:
    assert run(pipe_with([SlowClose(2.0)]), [(1.0, b"x"), (1.0, EOF)]) == [(1.0, b"x"), (3.0, EOF)]


def test_a_stall_holds_and_lifting_it_releases_in_order() -> None:
    pipe = Pipe("downstream")
    gate = Stall(after_bytes=2).gate(0.0)
    pipe.add_gate(gate, 2)
    pipe.feed(0.0, b"ab")
    pipe.feed(0.0, b"cd")
    assert collect(pipe, 0.0) == [(0.0, b"ab")]
    assert pipe.full
    pipe.feed(1.0, b"ef")
    pipe.feed(1.0, EOF)
    assert collect(pipe, 1.0) == []
    pipe.remove_gate(gate)
    assert collect(pipe, 2.0) == [(2.0, b"cd"), (2.0, b"ef"), (2.0, EOF)]
    assert pipe.idle
    assert pipe.spacious


def test_a_blackhole_swallows_what_came_before_it_was_lifted() -> None:
    pipe = Pipe("downstream")
    gate = Blackhole().gate(0.0)
    pipe.add_gate(gate, None)
    pipe.feed(0.0, b"gone")
    assert collect(pipe, 0.0) == []
    pipe.remove_gate(gate)
    pipe.feed(1.0, b"here")
    assert collect(pipe, 1.0) == [(1.0, b"here")]


def test_the_first_that_ends_the_connection_ends_it() -> None:
    out = run(pipe_with([Close(after_bytes=4), Reset(after_bytes=2)]), [(0.0, b"012345")])
    assert out == [(0.0, b"01"), (0.0, Action.RST)]


def test_a_reset_in_time_strikes_through_a_stall() -> None:
    out = run(pipe_with([Stall(), Reset(after=1.0)]), [(0.0, b"held")])
    assert out == [(1.0, Action.RST)]


@given(size=st.integers(1, 100), back=st.integers(0, 100), limit=st.integers(0, 150), shaped=st.booleans())
def test_what_is_taken_back_comes_again_past_what_was_added_meanwhile_and_counts_once(
    size: int, back: int, limit: int, *, shaped: bool
) -> None:
    stream = bytes(range(150))
    pipe = pipe_with([Latency(1.0), Reset(after_bytes=limit)])
    pipe.feed(0.0, stream[:size])
    pipe.leaving.extend(pipe.advance(1.0))
    first = bytes(pipe.leaving.popleft()) if limit else b""  # type: ignore[arg-type]
    kept = first[: max(0, len(first) - back)]
    pipe.take_back([first[len(kept) :]])
    if shaped:
        pipe.add_shaper(Slice(7, 0.5).shaper(Draws(1)))
    writes: list[Write] = [(1.0, stream[size:])] if size < len(stream) else []
    assert kept + data(run(pipe, writes)) == stream[:limit]
    assert pipe.position == min(limit, len(stream))


def test_one_direction_that_gets_there_shuts_both() -> None:
    up, down = Pipe("upstream"), Pipe("downstream")
    gate = Reset(after_bytes=3, direction="both").gate(0.0)
    up.add_gate(gate, 3)
    down.add_gate(gate, 3)
    down.feed(0.0, b"ab")
    assert collect(down, 0.0) == [(0.0, b"ab")]
    up.feed(0.0, b"12345")
    assert collect(up, 0.0) == [(0.0, b"123"), (0.0, Action.RST)]
    down.feed(0.0, b"c")
    assert collect(down, 0.0) == []


def test_a_slow_line_fills_up_and_empties() -> None:
    pipe = pipe_with([Bandwidth(1000)])
    pipe.feed(0.0, bytes(100_000))
    collect(pipe, 0.0)
    assert pipe.full
    collect(pipe, 80.0)
    assert pipe.spacious
    assert 20_000 <= pipe.held <= 20_010


@given(st.integers(0, 30), st.integers(0, 30), st.lists(st.integers(1, 20), max_size=6), st.booleans())
def test_a_window_delays_its_stretch_only_and_keeps_order(start: int, size: int, chunks: list[int], end: bool) -> None:
    pipe = Pipe("downstream")
    pipe.add_shaper(Window(Latency(5.0).shaper(Draws(0)), start, start + size))
    stream = bytes(range(sum(chunks)))
    offsets = [0, *itertools.accumulate(chunks)]
    writes: list[Write] = [(0.0, stream[a:b]) for a, b in itertools.pairwise(offsets)]
    if end:
        writes.append((0.0, EOF))
    out = run(pipe, writes)
    assert data(out) == stream
    times = byte_times(out)
    assert times[:start] == [0.0] * len(times[:start])
    assert times[start:] == [5.0 if size else 0.0] * len(times[start:])
    assert not end or out[-1][1] is EOF
    if len(stream) >= start + size:
        assert pipe.idle


@given(st.lists(shapers, min_size=1, max_size=3), write_lists(), st.integers(0, 2), st.floats(0, 3))
def test_lifting_a_shaper_loses_nothing(faults: list[Fault], writes: list[Write], which: int, when: float) -> None:
    pipe = pipe_with(faults)
    out = []
    lifted = False
    for at, item in writes:
        if at >= when and not lifted:
            lifted = True
            pipe.remove_shaper(pipe._shapers[which % len(pipe._shapers)], at)
        pipe.feed(at, item)
        out += collect(pipe, at)
    out += run(pipe, [])
    assert data(out) == written(writes)


def test_lifting_a_window_in_the_middle_keeps_the_order() -> None:
    pipe = Pipe("downstream")
    window = Window(Latency(5.0).shaper(Draws(0)), 2, 4)
    pipe.add_shaper(window)
    pipe.feed(0.0, b"abcdef")
    out = collect(pipe, 0.0)
    pipe.remove_shaper(window, 1.0)
    pipe.feed(1.0, b"gh")
    assert data(out + collect(pipe, 1.0)) == b"abcdefgh"


def test_an_idle_pipe_asks_for_no_visit() -> None:
    pipe = pipe_with([Latency(1.0), Reset(after_bytes=5)])
    assert pipe.next_at() is None
    pipe.feed(0.0, b"x")
    collect(pipe, 0.0)
    assert pipe.next_at() == 1.0


@settings(max_examples=10)
@given(st.floats(1e6, 3e7), st.lists(st.floats(0, 0.05), min_size=1, max_size=9), st.integers(1000, 1 << 16))
def test_a_fast_line_is_as_fast_as_it_says_however_late_it_is_looked_after(
    rate: float, lateness: list[float], chunk: int
) -> None:
    total = chunk * (1 + int(rate / chunk))
    pipe = pipe_with([Bandwidth(rate)])
    now, written, arrived, waiting = 0.0, 0, 0, False
    for late in itertools.cycle(lateness):
        while written < total and not (waiting := not pipe.spacious if waiting else pipe.full):
            pipe.feed(now, bytes(chunk))
            written += chunk
            collect(pipe, now)
        if arrived == total:
            break
        due = pipe.next_at()
        assert due is not None
        now = due + late
        arrived += len(data(collect(pipe, now)))
        assert arrived <= rate * now + 1  # never early
    assert now <= 1.02 * total / rate + max(lateness)


@given(st.binary(min_size=1, max_size=4), st.binary(max_size=6), st.lists(st.binary(max_size=9), max_size=9))
def test_replaced_bytes_are_those_of_the_whole_stream_whatever_the_chunks(
    pattern: bytes, replacement: bytes, chunks: list[bytes]
) -> None:
    pipe = pipe_with([Replace(pattern, replacement)])
    writes: list[Write] = [(0.0, chunk) for chunk in chunks if chunk]
    out = run(pipe, [*writes, (0.0, EOF)])
    assert data(out) == b"".join(chunks).replace(pattern, replacement)
    assert pipe.held == 0
    assert out[-1][1] is EOF


def test_the_beginning_of_a_match_waits_for_its_end_and_not_for_ever() -> None:
    out = run(pipe_with([Replace(b"hello", b"HI")]), [(0.0, b"x hel"), (0.04, b"lo y hel"), (1.0, b"lo")])
    assert out == [(0.0, b"x "), (0.04, b"HI y "), (0.09, b"hel"), (1.0, b"lo")]


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=6), st.floats(1e3, 1e5))
def test_those_who_share_a_line_take_turns_on_it(sizes: list[int], rate: float) -> None:
    fault = Bandwidth(rate, shared=True)
    line = fault.common()
    pipes = []
    for size in sizes:
        pipe, shaper = Pipe("downstream"), fault.shaper(Draws("shared"))
        shaper.join(line)
        pipe.add_shaper(shaper)
        pipe.feed(0.0, bytes(size))
        pipes.append(pipe)
    left = dict(enumerate(sizes))
    now, arrived = 0.0, 0
    while any(left.values()):
        for index, pipe in enumerate(pipes):
            size = len(data(collect(pipe, now)))
            left[index] -= size
            arrived += size
        assert arrived <= rate * now * (1 + NANO) + NANO
        now = min((due for pipe in pipes if (due := pipe.next_at()) is not None), default=now)
    assert abs(now - sum(sizes) / rate) < 1e-6 * max(1.0, now)
