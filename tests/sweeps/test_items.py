"""Sweeps as tests of pytest: one item, whatever else has a say in it."""

from __future__ import annotations

import pathlib
import re
import shlex
import textwrap
from xml.etree import ElementTree

import pytest
from helpers import Suite

from pytest_netmocks.faults import Reset

ASK = """
import asyncio, pytest, socket, unittest
import pytest_netmocks
from pytest_netmocks.faults import *

class Quits:
    def __init__(self, *args, **options):
        pass

    def __getattr__(self, name):
        return lambda *args, **options: None

def ask(address, tries=1, question=b"ping\\n"):
    for attempt in range(tries):
        try:
            with socket.create_connection(address, timeout=5) as sock:
                sock.sendall(question)
                answer = b""
                while not answer.endswith(b"\\n"):
                    piece = sock.recv(100)
                    if not piece:
                        raise ConnectionError("cut")
                    answer += piece
                return answer
        except OSError:
            if attempt == tries - 1:
                raise
"""


@pytest.fixture
def swept(suite: Suite, pytester: pytest.Pytester) -> Suite:
    pytester.makepyfile(asking=ASK)

    def run(source: str, *args: str, **ini: str) -> pytest.RunResult:
        return suite("from asking import *\n" + textwrap.dedent(source), *args, **ini)

    return run


def places(result: pytest.RunResult) -> dict[str, str]:
    """What `-v` shows behind the name of each test that passed: `"12 places"`."""
    lines = [line for line in result.outlines if "PASSED" in line and "::" in line]
    return {
        name[1]: shown[1]
        for line in lines
        if (name := re.search(r"::(\S+)", line)) and (shown := re.search(r"\[(\d+ [^]]*places?)\]", line))
    }


CAREFUL = """
@pytest.mark.fault_sweep(Reset(direction="downstream"))
def test_it(tcp_server):
    assert ask(tcp_server.address, tries=2) == b"ping\\n"
"""

CARELESS = CAREFUL.replace("tries=2", "tries=1")


def test_a_sweep_that_passed_says_how_many_places_it_has_tried(swept: Suite) -> None:
    result = swept(CAREFUL, "-v")
    result.assert_outcomes(passed=1)
    assert places(result) == {"test_it": "6 places"}
    result.stdout.fnmatch_lines(["netmocks: 1 fault sweep tried 6 places: 0 failed"])


def test_a_sweep_that_failed_says_where_and_what_repeats_it(swept: Suite) -> None:
    result = swept(CARELESS, "--netmocks-seed=7")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*5 of 6 places failed",
            "*Reset() on tcp_server, connection 1, downstream, after * bytes: ConnectionResetError, line *",
            "*again: pytest test_it.py::test_it --netmocks-sweep-place=0.Reset:tcp_server:1:downstream:*",
            "netmocks: 1 fault sweep tried 6 places: 5 failed",
            "FAILED test_it.py::test_it - 5 of 6 places failed, the first with *",
        ]
    )
    text = result.stdout.str()
    assert text.count("netmocks timeline") == 1  # of the first that failed alone
    again = shlex.split(re.findall(r"again: pytest (.*)", text)[-1])
    result = swept(CARELESS, *again)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*1 of 1 place failed"])


CHANCE = """
from pytest_netmocks.faults import Corrupt, Latency

@pytest.mark.fault_sweep(FAULTS)
def test_it(tcp_server):
    MORE
    with socket.create_connection(tcp_server.address, 30) as sock:
        sock.sendall(b"ping\\n")
        assert sock.recv(5, socket.MSG_WAITALL) == b"ping\\n"
"""


