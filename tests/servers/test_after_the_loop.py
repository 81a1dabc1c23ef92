"""Whoever stops or closes a server after the loop's thread has ended finds nothing left to do, and no error."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers import needed

from pytest_netmocks.protocols.known import TABLE

PROGRAM = """
import atexit, socket, sys

def close():
    for name, stream, server in servers:
        getattr(server, sys.argv[1])()
        server.close()
        assert server.closed, name
    for name, stream, server in servers:
        with socket.socket(type=socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) as sock:
            sock.bind(server.address)
    print("all closed")

atexit.register(close)  # before the package's own, so that it is called after that
import pytest_netmocks

servers = []
for name, stream, arguments in eval(sys.argv[2]):
    make = getattr(pytest_netmocks, name)
    made = [make(*arguments).start(), make(*arguments).start(), make(*arguments)]
    made[1].stop()
    servers += [(name, stream, server) for server in made[:2]]
"""


@pytest.mark.parametrize("end", ["close", "stop"])
def test_a_server_is_closed_at_exit(end: str) -> None:
    kinds = [(name, TABLE[name].stream, needed(name)) for name in TABLE]
    command = [sys.executable, "-W", "error", "-c", PROGRAM, end, repr(kinds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("all closed\n", "", 0)


def test_a_plugin_closes_its_server_when_pytest_has_finished(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest, pytest_netmocks

        def pytest_configure(config):
            config.server = pytest_netmocks.http().start()

        @pytest.hookimpl(trylast=True)
        def pytest_unconfigure(config):
            config.server.close()
        """
    )
    pytester.makepyfile(
        """
        import urllib.request

        def test_it(pytestconfig):
            pytestconfig.server.when("/").reply(text="ok")
            with urllib.request.urlopen(pytestconfig.server.url) as answer:
                assert answer.read() == b"ok"
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    assert result.ret == 0


def test_an_open_connection_ends_with_its_server(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import socket, pytest_netmocks
        from pytest_netmocks.link import loop

        def test_it():
            server = pytest_netmocks.tcp().start()
            with socket.create_connection(server.address, timeout=30) as client:
                client.sendall(b"x")
                assert client.recv(1) == b"x"
                loop.close()
                server.close()
                assert client.recv(1) == b""
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_server_whose_loop_has_ended_says_so() -> None:
    program = (
        "import pytest_netmocks\n"
        "from pytest_netmocks.link import loop\n"
        "from pytest_netmocks.faults import Reset\n"
        "server = pytest_netmocks.tcp().start()\n"
        "loop.close()\n"
        "for call in (server.reset, lambda: server.inject(Reset())):\n"
        "    try:\n"
        "        call()\n"
        "    except RuntimeError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.count("the servers' loop") == 2
