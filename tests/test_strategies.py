"""Hypothesis strategies: what they generate is taken, nothing is left out, and they shrink as they say."""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any

import pytest
import requests
from helpers import Suite
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import pytest_netmocks
from pytest_netmocks import strategies
from pytest_netmocks.faults import Answer, Blackhole, Close, Fault, Latency, Loss, Refuse, Reset, Unreachable, registry
from pytest_netmocks.faults.base import DatagramFault, StreamFault
from pytest_netmocks.protocols import known
from pytest_netmocks.servers.server import Server

SERVERS = sorted(known.TABLE)


def made(kind: str) -> Server:
    """A server that is not started: it refuses as one that is."""
    entry = known.TABLE[kind]
    needed: dict[str, tuple[Any, ...]] = {"upstream": (("127.0.0.1", 1),), "site": ("expired",)}
    return entry.make(*needed.get(entry.takes or "", ()))


@pytest.mark.parametrize("kind", SERVERS)
def test_what_is_generated_is_taken_by_the_server_it_is_for(kind: str) -> None:
    server = made(kind)

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        for fault in data.draw(strategies.faults(server=kind)):
            assert server.refuses(fault) is None
        for fault in (one for group in data.draw(strategies.scripts(server=kind)) for one in group):
            assert server.refuses(fault) is None

    check()


@pytest.mark.parametrize("kind", ["http", "udp", "smtps"])
def test_what_is_generated_is_injected_and_scripted(kind: str) -> None:
    with getattr(pytest_netmocks, kind)() as server:

        @settings(max_examples=20)
        @given(strategies.faults(server=kind), strategies.scripts(server=kind))
        def check(faults: list[Fault], script: list[list[Fault]]) -> None:
            injections = [server.inject(fault) for fault in faults if not isinstance(fault, Unreachable)]
            server.script(*script)
            for injection in injections:
                injection.lift()
            server.script()

        check()


@pytest.mark.parametrize("name", sorted(registry))
def test_every_kind_of_fault_is_generated(name: str) -> None:
    if registry[name].__module__.startswith("pytest_netmocks"):
        kind = (
            "https"
            if issubclass(registry[name], StreamFault) or not issubclass(registry[name], DatagramFault)
            else "udp"
        )
        # Without shrinking: that there is one is all that is asked.
        phases = settings(max_examples=2000, phases=[Phase.generate])
        assert find(strategies.fault(server=kind), lambda fault: fault.name == name, settings=phases).name == name


def test_they_shrink_towards_fewer() -> None:
    assert find(strategies.faults(), lambda _: True) == []
    assert find(strategies.scripts(), lambda _: True) == []
    assert find(strategies.scripts(), any) == [[Close(after_bytes=strategies.MAX_BYTES)]]


def test_they_shrink_towards_those_that_strike_later() -> None:
    def breaks(fault: Fault) -> bool:
        return isinstance(fault, Reset) and fault.after_bytes is not None and fault.after_bytes < 107

    assert find(strategies.fault(), breaks) == Reset(after_bytes=106)


def test_they_shrink_towards_simpler_ones() -> None:
    ends = (Close, Reset, Blackhole)
    assert isinstance(find(strategies.fault(), lambda fault: isinstance(fault, ends)), Close)
    silent = find(strategies.fault([Blackhole]), lambda fault: isinstance(fault, Blackhole) and fault.after_bytes == 0)
    assert silent == Blackhole(after_bytes=0)
    assert find(strategies.fault([Latency]), lambda _: True) == Latency(0.001)
    assert find(strategies.fault([Answer]), lambda _: True) == Answer(503)
    assert find(strategies.fault([Loss], server="udp"), lambda _: True) == Loss(0.1)


@given(strategies.faults([Reset, Close], max_size=2, max_bytes=50), strategies.fault([Latency], max_seconds=0.5))
def test_what_is_asked_for_is_kept(faults: list[Fault], late: Fault) -> None:
    assert len(faults) <= 2
    assert all(isinstance(fault, (Reset, Close)) and (fault.after_bytes or 0) <= 50 for fault in faults)
    assert isinstance(late, Latency)
    assert 0 < late.seconds <= 0.5


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda: strategies.fault(server="htpp"), ValueError, "no kind of server.*http"),
        (lambda: strategies.fault([Loss]), ValueError, "kinds has Loss, which a server of http does not take"),
        (lambda: strategies.scripts([Refuse]), ValueError, "Refuse, which a script of a server of http"),
        (lambda: strategies.fault([Answer], server="tcp_proxy"), ValueError, "Answer"),
        (lambda: strategies.fault([]), ValueError, "at least one"),
        (lambda: strategies.fault([Reset()]), TypeError, "classes, such as"),  # type: ignore[list-item]
        (lambda: strategies.faults(max_size=0), ValueError, "max_size"),
        (lambda: strategies.fault(max_bytes=0), ValueError, "max_bytes"),
        (lambda: strategies.fault(max_seconds=0), ValueError, "max_seconds"),
    ],
)
def test_wrong_arguments_fail_where_they_are(ask: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        ask()


def test_two_hundred_examples_of_a_small_test_take_seconds() -> None:
    @settings(max_examples=200)
    @given(strategies.faults([Reset, Close, Latency, Answer]))
    def check(faults: list[Fault]) -> None:
        with pytest_netmocks.http() as server:
            server.when("/").reply(text="hello")
            for fault in faults:
                server.inject(fault)
            try:
                response = requests.get(server.url, timeout=5, allow_redirects=False)
            except requests.RequestException:
                return
            assert response.text in ("hello", "hello"[: len(response.text)])

    begin = time.monotonic()
    check()
    assert time.monotonic() - begin < 100


def test_without_hypothesis_the_words_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pytest_netmocks.strategies")
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ImportError, match=r"pip install 'pytest-netmocks\[hypothesis\]'"):
        importlib.import_module("pytest_netmocks.strategies")


def test_the_package_has_them_and_loads_them_when_asked() -> None:
    assert pytest_netmocks.strategies is strategies


def test_a_drawn_fault_that_never_strikes_is_nobodys_fault(suite: Suite) -> None:
    """One that the test itself injects in a test without draws is."""
    result = suite(
        """
        import pytest_netmocks
        from hypothesis import given, settings
        from pytest_netmocks import strategies
        from pytest_netmocks.faults import Reset

        @settings(max_examples=3, deadline=None)
        @given(strategies.scripts([Reset], server="tcp"), strategies.fault([Reset], server="tcp"))
        def test_drawn(script, fault):
            with pytest_netmocks.tcp() as server:
                server.script(*script)
                server.inject(fault)
                server.when(b"never").reply(b"x")

        def test_written(tcp_server):
            tcp_server.inject(Reset())
        """,
        netmocks_strict="error",
        netmocks_unused="error",
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_written*"])