@pytest.mark.parametrize(
    ("faults", "more", "named"),
    [
        ("Reset(), limit=3", "pass", False),
        ("Corrupt()", "pass", True),
        ("Reset()", "tcp_server.inject(Latency(0.01, jitter=0.01))", True),
    ],
)
def test_what_repeats_a_place_names_the_seed_where_anything_is_drawn(
    swept: Suite, faults: str, more: str, named: bool
) -> None:
    source = CHANCE.replace("FAULTS", faults).replace("MORE", more)
    result = swept(source, "--netmocks-seed=7")
    result.assert_outcomes(failed=1)
    lines = re.findall(r"again: pytest (.*)", result.stdout.str())
    assert lines
    assert all(line.endswith(" --netmocks-seed=7") is named for line in lines)
    for line in lines:
        swept(source, *shlex.split(line), *([] if named else ["--netmocks-seed=8"])).assert_outcomes(failed=1)


@pytest.mark.parametrize("files", [(), ("--netmocks-report=page.html",)])
def test_places_that_fail_are_told_at_length_where_it_is_read(
    swept: Suite, pytester: pytest.Pytester, files: tuple[str, ...]
) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport():
            report = yield
            if report.failed:
                ours = any("netmocks timeline" in title for title, _ in report.sections)
                print("lines:", len(report.longreprtext.splitlines()), ours)
            return report
        """
    )
    # In which line the client meets the reset is chance; these are shown whichever it is.
    commented = CARELESS.replace("    assert", "    # It asks once.\n" * 5 + "    assert")
    result = swept(commented, "-s", *files)
    result.assert_outcomes(failed=1)
    *places, whole = (line.partition("lines: ")[2].split() for line in result.outlines if "lines: " in line)
    assert len(places) == 5
    assert int(whole[0]) > 20
    assert all((int(lines) > 10) is bool(files) for lines, _ in places)
    assert [has_timeline for _, has_timeline in places] == ["True", *[str(bool(files))] * 4]


def test_one_line_that_sees_two_things_go_wrong_says_both(swept: Suite) -> None:
    careless = """
        @pytest.mark.fault_sweep(Close(direction="downstream"))
        def test_it(tcp_server):
            tcp_server.when(b"ping\\n").reply(b"1,2\\n")
            with socket.create_connection(tcp_server.address, timeout=5) as sock:
                sock.sendall(b"ping\\n")
                answer = sock.recv(100, socket.MSG_WAITALL)
            assert [int(number) for number in answer.split(b",") if number] == [1, 2]
        """
    result = swept(careless, "--netmocks-seed=7")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Close() on tcp_server*, after 0 to 2 bytes: AssertionError, line *: assert * == [[]1, 2]",
            "    again: *",
            "    else after 1 byte: AssertionError, line *: assert [[]1] == [[]1, 2]",
        ]
    )


def test_a_place_where_a_client_waits_for_ever_says_who_waits_and_where(swept: Suite) -> None:
    waits = """
        @pytest.mark.virtual_time
        @pytest.mark.fault_sweep(Stall(direction="downstream"), limit=3)
        def test_it(tcp_server):
            with socket.create_connection(tcp_server.address) as sock:
                sock.sendall(b"hello")
                answer = b""
                while len(answer) < 5:
                    answer += sock.recv(5)
        """
    result = swept(waits, "--netmocks-seed=7")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*Stall() on tcp_server*: WaitsForever, line *: MainThread waits in recv(), test_it.test_it (test_it.py:*)"]
    )


def test_of_a_client_that_waits_for_ever_the_line_is_told_by_which_it_asks_a_library(
    swept: Suite, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(client="import requests\n\ndef ask(url):\n    return requests.get(url).text\n")
    waits = """
        import client

        @pytest.mark.virtual_time
        @pytest.mark.fault_sweep(Stall(direction="downstream"), limit=3)
        def test_it(http_server):
            client.ask(http_server.url)
        """
    result = swept(waits, "--netmocks-seed=7")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*: WaitsForever, line *: MainThread waits in recv_into(), client.ask (client.py:4)",
            "*MainThread waits in recv_into() of a socket to *, called by urllib3.*, for client.ask (client.py:4)",
        ]
    )


@pytest.mark.parametrize("virtual", [False, True])
def test_a_sweep_whose_places_are_waited_for_is_told_of_virtual_time(swept: Suite, virtual: bool) -> None:
    waits = f"""
        import time

        {"@pytest.mark.virtual_time" if virtual else ""}
        @pytest.mark.fault_sweep(Reset(direction="downstream"), limit=3)
        def test_it(tcp_server):
            try:
                ask(tcp_server.address)
            except OSError:
                time.sleep(2)
        """
    told = [line for line in swept(waits, "--netmocks-seed=7").outlines if "its places took" in line]
    assert bool(told) != virtual
    assert all("with @pytest.mark.virtual_time nobody waits" in line for line in told)


def test_the_line_that_repeats_a_place_is_fit_for_a_shell(swept: Suite) -> None:
    source = """
        @pytest.mark.parametrize("name", ["it's * this"])
        @pytest.mark.fault_sweep(Reset(direction="downstream"), limit=1)
        def test_it(netmocks, name):
            with netmocks.tcp(name=name), netmocks.tcp(name=name) as server:
                ask(server.address)
        """
    result = swept(source, "--netmocks-seed=7")
    again = shlex.split(re.findall(r"again: pytest (.*)", result.stdout.str())[-1])
    result = swept(source, *again)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*1 of 1 place failed"])


def test_a_place_that_is_none_is_refused_with_those_that_are(swept: Suite) -> None:
    result = swept(CAREFUL, "--netmocks-sweep-place=0.Close:tcp_server:1:downstream:2")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*fault_sweep: there is no place '0.Close*begin with 0.Reset:tcp_server:1:downstream"])


def test_a_place_behind_the_last_is_refused_with_the_last(swept: Suite) -> None:
    result = swept(CAREFUL, "--netmocks-sweep-place=0.Reset:tcp_server:1:downstream:99999")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*fault_sweep: there is no place '0.Reset*' in this test any more: the last is 0.Reset:tcp_server:*"]
    )


@pytest.mark.parametrize(("limit", "told"), [("all", "0 of 12 failed"), ("4", "0 of * failed (of 12 that there are)")])
def test_a_fault_that_did_no_harm_is_told_beside_one_that_did(swept: Suite, limit: str, told: str) -> None:
    result = swept(
        CARELESS.replace("Reset(", "Latency(0.001), Reset("), f"--netmocks-sweep-limit={limit}", "--netmocks-seed=7"
    )
    result.stdout.fnmatch_lines(
        ["  Reset() on tcp_server*: Connection*Error, line *: *", f"  Latency(0.001): {told}"], consecutive=False
    )


def test_a_wrong_limit_on_the_command_line_is_a_usage_error(swept: Suite) -> None:
    result = swept(CAREFUL, "--netmocks-sweep-limit=some")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--netmocks-sweep-limit must be a number of places above 0, or all, not 'some'"])


def test_each_run_has_fixtures_an_instance_and_properties_of_its_own(swept: Suite) -> None:
    swept(
        """
        made = []

        @pytest.fixture(scope="class")
        def wide():
            made.append("wide")
            yield
            made.append("wide ends")

        @pytest.fixture
        def own(tmp_path, record_property):
            assert not list(tmp_path.iterdir())
            (tmp_path / "file").touch()
            record_property("once", 1)
            made.append("made")
            yield
            made.append("gone")

        class TestIt:
            def setup_method(self):
                assert not hasattr(self, "before")

            @pytest.mark.fault_sweep(Reset(direction="downstream"))
            def test_it(self, tcp_server, wide, own, request):
                assert [name for name, _ in request.node.user_properties] == ["once"]
                assert not hasattr(self, "before")
                self.before = True
                ask(tcp_server.address, tries=2)

        def test_afterwards():
            assert made == ["wide"] + ["made", "gone"] * 7 + ["wide ends"]
        """
    ).assert_outcomes(passed=2)


def test_what_a_fixtures_end_raises_at_a_place_is_a_failure_of_that_place(swept: Suite) -> None:
    result = swept(
        """
        @pytest.fixture
        def careless(tcp_server, netmocks):
            yield
            assert netmocks.place is None or netmocks.place.offset != 2

        @pytest.mark.fault_sweep(Reset(direction="downstream"))
        def test_it(tcp_server, careless):
            ask(tcp_server.address, tries=2)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["1 of 6 places failed", "*after 2 bytes: AssertionError*"])


