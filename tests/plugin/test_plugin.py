"""The plugin as pytest sees it, run in a pytest of its own."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import assert_type, get_overloads

import pytest
from helpers import Suite

from pytest_netmocks import HttpServer, UdpProxy, server_fixture

# Handlers that raise


def test_a_broken_handler_fails_its_own_test_with_its_own_traceback(suite: Suite) -> None:
    result = suite(
        """
        def test_broken(tcp_server):
            async def handler(reader, writer):
                raise RuntimeError("my handler broke")
            tcp_server.handle(handler)
            assert echo(tcp_server) == b""

        def test_next(tcp_server):
            assert echo(tcp_server) == b"hello"
        """
    )
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(['*raise RuntimeError("my handler broke")*', "*RuntimeError: my handler broke*"])


def test_several_broken_handlers_are_a_group(suite: Suite) -> None:
    result = suite(
        """
        def test_it(tcp_server):
            async def handler(reader, writer):
                raise RuntimeError("broke")
            tcp_server.handle(handler)
            echo(tcp_server), echo(tcp_server)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*handlers raised (2 sub-exceptions)*"])


def test_a_test_that_failed_anyway_shows_the_handlers_error_too(suite: Suite) -> None:
    result = suite(
        """
        def test_it(tcp_server):
            tcp_server.when(b"hello").reply(lambda request: 1 / 0)
            assert echo(tcp_server) == b"hello"
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*netmocks handler raised ZeroDivisionError*"])


def test_a_handler_that_breaks_on_a_shared_server_fails_the_test_that_caused_it(suite: Suite) -> None:
    result = suite(
        """
        import pytest_netmocks
        api = pytest_netmocks.server_fixture("tcp", scope="module", name="api")

        def test_good(api):
            api.when(b"bad").reply(lambda request: 1 / 0)
            api.when(b"good").reply(b"good")
            assert echo(api, b"good") == b"good"

        def test_bad(api):
            assert echo(api, b"bad") == b""

        def test_good_again(api):
            assert echo(api, b"good") == b"good"
        """,
        "-v",
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*test_good PASSED*", "*test_bad FAILED*", "*test_good_again PASSED*"])


# Faults that never struck

NEVER = """
    from pytest_netmocks.faults import Close, Latency, Reset

    def test_it(tcp_server, netmocks):
        tcp_server.when(b"x").inject(Reset(), nth=2)
        netmocks.tcp(name="other").inject(Latency(0.1))
"""


def test_every_fault_that_never_struck_is_named_with_its_place(suite: Suite) -> None:
    result = suite(NEVER, netmocks_strict="error")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*Reset(), nth=2 on tcp_server when(b'x') never struck*", "*Latency(0.1) on other never struck*"]
    )


def test_strictness_can_be_off_or_a_warning(suite: Suite) -> None:
    off = suite(NEVER, netmocks_strict="off")
    off.assert_outcomes(passed=1)
    assert "never struck" not in off.stdout.str()
    warn = suite(NEVER)
    warn.assert_outcomes(passed=1, warnings=1)
    suite(NEVER, "-W", "error::pytest_netmocks.plugin.settings.NetmocksWarning").assert_outcomes(failed=1)


def test_a_failed_test_fails_by_itself_and_not_by_faults_that_never_struck(suite: Suite) -> None:
    result = suite(NEVER + "        assert False\n", netmocks_strict="error")
    assert "never struck: the test proves nothing" not in result.stdout.str()


def test_a_fault_that_was_lifted_in_time_must_have_struck_too(suite: Suite) -> None:
    source = """
        from pytest_netmocks.faults import Reset

        def test_it(tcp_server):
            with tcp_server.inject(Reset()):
                pass
    """
    suite(source, netmocks_strict="error").assert_outcomes(failed=1)


# Profiles and the marker


def test_a_profile_asks_for_no_hits_and_leaves_out_what_makes_no_sense(suite: Suite) -> None:
    source = """
        def test_tcp(tcp_server): pass
        def test_udp(udp_server): pass
    """
    result = suite(source, "--netmocks-profile=flaky", netmocks_strict="error")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*netmocks: seed *, profile flaky*"])


def test_a_profile_may_stand_in_the_ini(suite: Suite) -> None:
    source = """
        import time

        def test_it(tcp_server):
            begin = time.perf_counter()
            assert echo(tcp_server) == b"hello"
            assert time.perf_counter() - begin >= 0.3
    """
    suite(source, netmocks_profile="3g").assert_outcomes(passed=1)


def test_the_marker_applies_to_every_server_and_shows_its_faults_in_the_ids(suite: Suite) -> None:
    result = suite(
        """
        import pytest
        from pytest_netmocks.faults import Close, Latency, Reset

        @pytest.mark.faults(Reset(after_bytes=1), [Latency(0.01), Close(after_bytes=1)], "3g")
        def test_it(tcp_server, netmocks):
            for server in (tcp_server, netmocks.tcp(), netmocks.tcp_proxy(netmocks.tcp())):
                try:
                    print("GOT", echo(server))
                except ConnectionResetError:
                    print("GOT reset")
        """,
        "-sv",
        netmocks_strict="error",
    )
    result.assert_outcomes(passed=3)
    for test_id in ("Reset(after_bytes=1)", "Latency(0.01)+Close(after_bytes=1)", "3g"):
        result.stdout.fnmatch_lines([f"*test_it[[]{test_id}[]]*"])


def test_the_markers_faults_must_strike_one_of_the_servers(suite: Suite) -> None:
    source = """
        import pytest
        from pytest_netmocks.faults import Reset

        @pytest.mark.faults(Reset(after_bytes=1))
        def test_one(tcp_server, netmocks):
            netmocks.tcp()
            assert echo(tcp_server) == b"h"

        @pytest.mark.faults(Reset(after_bytes=1000))
        def test_none(tcp_server):
            echo(tcp_server)
    """
    result = suite(source, netmocks_strict="error")
    result.assert_outcomes(passed=1, failed=1)


def test_the_marker_reaches_wider_servers_for_the_test_alone(suite: Suite) -> None:
    result = suite(
        """
        import pytest
        import pytest_netmocks
        from pytest_netmocks.faults import Close

        api = pytest_netmocks.server_fixture("tcp", scope="session", name="api")

        @pytest.mark.faults(Close(after_bytes=2))
        def test_cut(api):
            assert echo(api) == b"he"

        def test_whole(api):
            assert echo(api) == b"hello"

        @pytest.mark.faults(Close(after_bytes=3))
        def test_cut_again(api):
            assert echo(api) == b"hel"
        """
    )
    result.assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "takes faults, lists of faults and profiles' names"),
        ("'5g'", "'5g' is no profile; known are *3g*"),
        ("3, Reset()", "3 is no fault, no list of faults and no profile's name"),
        ("[Reset(), 3]", "is no fault, no list of faults"),
    ],
)
def test_a_wrong_marker_is_a_usage_error_that_names_the_test(suite: Suite, arguments: str, message: str) -> None:
    result = suite(
        f"""
        import pytest
        from pytest_netmocks.faults import Reset

        @pytest.mark.faults({arguments})
        def test_it(tcp_server): pass
        """
    )
    assert result.ret != 0
    assert "test_it.py::test_it: the faults marker" in result.stdout.str() + result.stderr.str()
    (result.stdout if message[:5] in result.stdout.str() else result.stderr).fnmatch_lines([f"*{message}*"])


def test_a_marker_fault_that_makes_no_sense_on_a_server_is_an_error(suite: Suite) -> None:
    result = suite(
        """
        import pytest
        from pytest_netmocks.faults import Loss

        @pytest.mark.faults(Loss(0.5))
        def test_it(tcp_server): pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Loss(0.5) strikes datagrams*"])


def test_faults_as_parameters_have_readable_ids(suite: Suite) -> None:
    result = suite(
        """
        import pytest
        from pytest_netmocks.faults import Latency, Reset

        @pytest.mark.parametrize("fault", [Reset(after_bytes=3), Latency(0.1)])
        def test_it(fault): pass
        """,
        "--collect-only",
        "-q",
    )
    result.stdout.fnmatch_lines(["*test_it[[]Reset(after_bytes=3)[]]", "*test_it[[]Latency(0.1)[]]"])


# Seeds

LUCK = """
    import socket
    import pytest
    import pytest_netmocks
    from pytest_netmocks.faults import Corrupt, Reset

    shared = pytest_netmocks.server_fixture("tcp", scope="session", name="shared")

    def letters(server):
        got = ""
        for _ in range(30):
            try:
                got += "k" if echo(server) else "x"
            except ConnectionError:
                got += "x"
        return got

    @pytest.mark.parametrize("number", range(3))
    def test_own(tcp_server, number):
        tcp_server.inject(Reset(), probability=0.5)
        print(f"OWN {number} {letters(tcp_server)}")

    @pytest.mark.parametrize("number", range(3))
    def test_shared(shared, number):
        with shared.inject(Reset(), probability=0.5):
            print(f"SHARED {number} {letters(shared)}")

    def test_bytes(tcp_server):
        tcp_server.inject(Corrupt(0.2))
        print("BYTES", echo(tcp_server, bytes(100)).hex())
"""


def luck(result: pytest.RunResult) -> list[str]:
    assert result.ret == 0
    found = [re.search(r"(OWN|SHARED|BYTES) .*", line) for line in result.outlines]
    return sorted(match[0] for match in found if match)


def test_the_same_seed_gives_the_same_faults_whatever_ran_before_and_wherever(suite: Suite) -> None:
    whole = luck(suite(LUCK, "-s", "--netmocks-seed=7"))
    assert len({line.split()[-1] for line in whole}) == 7
    assert luck(suite(LUCK, "-s", "--netmocks-seed=7", "-k", "not own")) == [x for x in whole if "OWN" not in x]
    assert luck(suite(LUCK, "-rP", "--netmocks-seed=7", "-n", "2")) == whole
    assert luck(suite(LUCK, "-s", netmocks_seed="7")) == whole
    assert luck(suite(LUCK, "-s", "--netmocks-seed=8")) != whole


def test_workers_share_the_seed_that_the_header_prints(suite: Suite) -> None:
    result = suite(
        """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_it(number):
            from pytest_netmocks import scope
            assert False, f"SEED {scope.current.seed}"
        """,
        "-n",
        "2",
    )
    (header,) = [line for line in result.outlines if line.startswith("netmocks: seed")]
    seed = header.split()[2].rstrip(",")
    assert result.stdout.str().count(f"SEED {seed}") >= 4


@pytest.mark.parametrize(
    ("args", "ini", "message"),
    [
        (("--netmocks-seed=x",), {}, "*--netmocks-seed must be a whole number, not 'x'*"),
        ((), {"netmocks_seed": "y"}, "*netmocks_seed must be a whole number, not 'y'*"),
        (("--netmocks-profile=5g",), {}, "*--netmocks-profile: '5g' is no profile; known are 2g, 3g*"),
        ((), {"netmocks_profile": "6g"}, "*netmocks_profile: '6g' is no profile*"),
        ((), {"netmocks_strict": "perhaps"}, "*netmocks_strict is 'perhaps'; accepted are error, warn, off*"),
    ],
)
def test_a_wrong_option_is_a_usage_error(
    suite: Suite, args: tuple[str, ...], ini: dict[str, str], message: str
) -> None:
    result = suite("def test_it(): pass", *args, **ini)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


# Reports


def test_a_failing_test_shows_seed_and_timelines_of_its_own_servers_and_its_part_of_shared_ones(suite: Suite) -> None:
    result = suite(
        """
        import pytest_netmocks
        api = pytest_netmocks.server_fixture("tcp", scope="session", name="api")

        def test_before(api):
            echo(api, b"BEFORE")

        def test_it(api, tcp_server, netmocks):
            echo(api, b"DURING")
            echo(tcp_server, b"OWN")
            with pytest_netmocks.tcp(name="by hand") as server:
                echo(server, b"BY HAND")
            assert False
        """,
        "--netmocks-seed=99",
    )
    text = result.stdout.str()
    for word in ("netmocks timeline", "--netmocks-seed=99", "tcp_server  tcp://", "api  tcp://", "by hand", "  'OWN'"):
        assert word in text, word
    assert "  'DURING'" in text
    assert "BEFORE'" not in text


def test_timelines_of_passing_tests_are_shown_on_request_under_xdist_too(suite: Suite) -> None:
    source = """
        def test_it(tcp_server):
            echo(tcp_server)

        def test_without_a_server():
            pass
    """
    assert "netmocks timelines" not in suite(source).stdout.str()
    for args in ((), ("-n", "1")):
        result = suite(source, "--netmocks-timeline", *args)
        result.stdout.fnmatch_lines(
            ["*netmocks timelines*", "test_it.py::test_it", "*tcp_server  tcp://*", "*  'hello'*"]
        )


def test_a_setup_that_fails_shows_what_happened(suite: Suite) -> None:
    result = suite(
        """
        import pytest

        @pytest.fixture
        def warmed(tcp_server):
            echo(tcp_server, b"WARM")
            raise RuntimeError("no")

        def test_it(warmed): pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*netmocks timeline*", "*  'WARM'*"])


# Fixtures and scopes


def test_the_factory_makes_every_server_of_the_table_and_names_what_it_has_not(suite: Suite) -> None:
    result = suite(
        """
        import pytest
        from pytest_netmocks.protocols.known import TABLE

        def test_it(netmocks, tcp_server):
            given = {"upstream": [("127.0.0.1", 9)], "site": ["expired"]}
            for name in TABLE:
                assert name in dir(netmocks)
                server = getattr(netmocks, name)(*given.get(TABLE[name].takes, ()))
                assert server.port
            with pytest.raises(AttributeError, match="netmocks has no 'gopher'; known are tcp, "):
                netmocks.gopher
        """
    )
    result.assert_outcomes(passed=1)


def test_server_fixture_takes_options_and_refuses_unknown_kinds(suite: Suite) -> None:
    result = suite(
        """
        import pytest
        import pytest_netmocks

        small = pytest_netmocks.server_fixture("tcp", scope="module", name="small", record_limit=3)
        front = pytest_netmocks.server_fixture("udp")

        def test_it(small, front):
            echo(small)
            assert small.connections[0].received == b"hel"
            assert small.connections[0].truncated
            assert (small.name, front.name) == ("small", "udp_server")

        def test_unknown():
            with pytest.raises(ValueError, match="kind 'tpc' is no server .did you mean 'tcp'"):
                pytest_netmocks.server_fixture("tpc")
        """
    )
    result.assert_outcomes(passed=2)


def test_type_checkers_know_what_server_fixture_makes_by_the_kind() -> None:
    assert_type(server_fixture("http", scope="module"), Callable[[], Iterator[HttpServer]])
    assert_type(server_fixture("udp_proxy", ("127.0.0.1", 9)), Callable[[], Iterator[UdpProxy]])


def test_async_tests_wait_in_their_own_library(suite: Suite) -> None:
    result = suite(
        """
        import anyio
        import pytest

        @pytest.mark.anyio
        async def test_it(tcp_server, anyio_backend_name):
            async with await anyio.connect_tcp(*tcp_server.address) as stream:
                await stream.send(b"x")
                await tcp_server.async_wait_for(lambda server: server.connections[0].bytes_sent == 1)
                with pytest.raises(TimeoutError, match="connects from 127.0.0.1"):
                    await tcp_server.async_wait_for(lambda server: False, timeout=0.05)
        """,
        *("-v", "-p", "anyio"),
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines_random(["*[[]asyncio*", "*[[]trio*"])


def test_loading_the_plugin_imports_six_modules_of_ours_and_none_of_others() -> None:
    program = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import pytest_netmocks.plugin\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    ours = ["modules", "plugin", "plugin.fixtures", "plugin.settings", "scope"]
    assert done.stdout.split() == ["pytest_netmocks", *(f"pytest_netmocks.{name}" for name in ours)]


def test_the_finder_goes_with_the_last_session_and_comes_with_the_next(tmp_path: pathlib.Path) -> None:
    (tmp_path / "test_outer.py").write_text("""
def test_it(pytester, tcp_server):
    pytester.makepyfile("def test_inner(tcp_server): pass")
    assert pytester.runpytest_inprocess("-p", "netmocks").ret == 0
    assert "pytest_netmocks.modules" in first()

def first():
    import sys
    return str(sys.meta_path[0])
""")
    program = (
        "import sys, pytest\n"
        "for _ in range(2):\n"
        "    assert pytest.main(['-p', 'pytester', '-p', 'no:cacheprovider']) == 0\n"
        "    assert 'pytest_netmocks' in sys.modules and 'pytest_netmocks' not in str(sys.meta_path)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)


def test_loading_the_plugin_makes_no_types_for_type_checkers() -> None:
    """Overloads and aliases are for the type checker; at run time each would cost every run of the environment."""
    assert get_overloads(server_fixture) == []


def test_a_run_without_a_server_starts_nothing(suite: Suite) -> None:
    result = suite(
        """
        import sys

        def test_it():
            assert not [name for name in sys.modules if name.startswith("pytest_netmocks.link")]
            assert "pytest_netmocks.faults" not in sys.modules
        """
    )
    result.assert_outcomes(passed=1)
