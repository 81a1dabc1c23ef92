"""Files of what happened in a test, written where they are asked for."""

from __future__ import annotations

import pathlib

import pytest
from helpers import Suite

from pytest_netmocks import HttpServer, TcpServer
from pytest_netmocks.plugin.files import file_name
from pytest_netmocks.plugin.recordings import SHORT, _carried, _told
from pytest_netmocks.reports.recording import SCHEMA, Recording

TESTS = """
    import socket

    def say(server, data):
        with socket.create_connection(server.address, timeout=5) as client:
            client.sendall(data)
            return client.recv(100)

    def test_good(tcp_server):
        tcp_server.when(b"a").reply(b"b")
        assert say(tcp_server, b"a") == b"b"

    def test_bad(tcp_server):
        tcp_server.when(b"a").reply(b"b")
        assert say(tcp_server, b"a") == b"c"

    def test_without_a_server():
        assert False
"""


def read(path: pathlib.Path) -> Recording:
    return Recording.of_lines(path.read_text().splitlines())


def written(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def kinds(recording: Recording) -> list[str]:
    return [event["event"] for event in recording.events]


def test_of_a_long_error_the_end_is_kept(suite: Suite, pytester: pytest.Pytester) -> None:
    suite(
        """
        def test_it(tcp_server):
            raise ValueError("x" * 50_000 + " at last")
        """,
        "--netmocks-events=what",
    )
    (path,) = (pytester.path / "what").iterdir()
    first, _, rest = read(path).error.partition("\n")
    assert first.startswith("[")
    assert first.endswith(" characters before are left out]")
    assert "at last" in rest
    assert len(rest) == 20_000


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "by workers"])
def test_a_failing_test_leaves_its_files_and_its_report_names_them(
    suite: Suite, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    result = suite(TESTS, "--netmocks-events=what", *workers)
    assert written(pytester.path / "what") == ["test_it.py--test_bad.jsonl"]
    recording = read(pytester.path / "what" / "test_it.py--test_bad.jsonl")
    assert recording.title.endswith("test_it.py::test_bad")
    assert recording.outcome == "failed"
    assert "b'b' == b'c'" in recording.error
    assert [event["data"] for event in recording.events if event["event"] in ("received", "sent")] == ["a", "b"]
    assert kinds(recording)[-1] == "closed"
    result.stdout.fnmatch_lines(["*netmocks files*", "*what*test_it.py--test_bad.jsonl"])


def test_those_of_passing_tests_are_kept_where_all_are(suite: Suite, pytester: pytest.Pytester) -> None:
    suite(TESTS, "--netmocks-keep=all", netmocks_events="what")
    assert written(pytester.path / "what") == ["test_it.py--test_bad.jsonl", "test_it.py--test_good.jsonl"]
    assert read(pytester.path / "what" / "test_it.py--test_good.jsonl").outcome == "passed"


def test_of_a_wider_server_a_test_has_only_what_happened_in_it(suite: Suite, pytester: pytest.Pytester) -> None:
    suite(
        """
    import socket
    import pytest
    import pytest_netmocks

    wide = pytest_netmocks.server_fixture("tcp", scope="module", name="wide")
    clients = []

    @pytest.mark.parametrize("data", [b"one", b"two"])
    def test_it(wide, data):
        client = socket.create_connection(wide.address, timeout=5)
        clients.append(client)
        client.sendall(data)
        wide.wait_for(lambda server: server.connections[-1].received == data)
    """,
        "--netmocks-keep=all",
        "--netmocks-events=what",
    )
    second = read(pytester.path / "what" / "test_it.py--test_it[two].jsonl")
    assert [event["data"] for event in second.events if event["event"] == "received"] == ["two"]
    opened = [event for event in second.events if event["event"] == "opened"]
    assert [event["connection"] for event in opened] == [1, 2]
    assert "open since before" in opened[0]["text"]


def test_of_a_sweep_each_failing_run_has_a_file_and_so_has_the_one_without_a_fault(
    suite: Suite, pytester: pytest.Pytester
) -> None:
    suite(
        """
    import socket
    import pytest
    from pytest_netmocks.faults import Reset

    @pytest.mark.fault_sweep(Reset(direction="downstream"))
    def test_it(tcp_server):
        tcp_server.when(b"a").reply(b"b")
        with socket.create_connection(tcp_server.address, timeout=5) as client:
            client.sendall(b"a")
            assert client.recv(1) == b"b"
    """,
        "--netmocks-events=what",
    )
    recordings = [read(path) for path in (pytester.path / "what").iterdir()]
    places = {recording.place for recording in recordings if recording.outcome == "failed"}
    assert places
    assert "" not in places
    (shown,) = (recording.sweep for recording in recordings if recording.sweep)  # what it came to is said once
    assert shown["failed"] == len(places)
    for recording in recordings:
        if recording.place:
            assert "struck" in kinds(recording)


def test_a_folder_that_cannot_be_written_is_told_and_ends_no_run(suite: Suite, pytester: pytest.Pytester) -> None:
    (pytester.path / "what").write_text("a file")
    result = suite(TESTS, "--netmocks-events=what")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["netmocks: cannot write *what*"])