def test_what_a_fixture_says_at_its_end_has_places_too(swept: Suite) -> None:
    source = """
        @pytest.fixture
        def client(tcp_server):
            with socket.create_connection(tcp_server.address, timeout=5) as client:
                yield client
                client.sendall(b"bye\\n")
                assert client.recv(10) == b"bye\\n"

        @pytest.mark.fault_sweep(Reset(direction="downstream"))
        def test_it(client):
            client.sendall(b"x")
            client.recv(1)
        """
    result = swept(source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["5 of 6 places failed"])
    only = swept(source, "--netmocks-sweep-place=0.Reset:client:1:downstream:3".replace("client", "tcp_server"))
    assert "1 of 1 place failed" in only.stdout.str()


def test_a_reference_run_that_fails_fails_the_test_and_one_that_skips_skips_it(swept: Suite) -> None:
    result = swept(
        """
        class TestCase(unittest.TestCase):
            @pytest.mark.fault_sweep(Reset())
            def test_unittest(self):
                with pytest_netmocks.tcp() as server:
                    ask(server.address)
                    self.fail("for a reason")

        @pytest.mark.fault_sweep(Reset())
        def test_fails(tcp_server):
            ask(tcp_server.address)
            assert 1 == 2

        @pytest.mark.fault_sweep(Reset())
        def test_skips(tcp_server):
            ask(tcp_server.address)
            pytest.skip()

        @pytest.mark.fault_sweep(Reset())
        def test_says_nothing(tcp_server):
            pass
        """
    )
    result.assert_outcomes(failed=3, skipped=1)
    text = result.stdout.str()
    assert "places failed" not in text
    assert text.count("this is the reference run, without the fault: no place was tried") == 3
    assert "so there is no place where it could break: it proves nothing" in text


