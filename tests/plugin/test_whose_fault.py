"""Whose fault it is: errors that come late, servers that several tests share, markers, reruns."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers import Suite

SHARED = """
import pytest, pytest_netmocks
from pytest_netmocks.faults import Latency, Loss, Reset
api = pytest_netmocks.server_fixture("tcp", scope="session", name="api")
"""


def test_an_error_at_the_very_end_fails_its_test_every_time(suite: Suite) -> None:
    result = suite(
        """
        import pytest, socket
        from pytest_netmocks import usercode
        from pytest_netmocks.link import loop

        usercode.YOUNG = loop.CALM = 60

        def say(server, data):
            with socket.create_connection(server.address, timeout=30) as sock:
                sock.sendall(data)

        @pytest.mark.parametrize("n", range(40))
        def test_handler(tcp_server, n):
            async def handler(reader, writer):
                assert await reader.read() == b"expected"
            tcp_server.handle(handler)
            say(tcp_server, b"something else")

        @pytest.mark.parametrize("n", range(40))
        def test_reply(tcp_server, n):
            tcp_server.when(b"x").reply(lambda request: 1 / 0)
            say(tcp_server, b"x")

        @pytest.mark.parametrize("n", range(20))
        def test_datagram(udp_server, n):
            udp_server.when(b"x").reply(lambda request: 1 / 0)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.sendto(b"x", udp_server.address)
        """
    )
    result.assert_outcomes(failed=100)


def test_a_function_that_has_just_begun_is_waited_for(suite: Suite) -> None:
    result = suite(
        """
        import socket, time
        from pytest_netmocks import usercode
        from pytest_netmocks.link import loop

        usercode.YOUNG = loop.CALM = 60

        def test_it(tcp_server):
            def late(request):
                time.sleep(0.2)
                assert not tcp_server.save("own.jsonl")  # which waits for the others
                return 1 / 0

            tcp_server.when(b"x").reply(late)
            with socket.create_connection(tcp_server.address, timeout=5) as sock:
                sock.sendall(b"x")
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ZeroDivisionError*"])


def test_one_that_has_worked_for_long_is_not(suite: Suite) -> None:
    result = suite(
        """
        import socket, threading
        from pytest_netmocks import usercode

        usercode.YOUNG = 0
        gone = threading.Event()

        def test_it(tcp_server):
            tcp_server.when(b"x").reply(lambda request: gone.wait(60))
            with socket.create_connection(tcp_server.address, timeout=5) as sock:
                sock.sendall(b"x")
                tcp_server.wait_for(lambda server: server.requests)

        def test_after_it():
            gone.set()
        """
    )
    result.assert_outcomes(passed=2)


