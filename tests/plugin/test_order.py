"""What ran before makes no difference, and what a session leaves behind, the next does not find."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from helpers import FEW_PLUGINS, Suite

SHARED = """
import pytest, pytest_netmocks, socket
from pytest_netmocks.faults import Close, Corrupt, Latency, Loss, Refuse, Reset
api = pytest_netmocks.server_fixture("tcp", scope="session", name="api")
"""

PATTERN = """
def pattern(server):
    out = ""
    for _ in range(20):
        try:
            out += "x" if echo(server, b"x") == b"y" else "?"
        except OSError:
            out += "R"
    return out
"""


def test_the_rules_of_shared_servers_draw_for_each_test_alone(suite: Suite) -> None:
    source = (
        SHARED
        + PATTERN
        + """
@pytest.fixture(scope="session")
def ruled(api):
    rule = api.when(b"x").reply(b"y")
    rule.inject(Reset(), probability=0.5)
    return api

def test_a(ruled):
    print("a", pattern(ruled))

def test_b(ruled):
    print("b", pattern(ruled))
"""
    )
    both = suite(source, "--netmocks-seed=1", "-s")
    alone = suite(source, "--netmocks-seed=1", "-s", "-k", "test_b")
    found = [re.search(r"b ([xR]{20})", str(result.stdout)) for result in (both, alone)]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0][1] == found[1][1]


def test_another_attempt_meets_the_same_chance(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item):
            for _ in range(2):
                runtestprotocol(item, log=False)
            return True
        """
    )
    test = """
import pytest, pytest_netmocks
api = pytest_netmocks.server_fixture("tcp", scope="session", name="api")
from pytest_netmocks.faults import Corrupt
@pytest.mark.faults(Corrupt(0.3))
def test_it(api, tcp_server):
    print("api", echo(api, bytes(40)).hex(), "own", echo(tcp_server, bytes(40)).hex())
"""
    result = suite(test, "--netmocks-seed=3", "-s")
    lines = re.findall(r"api ([0-9a-f]{80}) own ([0-9a-f]{80})", str(result.stdout))
    assert len(lines) == 2
    assert lines[0] == lines[1]


@pytest.mark.parametrize("select", ["test_1", "test_"])
def test_a_marker_meets_a_shared_server_at_the_same_time_always(suite: Suite, select: str) -> None:
    result = suite(
        SHARED
        + """
@pytest.fixture(scope="session")
def wide_client(api):
    return socket.create_connection(api.address, timeout=5)

@pytest.fixture
def client(api):
    try:
        yield socket.create_connection(api.address, timeout=5)
    except ConnectionRefusedError:
        yield None

def test_0(api):
    pass

@pytest.mark.faults(Refuse())
def test_1(wide_client, client):
    assert client is None
    wide_client.sendall(b"x")
    assert wide_client.recv(1) == b"x"
    wide_client.close()
""",
        "-k",
        select,
    )
    assert "failed" not in str(result.stdout)
    assert "error" not in str(result.stdout)


def test_what_a_fixtures_end_makes_a_shared_handler_raise_is_its_tests(suite: Suite) -> None:
    result = suite(
        SHARED
        + """
@pytest.fixture
def late(api):
    async def handler(reader, writer):
        if await reader.read(1) == b"!":
            raise KeyError("boom")
    api.handle(handler)
    yield
    echo_nothing(api)

def echo_nothing(api):
    with socket.create_connection(api.address, timeout=5) as sock:
        sock.sendall(b"!")
        assert sock.recv(1) == b""

def test_a(api, late):
    pass

def test_b(api):
    pass
""",
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_a*", "*KeyError: 'boom'*"])


def test_fixtures_of_one_name_are_not_taken_for_each_other(suite: Suite, pytester: pytest.Pytester) -> None:
    for name, kind in (("a", "tcp"), ("b", "udp")):
        folder = pytester.mkdir(name)
        mark = "@pytest.mark.faults(Loss(0.0))" if kind == "udp" else ""
        (folder / f"test_{name}.py").write_text(
            "import pytest, pytest_netmocks\n"
            "from pytest_netmocks.faults import Loss\n"
            f"api = pytest_netmocks.server_fixture('{kind}', scope='session', name='api')\n"
            f"{mark}\ndef test_{name}(api): pass\n"
        )
    result = suite("def test_nothing(): pass", "a", "b")
    result.assert_outcomes(passed=2)


def test_servers_outside_of_tests_have_the_runs_seed_and_profile(suite: Suite) -> None:
    source = """
        import pytest_netmocks
        from pytest_netmocks.faults import Corrupt
        server = pytest_netmocks.tcp().start()
        server.inject(Corrupt(0.2))

        def test_it():
            print("got", echo(server, bytes(40)).hex())
            assert server.connections[0].faults == ["Latency", "Bandwidth", "Bandwidth", "Corrupt"]
            server.close()
    """
    runs = [suite(source, "--netmocks-seed=5", "--netmocks-profile=4g", "-s") for _ in range(2)]
    found = [re.search("got ([0-9a-f]{80})", str(run.stdout)) for run in runs]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0][1] == found[1][1]


def test_a_session_within_another_leaves_no_thread(suite: Suite) -> None:
    result = suite(
        f"""
        import threading

        pytest_plugins = ["pytester"]

        def test_outer(pytester):
            pytester.makepyfile("def test_inner(tcp_server): pass")
            for _ in range(3):
                pytester.runpytest_inprocess(*{FEW_PLUGINS}).assert_outcomes(passed=1)
            assert [thread.name for thread in threading.enumerate()].count("netmocks") == 0
        """
    )
    result.assert_outcomes(passed=1)


def test_a_marker_on_a_test_without_a_server_proves_nothing(suite: Suite) -> None:
    source = """
        import pytest
        from pytest_netmocks.faults import Latency

        @pytest.mark.faults(Latency(0.1))
        def test_it():
            pass
    """
    result = suite(source, netmocks_strict="error")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Latency(0.1) never struck, for the test has no server*"])
    suite(source, netmocks_strict="off").assert_outcomes(passed=1)


def test_a_marker_on_a_parameter_says_that_it_does_nothing(suite: Suite) -> None:
    result = suite(
        """
        import pytest
        from pytest_netmocks.faults import Close, Latency

        @pytest.mark.faults(Latency(0.01))
        @pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.faults(Close()))])
        def test_it(tcp_server, n):
            echo(tcp_server)
        """
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*cannot do from within a pytest.param()*"])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda make: make("tcp", scope="bogus"), ValueError, "scope must be one of 'session', .* not 'bogus'"),
        (lambda make: make("tcp", scope=None), ValueError, "scope must be one of"),
        (lambda make: make("tcp", name=5), TypeError, "name must be the fixture's name or None, not 5"),
        (lambda make: make("tcp", name=""), ValueError, "name must be the fixture's name or None, not ''"),
        (lambda make: make("tcp_proxy"), TypeError, "it needs to know its upstream"),
    ],
)
def test_a_wrong_server_fixture_fails_where_it_is_made(
    call: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    import pytest_netmocks

    with pytest.raises(error, match=message):
        call(pytest_netmocks.server_fixture)