def test_a_run_that_skips_is_neither_passed_nor_failed(swept: Suite) -> None:
    result = swept(
        """
        @pytest.mark.fault_sweep(Reset(direction="downstream"))
        def test_it(tcp_server, netmocks):
            ask(tcp_server.address, tries=2)
            if netmocks.place is not None and netmocks.place.offset == 2:
                pytest.skip()
        """
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["netmocks: 1 fault sweep tried 6 places: 0 failed, 1 were not reached"])


def test_an_expected_failure_is_judged_over_the_whole_sweep(swept: Suite) -> None:
    """The reference run passes in all of them."""
    outcomes = {(True, 1): "XFAIL", (True, 2): "FAILED", (False, 1): "XFAIL", (False, 2): "XPASS"}
    source = ""
    for number, (strict, tries) in enumerate(outcomes):
        test = CAREFUL.replace("tries=2", f"tries={tries}").replace("test_it", f"test_{number}")
        source += f"@pytest.mark.xfail(strict={strict}){test}"
    result = swept(source, "-v")
    result.stdout.fnmatch_lines([f"*::test_{number} {word}*" for number, word in enumerate(outcomes.values())])


def test_to_everybody_else_it_is_one_test(swept: Suite, pytester: pytest.Pytester) -> None:
    result = swept(CARELESS + "\n\ndef test_next():\n    pass\n", "-x", "--junitxml=report.xml")
    result.assert_outcomes(failed=1)
    cases = ElementTree.parse(pytester.path / "report.xml").findall(".//testcase")  # pytest's own
    assert len(cases) == 1
    found = {each.get("name"): each.get("value") for each in cases[0].findall(".//property")}
    assert found == {
        "netmocks_sweep_places": "6",
        "netmocks_sweep_tried": "6",
        "netmocks_sweep_failed": "5",
        "netmocks_sweep_not_reached": "0",
        "netmocks_sweep_waited": "0",
    }


