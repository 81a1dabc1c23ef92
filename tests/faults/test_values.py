"""Laws that every fault obeys, whichever it is: the registry is the list."""

# mypy: disable-error-code=arg-type
# Wrong arguments are what some of these tests give.

from __future__ import annotations

import dataclasses
import json
import pickle
import re
import typing
from typing import Any

import pytest

from pytest_netmocks import faults
from pytest_netmocks.faults import Bandwidth, Blackhole, Corrupt, Fault, Latency, Loss, Reorder, Reset, Slice, SlowClose
from pytest_netmocks.faults.base import (
    AnswerFault,
    ConnectFault,
    DatagramFault,
    DirectedFault,
    EndingFault,
    HandshakeFault,
    SessionFault,
    ShapingFault,
    StreamFault,
)

MINIMAL: dict[str, tuple[Any, ...]] = {
    "Answer": (503,),
    "Bandwidth": (1000,),
    "Corrupt": (0.5,),
    "Duplicate": (0.5,),
    "Latency": (0.1,),
    "Loss": (0.5,),
    "Reorder": (0.5,),
    "Replace": (b"a", b"\xff"),
    "Slice": (10,),
    "SlowClose": (0.1,),
    "SmallWindow": (10,),
}


def example(name: str, **options: Any) -> Fault:
    return faults.registry[name](*MINIMAL.get(name, ()), **options)


FAMILIES = (ShapingFault, EndingFault, ConnectFault, DatagramFault, HandshakeFault, AnswerFault, SessionFault)

every = pytest.mark.parametrize("name", sorted(faults.registry))
every_directed = pytest.mark.parametrize(
    "name", sorted(name for name, kind in faults.registry.items() if issubclass(kind, DirectedFault))
)


@every
def test_compares_hashes_and_shows_itself(name: str) -> None:
    fault = example(name)
    assert fault == example(name)
    assert len({fault, example(name)}) == 1
    assert repr(fault).startswith(f"{name}(")
    assert fault.id == repr(fault)
    assert pickle.loads(pickle.dumps(fault)) == fault


