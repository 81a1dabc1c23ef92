"""What the benchmarks share: servers in processes of their own, comparisons, and the cost of a fixture."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

ROUNDS = 5


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def ready(port: int) -> None:
    """Tell the parent that the server is up."""
    print(port, flush=True)


def announce_when_up(port: int) -> None:
    """Tell it as soon as a connection succeeds."""

    def wait() -> None:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                ready(port)
                return
            time.sleep(0.02)

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def running(script: str, kind: str) -> Iterator[int]:
    """Run `script serve kind` for the time of the block; gives its port."""
    process = subprocess.Popen(
        [sys.executable, script, "serve", kind], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def compare(script: str, title: str, measure: Callable[[int], float], goal: str, peers: tuple[str, ...]) -> None:
    """Measure ours and the peers in interleaved rounds and print the medians; `peers` begins with ours."""
    with contextlib.ExitStack() as stack:
        ports = {kind: stack.enter_context(running(script, kind)) for kind in peers}
        figures: dict[str, list[float]] = {kind: [] for kind in peers}
        for _ in range(ROUNDS):
            for kind in peers:
                figures[kind].append(measure(ports[kind]))
    parts = [f"ours {statistics.median(figures[peers[0]]):.0f}"]
    for kind in peers[1:]:
        ratio = statistics.median(a / b for a, b in zip(figures[peers[0]], figures[kind], strict=True))
        parts.append(f"{kind} {statistics.median(figures[kind]):.0f} ({ratio:.2f})")
    print(f"{title:<28} {'  '.join(parts)}   goal: {goal}", flush=True)


def suite(source: str) -> float:
    """Seconds that a run of pytest takes over one module."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "test_it.py")
        path.write_text(source)
        begin = time.perf_counter()
        plugins = ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:hypothesispytest"]
        subprocess.run([sys.executable, "-m", "pytest", "-q", *plugins, path], check=True, capture_output=True)
        return time.perf_counter() - begin


FEW = 200
"""Tests of a suite that stands for its beginning: pytest, imports, the first server with its thread and its CA."""


def fresh(title: str, fixture: str, goal: str, *, count: int = 1000, before: str = "", body: str = "pass") -> None:
    """Print what a test with the fixture costs over an empty one, and what the first costs once more.

    Of each run the fastest of the rounds counts: they differ by what else the machine does, which is as much again.
    """
    ours, empty = (f", {fixture}", body), ("", "pass")
    took: dict[tuple[tuple[str, str], int], float] = {}
    for _ in range(ROUNDS):
        for kind in (ours, empty):
            for tests in (FEW, FEW + count):
                test = f"@pytest.mark.parametrize('n', range({tests}))\ndef test_it(n{kind[0]}): {kind[1]}\n"
                seconds = suite(f"import pytest\n{before}\n{test}")
                took[kind, tests] = min(seconds, took.get((kind, tests), seconds))
    each, each_empty = ((took[kind, FEW + count] - took[kind, FEW]) / count for kind in (ours, empty))
    extra = each - each_empty
    first = took[ours, FEW] - took[empty, FEW] - FEW * extra
    print(
        f"{title:<28} ours {extra * 1e3:.2f} ms over an empty test, the first {first * 1e3:.0f} ms   goal: {goal}",
        flush=True,
    )


def heading() -> None:
    """Print what was measured on."""
    print(f"Python {sys.version.split()[0]}, medians of {ROUNDS} interleaved rounds; in brackets ours by theirs\n")
