"""Runs of pytest within a test's own process, one after the other: what they load is forgotten after each."""

from __future__ import annotations

import textwrap

import pytest
from helpers import FEW_PLUGINS

RUNS = f"""
import pytest
pytest_plugins = ["pytester"]
FEW = {FEW_PLUGINS}
"""

RUNS += """

@pytest.mark.parametrize("kind", ["tls", "https", "smtp", "ftps", "ws", "httpbin", "tcp", "tls"])
def test_a_run(pytester, kind):
    pytester.makepyfile(f'''
        def test_it({kind}_server, tls_ca):
            tls_ca.issue("a.test", self_signed=True)
            assert {kind}_server.port
    ''')
    pytester.inline_run(*FEW).assertoutcome(passed=1)

def test_and_the_outer_run_itself(tls_server):
    assert tls_server.client_context()
"""

OUTSIDE = f"""
import pytest
pytest_plugins = ["pytester"]
FEW = {FEW_PLUGINS}
"""

OUTSIDE += """

@pytest.mark.parametrize("number", [1, 2])
def test_a_run(pytester, number):
    pytester.makepyfile("def test_it(tls_server): pass")
    done = pytester.runpytest_inprocess(*FEW)
    if number == 1:
        done.assert_outcomes(passed=1)
    else:
        done.stdout.fnmatch_lines(["*ImportError: TLS needs trustme and cryptography*load the netmocks plugin*"])
"""


VIRTUAL = f"""
import time
import pytest
import pytest_netmocks
pytest_plugins = ["pytester"]
FEW = {FEW_PLUGINS}
"""

VIRTUAL += """

def test_a_run(pytester):
    pytester.makepyfile('''
        import pytest
        import pytest_netmocks

        @pytest.mark.virtual_time
        def test_it(http_server):
            assert isinstance(http_server, pytest_netmocks.HttpServer)
    ''')
    pytester.inline_run(*FEW).assertoutcome(passed=1)

@pytest.mark.virtual_time
def test_and_the_outer_run_itself(http_server, virtual_clock):
    with pytest_netmocks.virtual_time() as clock:
        assert clock is virtual_clock
        time.sleep(1)
    time.sleep(1)
    assert [wait.seconds for wait in virtual_clock.sleeps] == [1, 1]
    assert isinstance(http_server, pytest_netmocks.HttpServer)
"""


def run(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(textwrap.dedent(source))
    return pytester.runpytest_subprocess(*FEW_PLUGINS, *arguments)


def test_tls_works_in_every_run_of_a_process_and_in_the_outer_one(pytester: pytest.Pytester) -> None:
    run(pytester, RUNS).assert_outcomes(passed=9)


def test_where_that_cannot_be_it_is_said_in_words(pytester: pytest.Pytester) -> None:
    run(pytester, OUTSIDE, "-p", "no:netmocks").assert_outcomes(passed=2)


def test_a_run_within_leaves_no_second_copy_of_what_it_loaded(pytester: pytest.Pytester) -> None:
    run(pytester, VIRTUAL).assert_outcomes(passed=2)