def test_an_error_while_it_is_cancelled_is_none_the_less_one(suite: Suite) -> None:
    result = suite(
        """
        import socket

        def test_it(tcp_server):
            async def handler(reader, writer):
                try:
                    writer.write(b"started")
                    await reader.read()
                finally:
                    raise AssertionError("at the end")
            tcp_server.handle(handler)
            sock = socket.create_connection(tcp_server.address, timeout=5)
            assert sock.recv(7) == b"started"
            tcp_server.keep = sock
        """
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*at the end*"])


@pytest.mark.parametrize("raising", ["pytest.fail('boom')", "sys.exit(3)", "(_ for _ in ()).throw(GeneratorExit)"])
@pytest.mark.parametrize("where", ["tcp_server.handle(handler)", "tcp_server.when(b'hello').reply(reply)"])
def test_what_is_no_exception_fails_the_test_and_answers_the_client(
    suite: Suite,
    raising: str,
    where: str,
) -> None:
    result = suite(
        f"""
        import asyncio, pytest, sys

        def reply(request):
            {raising}

        async def handler(reader, writer):
            {raising}

        def test_broken(tcp_server):
            {where}
            assert echo(tcp_server) == b""

        def test_next(tcp_server):
            assert echo(tcp_server) == b"hello"
        """
    )
    result.assert_outcomes(failed=1, passed=1)


def test_a_reply_that_is_cancelled_fails_too(suite: Suite) -> None:
    result = suite(
        """
        import asyncio

        def test_broken(tcp_server):
            def reply(request):
                raise asyncio.CancelledError
            tcp_server.when(b"hello").reply(reply)
            assert echo(tcp_server) == b""
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a handler raised CancelledError*"])


def test_a_marker_puts_its_faults_before_shared_servers_for_the_test_only(suite: Suite) -> None:
    result = suite(
        SHARED
        + """
import time

def took(server):
    begin = time.perf_counter()
    echo(server)
    return time.perf_counter() - begin

def test_before(api):
    echo(api)
    assert api.connections[-1].faults == []

@pytest.mark.faults("3g", Latency(0.3))
def test_marked(api):
    assert took(api) >= 0.3

@pytest.fixture
def first(api):
    return took(api)

@pytest.mark.faults(Latency(0.3))
def test_in_the_setup_too(first):
    assert first >= 0.3

@pytest.mark.faults([Latency(0.3), Loss(0.1)])
def test_wrong(api):
    pass

def test_after(api):
    echo(api)
    assert api.connections[-1].faults == []
"""
    )
    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(["*Loss(0.1) strikes datagrams*"])


def test_stacked_markers_combine(suite: Suite) -> None:
    result = suite(
        """
        import pytest
        from pytest_netmocks.faults import Latency, Slice

        @pytest.mark.faults(Latency(0.01), Latency(0.02))
        class TestIt:
            @pytest.mark.faults(Slice(1), Slice(2))
            def test_it(self, tcp_server):
                echo(tcp_server)
                assert set(tcp_server.connections[0].faults) == {"Latency", "Slice"}
        """,
        netmocks_strict="error",
    )
    result.assert_outcomes(passed=4)


def test_a_marker_where_it_cannot_work_says_so(suite: Suite) -> None:
    result = suite(
        """
        import pytest, unittest
        from pytest_netmocks.faults import Reset

        class TestIt(unittest.TestCase):
            @pytest.mark.faults(Reset())
            def test_it(self):
                pass
        """
    )
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*the faults marker runs a test once for each of its arguments*"])


def test_shared_servers_draw_for_each_test_alone(suite: Suite) -> None:
    source = (
        SHARED
        + """
@pytest.fixture(scope="session")
def wide(api):
    api.inject(Reset(), probability=0.5)
    return api

def pattern(server):
    out = ""
    for _ in range(20):
        try:
            out += "x" if echo(server) == b"hello" else "R"
        except OSError:
            out += "R"
    return out

def test_a(wide):
    print("a", pattern(wide))

def test_b(wide):
    print("b", pattern(wide))
    assert 0
"""
    )
    both = suite(source, "--netmocks-seed=1", "-s")
    alone = suite(source, "--netmocks-seed=1", "-s", "-k", "test_b")
    (one,) = [line for line in both.outlines if "b " in line and set(line.split()[-1]) <= set("xR")]
    (two,) = [line for line in alone.outlines if "b " in line and set(line.split()[-1]) <= set("xR")]
    assert one.split()[-1] == two.split()[-1]


def test_a_fault_of_a_wider_fixture_is_not_what_one_test_is_about(suite: Suite) -> None:
    result = suite(
        SHARED
        + """
@pytest.fixture(scope="module")
def second(api):
    api.inject(Latency(0.01), nth=2)
    return api

def test_one(second):
    echo(second)

def test_two(second):
    echo(second)
    assert second.connections[1].faults == ["Latency"]
""",
        netmocks_strict="error",
    )
    result.assert_outcomes(passed=2)


def test_an_error_of_a_shared_server_is_not_the_next_tests(suite: Suite) -> None:
    result = suite(
        SHARED
        + """
import asyncio, threading

over, late = threading.Event(), threading.Event()

def test_culprit(api):
    async def handler(reader, writer):
        writer.write(b"x")
        while not over.is_set():
            await asyncio.sleep(0.001)
        late.set()
        raise RuntimeError("late")
    api.handle(handler)
    assert echo(api) == b"x"

def test_innocent():
    over.set()
    assert late.wait(30)
"""
    )
    result.assert_outcomes(passed=2, errors=1)  # at the end of the server, which is where it is found


def test_a_session_within_a_session_leaves_the_outer_servers_alone(suite: Suite) -> None:
    result = suite(
        """
        pytest_plugins = ["pytester"]

        def test_outer(tcp_server, pytester):
            pytester.makepyfile("def test_inner(tcp_server): assert tcp_server.port")
            pytester.runpytest_inprocess("-p", "no:randomly").assert_outcomes(passed=1)
            assert echo(tcp_server) == b"hello"
        """
    )
    result.assert_outcomes(passed=1)


def test_another_attempt_at_a_test_begins_anew(suite: Suite, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for attempt in range(2):
                item._initrequest()
                reports = runtestprotocol(item, nextitem=nextitem, log=False)
            for report in reports:
                item.ihook.pytest_runtest_logreport(report=report)
            return True
        """
    )
    result = suite(
        """
        from pytest_netmocks.faults import Reset
        seen = []

        def test_it(tcp_server):
            tcp_server.inject(Reset(), probability=0.5)
            out = []
            for _ in range(10):
                try:
                    out.append(echo(tcp_server))
                except OSError:
                    out.append(None)
            seen.append(out)
            assert seen[-1] == seen[0]
        """
    )
    result.assert_outcomes(passed=1)


def test_a_fault_of_ones_own_has_an_id(suite: Suite) -> None:
    result = suite(
        """
        import dataclasses, pytest
        from pytest_netmocks.faults import Reset

        @dataclasses.dataclass(frozen=True, repr=False)
        class Mine(Reset):
            pass

        @pytest.mark.parametrize("fault", [Mine(after_bytes=1)])
        def test_it(fault):
            pass
        """,
        "-v",
    )
    result.stdout.fnmatch_lines(["*test_it[[]Mine(after_bytes=1)]*"])


def test_an_expectation_is_of_the_test_that_wrote_it(suite: Suite) -> None:
    result = suite(
        """
        import pytest_netmocks, requests

        api = pytest_netmocks.server_fixture("http", scope="module", name="api")

        def test_1(api):
            api.when("/a").reply(text="a").expect(times=2)
            requests.get(api.url_for("/a"), timeout=5)

        def test_2(api):
            requests.get(api.url_for("/a"), timeout=5)
            requests.get(api.url_for("/b"), timeout=5)

        def test_3(api):
            api.when("/c").reply(text="c").expect(times=1)
            assert 1 == 2

        def test_4(api):
            assert requests.get(api.url_for("/c"), timeout=5).text == "c"
        """,
        "-p",
        "no:randomly",
    )
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*expected 2 requests and met 1*", "*netmocks expectations*", "*'/c'*met 0*"])


def test_outside_of_pytest_errors_are_raised_at_the_end() -> None:
    source = """if True:
        import pytest_netmocks, urllib.request
        try:
            with pytest_netmocks.http() as server:
                server.when("/").reply(lambda request: 1 / 0)
                server.when("/never").reply(200).expect()
                try:
                    urllib.request.urlopen(server.url, timeout=5)
                except OSError:
                    pass
        except BaseExceptionGroup as group:
            print(sorted(type(error).__name__ for error in group.exceptions))
        try:
            with pytest_netmocks.tcp() as server:
                raise KeyError("mine")
        except KeyError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["['AssertionError', 'ZeroDivisionError']", "'mine'"]
