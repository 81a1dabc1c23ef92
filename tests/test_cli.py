"""The command line: a clear first line, a live log, faults, ends and errors."""

from __future__ import annotations

import contextlib
import http.client
import json
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import httpx
import pytest
from helpers import echo, outcome, read_to_end

from pytest_netmocks import HttpServer
from pytest_netmocks.cli import _follow
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.records.timeline import Line

LISTENING = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup(1) may run the tests
from pytest_netmocks.cli import main
sys.exit(main())
"""


class Program:
    """A running `netmocks`, killed at the end whatever happens."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LISTENING, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._killer = threading.Timer(30, self.process.kill)
        self._killer.start()
        assert self.process.stdout is not None
        self.first = self.process.stdout.readline()

    @property
    def address(self) -> tuple[str, int]:
        found = re.search(r"://([\d.]+):(\d+)", self.first)
        assert found, self.first
        return found[1], int(found[2])

    def lines_until(self, word: str) -> str:
        """What it printed, up to the line with that word."""
        assert self.process.stdout is not None
        text = ""
        while word not in text:
            line = self.process.stdout.readline()
            assert line, f"the program ended before {word!r} came: {text}"
            text += line
        return text

    def end(self, number: int) -> tuple[int, str]:
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors

    def close(self) -> None:
        self._killer.cancel()
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def netmocks_program(*arguments: str) -> Iterator[Program]:
    program = Program(*arguments)
    try:
        yield program
    finally:
        program.close()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest_netmocks", *arguments], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_serves_logs_and_ends_cleanly(number: int) -> None:
    with netmocks_program("tcp", "--fault", "Close(after_bytes=2), nth=2", "--name", "mine") as program:
        assert program.first.startswith("mine listens on tcp://127.0.0.1:")
        for expected in (b"hello", b"he"):
            with socket.create_connection(program.address, timeout=30) as sock:
                sock.sendall(b"hello")
                sock.shutdown(socket.SHUT_WR)
                assert read_to_end(sock) == expected
        log = program.lines_until("closed by fault")
        for word in ("connection 1", "> received 5 B", "b'hello'", "connection 2", "! Close(after_bytes=2) strikes"):
            assert word in log, log
        assert program.end(number) == (0, "")


def test_a_proxy_in_front_of_a_server(netmocks: Netmocks) -> None:
    upstream = netmocks.tcp()
    with netmocks_program("proxy", f"127.0.0.1:{upstream.port}", "--fault", "Reset(), first=1") as program:
        front = netmocks.tcp_proxy(program.address)
        assert outcome(front) == "reset"
        assert echo(front) == b"hello"
    assert len(upstream.connections) >= 1


def test_a_udp_proxy_and_a_udp_server() -> None:
    with (
        netmocks_program("udp") as server,
        netmocks_program("proxy", ":".join(map(str, server.address)), "--udp") as proxy,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
    ):
        sock.settimeout(5)
        sock.sendto(b"x", proxy.address)
        assert sock.recv(10) == b"x"


def test_the_same_seed_gives_the_same_faults() -> None:
    def letters(seed: str) -> str:
        with netmocks_program("tcp", "--seed", seed, "--fault", "Close(), probability=0.5") as program:
            assert f"seed {seed}" in program.first
            got = ""
            for _ in range(20):
                with socket.create_connection(program.address, timeout=30) as sock:
                    sock.sendall(b"x")
                    got += "k" if sock.recv(1) else "x"
            return got

    assert letters("7") == letters("7")
    assert letters("7") != letters("8")


def test_a_profile_slows_it() -> None:
    with (
        netmocks_program("tcp", "--profile", "3g") as program,
        socket.create_connection(program.address, timeout=30) as sock,
    ):
        begin = time.monotonic()
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        assert time.monotonic() - begin >= 0.3


@pytest.mark.parametrize("kind", ["http", "ftp"])
def test_a_directory_is_served(kind: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "f.txt").write_text("from the directory")
    with netmocks_program(kind, "--root", str(tmp_path)) as program:
        host, port = program.address
        with urllib.request.urlopen(f"{kind}://{host}:{port}/f.txt", timeout=10) as answer:
            assert answer.read() == b"from the directory"