def test_nothing_is_written_where_nothing_is_asked_for(suite: Suite, pytester: pytest.Pytester) -> None:
    before = set(written(pytester.path))
    suite(TESTS)
    new = set(written(pytester.path)) - before
    ours = {"test_it.py", "tox.ini", "__pycache__", "stdout", "stderr"}
    assert {name for name in new if not name.startswith("runpytest")} <= ours


def test_a_wrong_choice_of_tests_is_a_usage_error(suite: Suite) -> None:
    result = suite(TESTS, "--netmocks-keep=most")
    assert "--netmocks-keep is 'most'; accepted are failed, all" in result.stderr.str()


def test_a_server_saves_what_it_has_on_record(tcp_server: TcpServer, tmp_path: pathlib.Path) -> None:
    import socket

    tcp_server.when(b"a").reply(b"\xff")
    with socket.create_connection(tcp_server.address, timeout=5) as client:
        client.sendall(b"a")
        assert client.recv(1) == b"\xff"
    tcp_server.save(tmp_path / "new" / "it.jsonl")
    recording = read(tmp_path / "new" / "it.jsonl")
    sent = next(event for event in recording.events if event["event"] == "sent")
    assert sent["base64"] == "/w=="
    assert recording.servers[0]["address"] == list(tcp_server.address)


def test_a_suffix_that_nobody_writes_is_refused(http_server: HttpServer, tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match=r"path must end in one of \.har .*\.jsonl .* not 'it.txt'"):
        http_server.save("it.txt")


@pytest.mark.parametrize("line", ["", "{}", "[]", "no JSON", '{"netmocks": 1}\n[]', f'{{"netmocks": {SCHEMA + 1}}}'])
def test_lines_that_are_no_recording_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="recording"):
        Recording.of_lines(line.split("\n"))


def test_a_recording_is_the_same_after_it_was_packed() -> None:
    recording = Recording(title="é\n", events=[{"server": 1, "event": "note", "at": 0.5, "text": "\u2028"}])
    assert Recording.unpack(recording.pack()) == recording


@pytest.mark.parametrize("size", [1, 2 * SHORT])
def test_a_worker_hands_over_what_is_long_compressed(size: int) -> None:
    text = Recording(title="x" * size).text()
    carried = _carried(text)
    assert len(carried) <= SHORT
    assert _told(carried) == text


@pytest.mark.parametrize("test", ["tests/a.py::test[" + "é" * 500 + "]", "a.py::test[../../etc\n\0]", "..::x"])
def test_the_name_of_a_file_stays_in_its_folder_and_is_short(test: str) -> None:
    name = file_name(test)
    assert "/" not in name
    assert "\0" not in name
    assert not name.startswith(".")
    assert len(name.encode()) <= 121


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "by workers"])
def test_rows_of_pytest_html_lead_to_the_page(
    suite: Suite, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    suite(TESTS, "-p", "html", "--html=rows/index.html", "--netmocks-report=page.html", *workers)
    rows = (pytester.path / "rows" / "index.html").read_text()
    assert "../page.html#test=test_it.py%3A%3Atest_bad" in rows
    assert "../page.html#test=test_it.py%3A%3Atest_good" in rows
    assert "#test=test_it.py%3A%3Atest_without_a_server" not in rows  # it has nothing to show