FAILS_AT_FIRST = """
        attempts = []

        @pytest.mark.fault_sweep(Reset(direction="downstream"))
        def test_it(tcp_server, netmocks):
            attempts.append(netmocks.place)
            ask(tcp_server.address, tries=2)
            assert netmocks.place is None or netmocks.place.offset != 3 or len(attempts) > 7

        def test_afterwards():
            assert [place is None for place in attempts] == ([True] + [False] * 6) * 2
        """
"""A sweep that fails at one place when it is run for the first time, and passes at all when it is run again."""


def test_reruns_repeat_the_whole_sweep(swept: Suite) -> None:
    pytest.importorskip("pytest_rerunfailures")
    result = swept(FAILS_AT_FIRST, "--reruns=1", "-p", "no:flaky")
    assert result.parseoutcomes() == {"passed": 2, "rerun": 1}


def test_flaky_repeats_the_whole_sweep(swept: Suite) -> None:
    pytest.importorskip("flaky")
    source = FAILS_AT_FIRST.replace(
        "@pytest.mark.fault_sweep", "@pytest.mark.flaky(max_runs=2)\n        @pytest.mark.fault_sweep"
    )
    swept(source, "-p", "no:rerunfailures").assert_outcomes(passed=2)


def test_a_time_out_is_for_the_whole_sweep_and_ends_it(swept: Suite) -> None:
    pytest.importorskip("pytest_timeout")
    result = swept(
        """
        import signal

        runs = []

        @pytest.mark.timeout(600, method="signal")
        @pytest.mark.fault_sweep(Blackhole(direction="downstream"), Reset())
        def test_it(tcp_server):
            runs.append(signal.getitimer(signal.ITIMER_REAL)[0])
            if len(runs) == 2:
                signal.setitimer(signal.ITIMER_REAL, 0.1)  # the rest of the 600 s is over
            ask(tcp_server.address)

        def test_afterwards():
            assert len(runs) == 2
            assert 600 > runs[0] > runs[1] > 0
        """
    )
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*it ended early: the time-out is for all runs together"])


@pytest.mark.parametrize("virtual", [False, True])
def test_an_interrupted_sweep_says_where_it_was(swept: Suite, virtual: bool) -> None:
    source = f"""
        {"@pytest.mark.virtual_time" if virtual else ""}
        @pytest.mark.fault_sweep(Reset(direction="downstream"))
        def test_it(tcp_server, netmocks):
            ask(tcp_server.address, tries=2)
            if netmocks.place is not None and netmocks.place.offset == 2:
                raise KeyboardInterrupt
        """
    text = swept(source).stdout.str()
    assert "a fault sweep was interrupted at Reset() on tcp_server, connection 1, downstream, after 2 bytes\n" in text
    assert "\n  again: pytest test_it.py::test_it --netmocks-sweep-place=" in text
    assert ("with @pytest.mark.virtual_time a wait without an end fails" in text) != virtual