@every
def test_is_frozen(name: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        example(name).direction = "both"  # type: ignore[attr-defined]


@every
def test_round_trips_through_json_and_text(name: str) -> None:
    several = [example(name)]
    if issubclass(faults.registry[name], DirectedFault):
        several += [example(name, direction="both"), example(name, direction="upstream")]
    for fault in several:
        assert faults.from_json(json.loads(json.dumps(faults.to_json(fault)))) == fault
        assert faults.parse(repr(fault)) == (fault, {})


@every_directed
def test_refuses_a_direction_that_is_none(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}: direction must be one of 'upstream', .* not 'sideways'"):
        example(name, direction="sideways")


@every
def test_every_stream_fault_takes_a_layer(name: str) -> None:
    if issubclass(faults.registry[name], StreamFault):
        assert getattr(example(name, layer="tls"), "layer") == "tls"  # noqa: B009
        with pytest.raises(ValueError, match=rf"{name}: layer must be one of 'application', 'tls', not 'ip'"):
            example(name, layer="ip")


@pytest.mark.parametrize("name", sorted(faults.registry.keys() - {"Answer"}))  # whose options a reply's words are
def test_a_misspelt_argument_is_named_with_the_nearest(name: str) -> None:
    for field in dataclasses.fields(faults.registry[name]):
        if field.init:
            nearest = rf"^{name} takes no '{field.name}_' \(did you mean '{field.name}'\?\); "
            with pytest.raises(TypeError, match=nearest):
                example(name, **{f"{field.name}_": 1})


@every
def test_belongs_to_a_family_and_has_a_text(name: str) -> None:
    kind = faults.registry[name]
    assert issubclass(kind, FAMILIES)
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{name}(")


@every
def test_lives_in_a_file_of_its_name(name: str) -> None:
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    assert faults.registry[name].__module__ == f"pytest_netmocks.faults.{snake}"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Latency(-1), ValueError, r"Latency: seconds must be a number of at least 0 \(seconds\), not -1"),
        (lambda: Latency("1"), TypeError, r"Latency: seconds .* not '1'"),
        (lambda: Latency(float("nan")), ValueError, "seconds .* not nan"),
        (lambda: Latency(float("inf")), ValueError, "seconds .* not inf"),
        (lambda: Latency(True), TypeError, "seconds .* not True"),
        (lambda: Latency(1, jitter=-0.1), ValueError, "jitter .* not -0.1"),
        (lambda: Latency(1, distribution="gauss"), ValueError, "distribution .*'normal'.* not 'gauss'"),
        (lambda: Bandwidth(0), ValueError, r"bytes_per_second must be a number above 0 \(bytes per second\), not 0"),
        (lambda: Slice(0), ValueError, r"size must be a whole number of at least 1 \(bytes\), not 0"),
        (lambda: Slice(1.5), TypeError, "size .* not 1.5"),
        (lambda: Slice(1, -1), ValueError, "delay .* not -1"),
        (lambda: Reset(after_bytes=-1), ValueError, "after_bytes .* not -1"),
        (lambda: Reset(after_bytes=1.0), TypeError, "after_bytes .* not 1.0"),
        (lambda: Reset(after=-1), ValueError, "after .* not -1"),
        (lambda: Corrupt(1.5), ValueError, r"probability must be a number from 0 to 1 \(a chance\), not 1.5"),
        (lambda: Loss(-0.1), ValueError, "Loss: probability .* not -0.1"),
        (lambda: Reorder(0.5, delay=-1), ValueError, "delay .* not -1"),
        (lambda: SlowClose(None), TypeError, "seconds .* not None"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_accepted(
    make: typing.Callable[[], Fault], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_blackhole_is_for_both_directions_unless_told_otherwise() -> None:
    assert Blackhole().direction == "both"
    assert repr(Blackhole()) == "Blackhole()"


@pytest.mark.parametrize(
    ("obj", "error", "message"),
    [
        ({"fault": "Explode"}, ValueError, "'Explode' is no known fault.*known are Answer, Bandwidth"),
        ({"seconds": 1}, ValueError, "None is no known fault"),
        ({"fault": "Latency", "second": 1}, ValueError, "Latency has no argument 'second' .did you mean 'seconds'"),
        ({"fault": "Latency"}, ValueError, "Latency: .*'seconds'"),
        ({"fault": "Latency", "seconds": -1}, ValueError, "seconds"),
        ("Latency", TypeError, "obj must be an object"),
    ],
)
def test_json_that_is_no_fault_is_refused(obj: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        faults.from_json(obj)


@pytest.mark.parametrize(
    ("text", "fault", "selectors"),
    [
        ("Latency(0.2)", Latency(0.2), {}),
        ("Reset(after_bytes=100), first=2", Reset(after_bytes=100), {"first": 2}),
        ("Reset", Reset(), {}),
        ("Loss(0.5), probability=0.1, duration=3", Loss(0.5), {"probability": 0.1, "duration": 3}),
        ("Latency(seconds=+1, jitter=1e-3)", Latency(1, 0.001), {}),
    ],
)
def test_text_is_written_as_in_python(text: str, fault: Fault, selectors: dict[str, Any]) -> None:
    assert faults.parse(text) == (fault, selectors)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Latency(",
        "Latency(0.1), Reset()",
        "Latency(0.1)) or print(1",
        "Latency(0.1); import os",
        "__import__('os').system('true')",
        "Latency(__import__('os').getpid())",
        "Latency(**{'seconds': 1})",
        "Latency(*[1])",
        "Latency(1 + 1 if True else 2)",
        "(lambda: 1)()",
        "Reset(), frist=2",
        "Reset(), first=x",
        "\0",
        "(" * 5000,
    ],
)
def test_text_that_is_no_fault_is_refused_and_never_evaluated(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no fault|no known fault|only a number|selector|write the arguments"):
        faults.parse(text)


def test_a_fault_of_ones_own_joins_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass(frozen=True, repr=False)
    class Hiccup(EndingFault):
        """A fault of somebody's own."""

    monkeypatch.setitem(faults.registry, "Hiccup", Hiccup)
    assert faults.parse("Hiccup(after=1.0)") == (Hiccup(after=1.0), {})
