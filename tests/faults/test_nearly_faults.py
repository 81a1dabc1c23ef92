"""What is nearly a fault is refused in words, wherever a fault is wanted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from helpers import Suite, connect

from pytest_netmocks import cli, faults
from pytest_netmocks.faults import Latency, Reset
from pytest_netmocks.faults.profile import profiles
from pytest_netmocks.plugin.factory import Netmocks

NEARLY: list[tuple[Any, str]] = [(Reset, r"write Reset\(\)"), (Latency, r"write Latency\(seconds\)")]


@pytest.mark.parametrize(("given", "hint"), NEARLY)
def test_a_fault_s_class_is_no_fault(netmocks: Netmocks, given: Any, hint: str) -> None:
    tcp, udp, http, ws = netmocks.tcp(), netmocks.udp(), netmocks.http(), netmocks.ws()
    with connect(tcp):
        places: list[Callable[..., Any]] = [
            tcp.inject,
            udp.inject,
            tcp.when(b"x").inject,
            http.when("/").inject,
            ws.when("x").inject,
            tcp.connections[0].inject,
            faults.to_json,
            lambda fault: tcp.script([fault]),
            tcp.script,
        ]
        for place in places:
            with pytest.raises(TypeError, match=hint):
                place(given)


def test_an_injection_is_no_fault(netmocks: Netmocks) -> None:
    injection: Any = netmocks.tcp().inject(Reset(after_bytes=3))
    with pytest.raises(TypeError, match=r"write Reset\(after_bytes=3\), the fault that is in force there"):
        netmocks.http().inject(injection)


@pytest.mark.parametrize("argument", ["[Reset]", "Reset(), [Reset]"])
def test_the_marker_says_so_too(suite: Suite, argument: str) -> None:
    result = suite(
        f"""
        import pytest
        from pytest_netmocks.faults import Reset

        @pytest.mark.faults({argument})
        def test(tcp_server):
            pass
        """
    )
    result.stdout.fnmatch_lines(["*the faults marker has a wrong argument*write Reset()*"])


def test_numbers_of_profiles_are_round(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["list"])
    assert not re.findall(r"\d\.\d{7,}", capsys.readouterr().out)
    for profile in profiles.values():
        for part in profile.parts:
            assert not re.search(r"\d\.\d{7,}", repr(part.fault)), profile.name
