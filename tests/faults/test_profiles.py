"""Profiles: every one says where its numbers come from, and is as slow as it says."""

from __future__ import annotations

import pytest

from pytest_netmocks.faults import Latency, Profile, profiles

LEAST = {"2g": 0.8, "3g": 0.3, "4g": 0.17, "lte": 0.07, "dsl": 0.05, "cable": 0.028, "satellite": 0.5}


@pytest.mark.parametrize("profile", profiles.values(), ids=profiles)
def test_has_a_source_and_parts(profile: Profile) -> None:
    assert profiles[profile.name] is profile
    assert profile.source
    assert profile.parts


@pytest.mark.parametrize("name", LEAST)
def test_a_round_trip_takes_at_least_what_the_profile_says(name: str) -> None:
    least = 0.0
    for part in profiles[name].parts:
        if isinstance(part.fault, Latency):
            assert part.fault.distribution == "uniform"
            assert part.fault.direction == "both"
            least += 2 * (part.fault.seconds - part.fault.jitter)
    assert least >= LEAST[name] - 1e-9
