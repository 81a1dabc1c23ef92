"""A server for many tests that is reset before each."""

from __future__ import annotations

import pytest
from helpers import Suite

from pytest_netmocks import server_fixture

SHARED = """
    import pytest
    import pytest_netmocks
    from pytest_netmocks.faults import Close, Latency

    api = pytest_netmocks.server_fixture("tcp", scope="session", name="api", reset="test")
"""


def test_no_test_finds_what_another_left(suite: Suite) -> None:
    source = """
    @pytest.mark.parametrize("number", range(3))
    def test_it(api, number):
        assert api.connections == [] and api.rules == []
        assert echo(api) == b"hello"
        api.when(b"hello").reply(b"leaked")
        assert echo(api) == b"leaked"
        api.inject(Latency(0.001))
        if number == 0:
            api.stop()
    """
    suite(SHARED + source, netmocks_strict="off").assert_outcomes(passed=3)


def test_what_wider_fixtures_gave_it_stays_and_counts_from_the_beginning(suite: Suite) -> None:
    source = """
    @pytest.fixture(scope="module")
    def stub(api):
        api.when_connected().reply(b"first", times=1).reply(b"then")
        return api.inject(Close(after_bytes=5), nth=2)

    @pytest.mark.parametrize("number", range(2))
    def test_it(api, stub, number):
        assert echo(api, b"") == b"first"
        assert echo(api, b"") == b"then"
        assert stub.counted == 2
    """
    suite(SHARED + source, netmocks_strict="off").assert_outcomes(passed=2)


def test_a_markers_faults_are_in_force_for_their_test(suite: Suite) -> None:
    source = """
    @pytest.mark.faults(Close(after_bytes=2), Close(after_bytes=3))
    def test_cut(api):
        assert echo(api) in (b"he", b"hel")

    def test_whole(api):
        assert echo(api) == b"hello"
    """
    suite(SHARED + source).assert_outcomes(passed=3)


def test_a_wrong_reset_is_named() -> None:
    with pytest.raises(ValueError, match="reset must be 'test' or None, not 'always'"):
        server_fixture("tcp", reset="always")  # type: ignore[call-overload]
