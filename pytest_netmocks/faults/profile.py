"""Profiles: whole links by name, each with the source of its numbers.

The rates and round trips of the access networks are WebPageTest's connectivity profiles (`connectivity.ini`): a round
trip is split evenly over both directions. What has no such source says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from pytest_netmocks.faults.base import Fault
from pytest_netmocks.faults.selector import Selector
from pytest_netmocks.faults.table import Bandwidth, Latency, Loss, Reorder, Reset

KBIT = 1000 / 8
"""Bytes per second in a kilobit per second."""


EVERYTHING = Selector()
"""The selector that strikes all."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One fault of a profile and which connections or datagrams it strikes."""

    fault: Fault
    selector: Selector = EVERYTHING


@dataclasses.dataclass(frozen=True)
class Profile:
    """A whole link: its name, where the numbers come from, and its faults in order."""

    name: str
    """By which `--netmocks-profile` knows it."""
    source: str
    """Where its numbers come from."""
    parts: tuple[Part, ...]
    """Its faults, and which connections or datagrams each strikes."""


def _access(name: str, source: str, *, down: float, up: float, round_trip: float, jitter: float = 0.0) -> Profile:
    """A profile of rates (kbit/s) and a round trip (seconds); the jitter never makes a trip shorter than that."""
    return Profile(
        name,
        source,
        (
            Part(Latency(round(round_trip / 2 + jitter, 6), jitter, direction="both")),
            Part(Bandwidth(down * KBIT, direction="downstream")),
            Part(Bandwidth(up * KBIT, direction="upstream")),
        ),
    )


_WEBPAGETEST = "WebPageTest connectivity.ini"

_ALL = (
    _access("2g", f"{_WEBPAGETEST}, 2G", down=280, up=256, round_trip=0.8, jitter=0.02),
    _access("3g", f"{_WEBPAGETEST}, 3G", down=1600, up=768, round_trip=0.3, jitter=0.01),
    _access("4g", f"{_WEBPAGETEST}, 4G", down=9000, up=9000, round_trip=0.17, jitter=0.005),
    _access("lte", f"{_WEBPAGETEST}, LTE", down=12000, up=12000, round_trip=0.07, jitter=0.005),
    _access("dsl", f"{_WEBPAGETEST}, DSL", down=1500, up=384, round_trip=0.05),
    _access("cable", f"{_WEBPAGETEST}, Cable", down=5000, up=1000, round_trip=0.028),
    _access(
        "satellite",
        "geostationary: 4 x 35,786 km at the speed of light are 0.48 s, and the ground stations add to it; "
        "rates of a consumer plan",
        down=25000,
        up=3000,
        round_trip=0.6,
        jitter=0.01,
    ),
    Profile(
        "lossy-wifi",
        "our own choice: a crowded 2.4 GHz band, retransmissions below IP seen as jitter, some datagrams lost",
        (
            Part(Latency(0.005, 0.005, "pareto", direction="both")),
            Part(Loss(0.03, direction="both")),
            Part(Reorder(0.01, 0.01)),
        ),
    ),
    Profile(
        "flaky",
        "our own choice: one connection in ten is reset, one datagram in ten is lost, and the delay wanders",
        (
            Part(Latency(0.01, 0.01, direction="both")),
            Part(Reset(), Selector(probability=0.1)),
            Part(Loss(0.1)),
        ),
    ),
)

profiles: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in _ALL})