@pytest.mark.parametrize(("version", "answers"), [("1.1", True), ("2", False)])
def test_one_version_of_http_is_an_option(version: str, answers: bool) -> None:
    with (
        netmocks_program("http", "--http-version", version) as program,
        socket.create_connection(program.address, timeout=20) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert read_to_end(client).startswith(b"HTTP/1.1 ") is answers


@pytest.mark.parametrize(("command", "path", "status"), [("http", "/x", 404), ("httpbin", "/get", 200)])
def test_http_2_alone_is_spoken_with_who_begins_with_it(command: str, path: str, status: int) -> None:
    with netmocks_program(command, "--http-version", "2") as program:
        with httpx.Client(http1=False, http2=True, trust_env=False) as client:
            answer = client.get("http://{}:{}{}".format(*program.address, path))
        assert (answer.http_version, answer.status_code) == ("HTTP/2", status)
        assert program.lines_until(f"GET {path} -> {status}")


@pytest.mark.parametrize(
    ("arguments", "spoken"),
    [((), "HTTP/2"), (("--http-version", "2"), "HTTP/2"), (("--http-version", "1.1"), "HTTP/1.1")],
)
def test_over_tls_clients_are_offered_the_versions_that_it_speaks(arguments: tuple[str, ...], spoken: str) -> None:
    with netmocks_program("https", *arguments) as program:
        context = ssl.create_default_context(cafile=program.lines_until("is trusted with").split(" with ")[1].strip())
        with httpx.Client(http2=True, verify=context, trust_env=False) as client:
            answer = client.get("https://{}:{}/x".format(*program.address))
    assert (answer.http_version, answer.status_code) == (spoken, 404)


@pytest.mark.parametrize("name", ["http", "https", "httpbin"])
def test_the_help_of_what_speaks_http_names_both_versions(name: str) -> None:
    told = run(name, "--help").stdout
    assert "HTTP/1.1 and HTTP/2" in told
    assert "--http-version" in told


def test_httpbin_answers_with_faults_in_front_and_ends_cleanly() -> None:
    with netmocks_program("httpbin", "--fault", "Close(after_bytes=0), nth=2") as program:
        assert program.first.startswith("httpbin listens on http://127.0.0.1:")
        base = "http://{}:{}".format(*program.address)
        with urllib.request.urlopen(f"{base}/get?a=1", timeout=10) as answer:
            told = json.load(answer)
        assert (told["url"], told["args"]) == (f"{base}/get?a=1", {"a": "1"})
        with pytest.raises(http.client.RemoteDisconnected):
            urllib.request.urlopen(f"{base}/get", timeout=10)
        with pytest.raises(urllib.error.HTTPError, match="HTTP Error 404: NOT FOUND"):
            urllib.request.urlopen(f"{base}/nothing", timeout=10)
        log = program.lines_until("GET /nothing -> 404")
        for word in ("GET /get?a=1 -> 200", "! Close(after_bytes=0) strikes", "no rule matches GET /nothing"):
            assert word in log, log
        assert program.end(signal.SIGINT) == (0, "")


def test_what_happened_before_the_log_began_is_told_as_what_comes_later_and_once(http_server: HttpServer) -> None:
    def ask() -> None:
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(http_server.url, timeout=10)
        http_server.wait_for(lambda server: not server.open_connections)

    shown: list[list[str]] = [[]]

    def show(line: Line) -> None:
        if line.kind == "opened" and len(shown) == 1:
            ask()  # while it is told of the one before
        shown[-1].append(line.kind)
        if line.kind == "closed":
            shown.append([])
        if len(shown) == 3:
            raise KeyboardInterrupt

    ask()
    with pytest.raises(KeyboardInterrupt):
        _follow(http_server, show)
    assert shown[0] == shown[1]


def test_list_shows_servers_faults_and_profiles() -> None:
    done = run("list")
    assert done.returncode == 0
    for line in ("server\ttcp\t", "server\tudp_proxy\t", "fault\tLatency\t", "profile\tsatellite\t"):
        assert line in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("tcp", "--fault", "Explode()"), 2, "'Explode' is no known fault"),
        (("tcp", "--deny", "nobody"), 2, "deny must be a list of addresses and networks"),
        (("tcp", "--max-connections", "0"), 2, "max_connections must be a whole number of at least 1"),
        (("tcp", "--ban-after", "3"), 2, "nobody logs in"),
        (("proxy", "127.0.0.1:9", "--udp", "--idle-timeout", "5"), 2, "leave --idle-timeout out"),
        (("tcp", "--fault", "Reset(), first=0"), 2, "first must be a whole number of at least 1"),
        (("tcp", "--fault", "Loss(0.5)"), 2, "Loss(0.5) strikes datagrams"),
        (("udp", "--fault", "Reset()"), 2, "strikes a byte stream"),
        (("tcp", "--port", "70000"), 2, "'70000' is no port"),
        (("tcp", "--profile", "5g"), 2, "invalid choice: '5g'"),
        (("proxy", "nowhere"), 2, "'nowhere' is no upstream: write host:port"),
        (("gopher",), 2, "invalid choice: 'gopher'"),
        ((), 2, "COMMAND"),
        (("tcp", "--host", "203.0.113.1"), 1, "cannot listen on 203.0.113.1 port 0"),
        (("proxy", "no.such.host.invalid:1"), 1, "no.such.host.invalid"),
    ],
)
def test_errors_are_one_line_that_names_what_is_wrong(arguments: tuple[str, ...], code: int, message: str) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    pipe = subprocess.Popen(
        f"{sys.executable} -m pytest_netmocks list | head -n 1",
        shell=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, errors = pipe.communicate(timeout=30)
    assert out.startswith(b"server\ttcp")
    assert errors == b""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("proxy", "127.0.0.1:53", "--udp", "--tls"), "--udp passes on datagrams, which have no TLS: leave --tls out"),
        (("proxy", "127.0.0.1:53", "--udp", "--upstream-tls"), "leave --upstream-tls out"),
        (("http", "--client-cert", "required"), "--client-cert is about TLS, and there is none: give --tls with it"),
    ],
)
def test_wrong_tls_options_are_named_as_they_are_written(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_limits_are_options_too() -> None:
    with netmocks_program("tcp", "--deny", "127.0.0.0/8", "--allow", "::1", "--idle-timeout", "5") as program:
        with contextlib.suppress(ConnectionResetError), socket.create_connection(program.address, timeout=10) as sock:
            assert not sock.recv(1)
        assert "refused: deny has 127.0.0.0/8" in program.lines_until("refused")
