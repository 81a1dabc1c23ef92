"""What a report adds to a run: the processor time of suites with and without `--netmocks-report`, in turn."""

from __future__ import annotations

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

TESTS = 500
ROUNDS = 3

SUITES = {
    "tests that only talk": """
import socket
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it(tcp_server, number):
    tcp_server.when(b"PING\\r\\n").reply(b"PONG\\r\\n")
    with socket.create_connection(tcp_server.address) as sock:
        sock.sendall(b"PING\\r\\n")
        assert sock.recv(100) == b"PONG\\r\\n"
""",
    "urllib3": """
import pytest
import urllib3

@pytest.mark.parametrize("number", range({tests}))
def test_it(http_server, number):
    http_server.when("/x").reply(json={{"a": 1}})
    with urllib3.PoolManager() as pool:
        assert pool.request("GET", http_server.url_for("/x")).json() == {{"a": 1}}
""",
    "requests": """
import pytest
import requests

@pytest.mark.parametrize("number", range({tests}))
def test_it(http_server, number):
    http_server.when("/x").reply(json={{"a": 1}})
    assert requests.get(http_server.url_for("/x")).json() == {{"a": 1}}
""",
}

PLAIN = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist")


def cost(folder: pathlib.Path, *options: str) -> float:
    """Processor seconds of a run of the suite in that folder."""
    command = [sys.executable, "-m", "pytest", *PLAIN, *options]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"the suite failed: {folder}")
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure each suite."""
    with tempfile.TemporaryDirectory() as name:
        for kind, source in SUITES.items():
            folder = pathlib.Path(name, kind.replace(" ", "_"))
            folder.mkdir()
            (folder / "test_it.py").write_text(source.format(tests=TESTS))
            (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
            without, with_report = [], []
            for _ in range(ROUNDS):
                without.append(cost(folder))
                with_report.append(cost(folder, f"--netmocks-report={folder}/report.html"))
            before, after = (1e3 * min(each) / TESTS for each in (without, with_report))
            times = statistics.median(b / a for a, b in zip(without, with_report, strict=True))
            print(f"{kind}: {before:.2f} ms of the processor a test, with a report {after:.2f} ms ({times:.3f} times)")


if __name__ == "__main__":
    main()