def test_the_debugger_has_the_fixtures_of_the_first_place_that_failed(swept: Suite, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_exception_interact(node, call, report):
            server = node.funcargs["tcp_server"]
            print("debugged", report.when, server.closed, node.funcargs["netmocks"].place.offset)
        """
    )
    source = CAREFUL.replace("tcp_server)", "tcp_server, netmocks)")
    source += "    assert str(netmocks.place)[-7:] != '2 bytes'\n"
    result = swept(source, "--pdb", "--pdbcls=asking:Quits", "-s")
    text = result.stdout.str()
    assert re.findall(r"debugged .*", text) == ["debugged call False 2"], text
    assert "it ended early: the debugger has the first place that failed" in text


def test_subtests_are_those_of_a_place(swept: Suite) -> None:
    if not hasattr(pytest, "Subtests"):
        pytest.skip("pytest 9 brings them")
    result = swept(
        """
        @pytest.mark.fault_sweep(Reset(direction="downstream"))
        def test_it(tcp_server, subtests, netmocks):
            for number in range(2):
                with subtests.test(number=number):
                    ask(tcp_server.address, tries=2)
                    assert netmocks.place is None or netmocks.place.offset not in (2, 3) or number == 0

        class TestCase(unittest.TestCase):
            @pytest.mark.fault_sweep(Reset(direction="downstream"))
            def test_unittest(self):
                place = pytest_netmocks.place()
                with pytest_netmocks.tcp() as server:
                    for number in range(2):
                        with self.subTest(number=number):
                            ask(server.address, tries=2)
                            self.assertFalse(place is not None and place.connection == 1 and place.offset == 4)
        """,
        "-q",
    )
    text = result.stdout.str()
    assert result.parseoutcomes()["failed"] == 2, text
    assert "SUBFAILED" not in text
    assert "4 of 12 places failed" in text  # both connections of the reference run have places
    assert "1 of 12 places failed" in text


def test_strictness_and_the_faults_marker_are_about_the_reference_run(swept: Suite) -> None:
    result = swept(
        """
        @pytest.mark.faults(Latency(0.001))
        @pytest.mark.fault_sweep(Reset(direction="downstream"))
        def test_it(tcp_server, netmocks):
            tcp_server.when(b"ping\\n").reply(b"pong\\n")
            tcp_server.when(b"never\\n").reply(b"x") if netmocks.place is not None else None
            assert "Latency" in [one.fault.name for one in tcp_server.in_force]
            ask(tcp_server.address, tries=2)
        """,
        "-v",
        netmocks_strict="error",
        netmocks_unused="error",
    )
    result.assert_outcomes(passed=1)
    assert list(places(result).values()) == ["6 places"]


def test_shards_share_the_places_among_items(swept: Suite) -> None:
    source = CAREFUL.replace('"downstream")', '"downstream"), shards=4')
    result = swept(source, "-v", "-n", "2")
    result.assert_outcomes(passed=4)
    counts = places(result)
    assert sorted(counts) == [f"test_it[places{number}of4]" for number in (1, 2, 3, 4)]
    assert sum(int(count.split()[0]) for count in counts.values()) == 6


def test_shards_share_the_limit_too(swept: Suite) -> None:
    result = swept(CAREFUL.replace('"downstream")', '"downstream"), shards=2, limit=3'), "-v")
    result.assert_outcomes(passed=2)
    assert places(result) == {
        "test_it[places1of2]": "1 of 3 places",
        "test_it[places2of2]": "2 of 3 places",
    }


def test_what_could_not_be_begun_is_said_once(swept: Suite) -> None:
    result = swept("@pytest.mark.fault_sweep(Reset())\ndef test_it(tcp_server):\n    pass\n")
    result.assert_outcomes(failed=1)
    assert sum("opened no connection" in line for line in result.outlines) == 1
    assert not any("entries are hidden" in line for line in result.outlines)


def test_shards_that_are_more_than_the_places_pass_with_none(swept: Suite) -> None:
    result = swept(CAREFUL.replace('"downstream")', '"downstream"), shards=8'), "-v")
    result.assert_outcomes(passed=8)
    assert len(places(result)) >= 6


def test_connections_that_were_open_count_first_and_from_the_runs_beginning(swept: Suite) -> None:
    result = swept(
        """
        wide = pytest_netmocks.server_fixture("tcp", scope="module", name="wide")

        class Pool:
            sock = None

            def ask(self):
                for attempt in range(3):
                    try:
                        if self.sock is None:
                            self.sock = socket.create_connection(self.address, timeout=5)
                        self.sock.sendall(b"ping\\n")
                        if self.sock.recv(5) == b"ping\\n":
                            return
                    except OSError:
                        pass
                    if self.sock is not None:
                        self.sock.close()
                    self.sock = None
                raise ConnectionError

        @pytest.fixture(scope="module")
        def pool(wide):
            pool = Pool()
            pool.address = wide.address
            pool.ask()
            pool.ask()
            yield pool
            pool.sock.close()

        seen = set()

        @pytest.mark.fault_sweep(Reset())
        def test_it(pool, netmocks):
            pool.ask()
            if netmocks.place is not None:
                seen.add((netmocks.place.server, netmocks.place.connection, netmocks.place.offset))
                assert netmocks.place.struck == 1

        def test_afterwards(wide):
            assert seen == {("wide", 1, offset) for offset in range(6)}
            assert not wide.in_force
        """,
        "-v",
    )
    result.assert_outcomes(passed=2)
    assert places(result) == {"test_it": "12 places"}


WRONG = [
    ("Reset(after_bytes=3)", "after_bytes is what a sweep varies"),
    ("Bandwidth(10)", "lasts and has no place where it strikes"),
    ("Loss(0.5)", "leave probability= out"),
    ("Reset, limit=3", "write Reset()"),
    ("Reset(), shards=0", "shards must be a whole number"),
    ("Reset(), limits=3", "did you mean 'limit'"),
    ("Reset(), sharps=3", "did you mean 'shards'"),
    ("Reset())\n@pytest.mark.fault_sweep(Close()", "there are 2 markers, and one alone counts"),
]


@pytest.mark.parametrize(("marker", "words"), WRONG)
def test_a_wrong_marker_is_refused_at_collection_with_words(swept: Suite, marker: str, words: str) -> None:
    result = swept(CAREFUL.replace('Reset(direction="downstream")', marker))
    assert result.ret != 0
    said = [line for line in result.outlines if words in line]
    assert said[0].startswith("test_it.py::test_it: fault_sweep: ")
    # Where in pytest it was found out tells a user nothing.
    assert not any("pluggy/" in line or "During handling" in line for line in result.outlines)


def test_a_class_for_a_fault_is_told_apart_though_pytest_takes_it_for_what_is_marked(swept: Suite) -> None:
    result = swept(CAREFUL.replace('Reset(direction="downstream")', "Reset"))
    assert result.ret != 0
    result.stdout.fnmatch_lines(["E * the marker fault_sweep has the class Reset: write Reset()"])
    assert Reset() == Reset()


def test_a_wrong_marker_fails_a_method_of_a_test_case_with_words(swept: Suite) -> None:
    """Which pytest does not ask when it collects."""
    methods = [
        f"@pytest.mark.fault_sweep({marker})\n    def test_{number}(self):\n        pass\n".replace("\n@", "\n    @")
        for number, (marker, _) in enumerate(WRONG)
    ]
    result = swept("class TestCase(unittest.TestCase):\n    " + "\n    ".join(methods))
    result.assert_outcomes(errors=len(WRONG))
    result.stdout.fnmatch_lines([f"*fault_sweep: *{words}*" for _, words in WRONG])


def test_a_run_without_the_marker_loads_nothing_of_it(swept: Suite, pytester: pytest.Pytester) -> None:
    path = pathlib.Path(pytester.path, "test_other.py")
    path.write_text(
        "import sys\n\ndef test_it(tcp_server):\n"
        "    assert not [name for name in sys.modules if 'netmocks.sweep' in name or name.endswith('.rounds')]\n"
    )
    swept("", str(path)).assert_outcomes(passed=1)


def test_virtual_time_begins_and_ends_with_each_run(swept: Suite) -> None:
    result = swept(
        """
        import time
        begun = []

        @pytest.fixture
        def before():
            begun.append(time.monotonic())

        @pytest.mark.virtual_time
        @pytest.mark.fault_sweep(Blackhole())
        def test_it(before, tcp_server, virtual_clock):
            assert virtual_clock.jumped == 0
            with socket.create_connection(tcp_server.address) as sock:
                sock.settimeout(600)
                sock.sendall(b"ping\\n")
                try:
                    while sock.recv(100):
                        pass
                except TimeoutError:
                    pass
        """,
        "-v",
    )
    result.assert_outcomes(passed=1)
    assert places(result) == {"test_it": "12 places"}
