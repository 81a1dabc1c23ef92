"""What the link costs, beside bare asyncio measured in the same run: `python benchmarks/engine.py`.

Every figure is a median over interleaved rounds (ours, theirs, ours, theirs, ...), so that a machine whose speed drifts
does not decide. A goal stands behind each ratio; nothing fails here, it prints.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

import pytest_netmocks
from pytest_netmocks.encryption import authority
from pytest_netmocks.faults import Latency
from pytest_netmocks.link.link import Link
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.records.recorder import Recorder
from pytest_netmocks.servers.stream import StreamServer

ROUNDS = 9
SMALL = b"x" * 64
BULK = 192 * 1024 * 1024
CHUNK = b"y" * 65536


class Talk(asyncio.Protocol):
    """The same protocol on both sides of the comparison: echoes, and floods when it is told to."""

    def __init__(self) -> None:
        self.left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if data == b"FLOOD":
            self.left = BULK
            self.resume_writing()
        else:
            self.transport.write(data)  # type: ignore[attr-defined]

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        while self.left and not self.paused:
            self.left -= len(CHUNK)
            self.transport.write(CHUNK)  # type: ignore[attr-defined]


class TalkServer(StreamServer):
    """`Talk` on a link."""

    scheme = "tcp"

    def _protocol(self, link: Link, connection: Connection) -> asyncio.BaseProtocol:
        return Talk()


@contextlib.contextmanager
def bare_asyncio(context: ssl.SSLContext | None = None) -> Iterator[tuple[str, int]]:
    """`Talk` on asyncio's own transport (with a context: over its TLS), in a thread of its own."""
    loop = asyncio.new_event_loop()
    address: list[tuple[str, int]] = []
    ready = threading.Event()

    async def main() -> None:
        server = await loop.create_server(Talk, "127.0.0.1", 0, ssl=context)
        address.append(server.sockets[0].getsockname())
        ready.set()

    def run() -> None:
        loop.run_until_complete(main())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@contextlib.contextmanager
def in_a_process(*kind: str) -> Iterator[tuple[tuple[str, int], int]]:
    """The server in a process of its own; its address and process number."""
    process = subprocess.Popen([sys.executable, __file__, "serve", *kind], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        host, port = process.stdout.readline().split()
        yield (host, int(port)), process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def serve(kind: str, *upstream: str) -> None:
    """What the process above does."""
    with contextlib.ExitStack() as stack:
        server: StreamServer | tuple[str, int]
        if kind == "bare":
            server = stack.enter_context(bare_asyncio())
        elif kind == "bare-tls":
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            issued = authority.shared().default("127.0.0.1")
            context.load_cert_chain(issued.cert_file, issued.key_file)
            server = stack.enter_context(bare_asyncio(context))
        elif kind == "link":
            server = stack.enter_context(TalkServer())
        elif kind == "link-tls":
            server = stack.enter_context(TalkServer(tls=True))
        else:
            server = stack.enter_context(pytest_netmocks.tcp_proxy((upstream[0], int(upstream[1]))))
        host, port = server if isinstance(server, tuple) else server.address
        print(host, port, flush=True)
        time.sleep(600)  # until it is killed


def connect(address: tuple[str, int]) -> socket.socket:
    sock = socket.create_connection(address, timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def round_trip(address: tuple[str, int], count: int = 3000) -> float:
    """Seconds of a round trip of 64 B."""
    with connect(address) as sock:
        times = []
        for _ in range(count):
            begin = time.perf_counter()
            sock.sendall(SMALL)
            sock.recv(100)
            times.append(time.perf_counter() - begin)
    return statistics.median(times)


def megabytes(address: tuple[str, int]) -> float:
    """MB/s of a download."""
    buffer = bytearray(1 << 20)
    with connect(address) as sock:
        begin = time.perf_counter()
        sock.sendall(b"FLOOD")
        got = 0
        while got < BULK:
            got += sock.recv_into(buffer)
        return BULK / 1e6 / (time.perf_counter() - begin)


def connects(address: tuple[str, int], count: int = 400) -> float:
    """Connections a second, each with one round trip."""
    begin = time.perf_counter()
    for _ in range(count):
        with connect(address) as sock:
            sock.sendall(SMALL)
            sock.recv(100)
    return count / (time.perf_counter() - begin)


def compare(
    measure: Callable[[tuple[str, int]], float], ours: tuple[str, int], theirs: tuple[str, int]
) -> tuple[float, float, float]:
    """Interleaved rounds; medians, and the median of the ratios pair by pair."""
    pairs = []
    for _ in range(ROUNDS):
        pairs.append((measure(ours), measure(theirs)))
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def show(title: str, ours: str, theirs: str, ratio: str, goal: str) -> None:
    print(f"{title:<44} {ours:>14} {theirs:>14} {ratio:>9}   {goal}", flush=True)


def link_against_asyncio() -> None:
    with in_a_process("link") as (ours, _), in_a_process("bare") as (theirs, _):
        a, b, ratio = compare(round_trip, ours, theirs)
        show("round trip 64 B, us", f"{a * 1e6:.1f}", f"{b * 1e6:.1f}", f"{ratio:.2f}", "asyncio Protocol, <= 1.10")
        a, b, ratio = compare(megabytes, ours, theirs)
        show("download, MB/s", f"{a:.0f}", f"{b:.0f}", f"{ratio:.2f}", "asyncio Protocol, >= 0.90")
        a, b, ratio = compare(connects, ours, theirs)
        show("connections/s", f"{a:.0f}", f"{b:.0f}", f"{ratio:.2f}", "asyncio server")


def trusting() -> ssl.SSLContext:
    """A context that trusts anybody: who signed is not what is measured."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def handshakes(address: tuple[str, int], count: int = 200) -> float:
    """TLS connections a second, each with one round trip."""
    context = trusting()
    begin = time.perf_counter()
    for _ in range(count):
        with context.wrap_socket(connect(address)) as sock:
            sock.sendall(SMALL)
            sock.recv(100)
    return count / (time.perf_counter() - begin)


def secure_round_trip(address: tuple[str, int], count: int = 3000) -> float:
    """Seconds of a round trip of 64 B over TLS."""
    with trusting().wrap_socket(connect(address)) as sock:
        times = []
        for _ in range(count):
            begin = time.perf_counter()
            sock.sendall(SMALL)
            sock.recv(100)
            times.append(time.perf_counter() - begin)
    return statistics.median(times)


def secure_megabytes(address: tuple[str, int]) -> float:
    """MB/s of a download over TLS."""
    buffer = bytearray(1 << 20)
    with trusting().wrap_socket(connect(address)) as sock:
        begin = time.perf_counter()
        sock.sendall(b"FLOOD")
        got = 0
        while got < BULK:
            got += sock.recv_into(buffer)
        return BULK / 1e6 / (time.perf_counter() - begin)


def tls_against_asyncio() -> None:
    with in_a_process("link-tls") as (ours, _), in_a_process("bare-tls") as (theirs, _):
        a, b, ratio = compare(handshakes, ours, theirs)
        show("TLS: handshakes/s", f"{a:.0f}", f"{b:.0f}", f"{ratio:.2f}", "asyncio's TLS, >= 1")
        a, b, ratio = compare(secure_round_trip, ours, theirs)
        show("TLS: round trip 64 B, us", f"{a * 1e6:.1f}", f"{b * 1e6:.1f}", f"{ratio:.2f}", "asyncio's TLS, <= 1")
        a, b, ratio = compare(secure_megabytes, ours, theirs)
        show("TLS: download, MB/s", f"{a:.0f}", f"{b:.0f}", f"{ratio:.2f}", "asyncio's TLS, >= 1")


def lateness() -> None:
    delay = 0.02
    with pytest_netmocks.tcp() as server, connect(server.address) as sock:
        server.inject(Latency(delay))
        late = []
        for _ in range(400):
            begin = time.perf_counter()
            sock.sendall(SMALL)
            sock.recv(100)
            late.append(time.perf_counter() - begin - delay)
    late.sort()
    figures = f"{late[len(late) // 2] * 1e3:.2f}", f"{late[int(len(late) * 0.99)] * 1e3:.2f}"
    show("latency fault: late by, ms (p50, p99)", *figures, f"{late[0] * 1e3:.2f}", "<= 0.5, <= 1.5, earliest >= 0")


def fresh_server() -> None:
    count = 4000

    def suite(argument: str) -> float:
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "test_it.py")
            path.write_text(
                f"import pytest\n@pytest.mark.parametrize('n', range({count}))\ndef test_it(n{argument}): pass\n"
            )
            begin = time.perf_counter()
            plugins = ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:hypothesispytest"]
            subprocess.run([sys.executable, "-m", "pytest", "-q", *plugins, path], check=True, capture_output=True)
            return time.perf_counter() - begin

    pairs = [(suite(", tcp_server"), suite("")) for _ in range(3)]
    extra = statistics.median((a - b) / count for a, b in pairs)
    show("fresh tcp_server per test, ms", f"{extra * 1e3:.3f}", "", "", "over an empty test, <= 0.25")


def proxy() -> None:
    with in_a_process("bare") as (upstream, _), in_a_process("proxy", *map(str, upstream)) as (ours, _):
        a, b, _ = compare(round_trip, ours, upstream)
        show("proxy: added round trip, us", f"{a * 1e6:.1f}", f"{b * 1e6:.1f}", f"+{(a - b) * 1e6:.1f}", "<= 50")
        a, b, ratio = compare(megabytes, ours, upstream)
        show("proxy: download, MB/s", f"{a:.0f}", f"{b:.0f}", f"{ratio:.2f}", "900 where direct is 3000 (0.30)")
        a, b, ratio = compare(connects, ours, upstream)
        show("proxy: connections/s", f"{a:.0f}", f"{b:.0f}", f"{ratio:.2f}", "direct, >= 0.50")


def memory() -> None:
    count = 4000

    def resident(process: int) -> int:
        for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1])
        return 0

    figures = []
    for kind in ("link", "bare"):
        with in_a_process(kind) as (address, process), contextlib.ExitStack() as stack:
            round_trip(address, 10)
            before = resident(process)
            socks = [stack.enter_context(connect(address)) for _ in range(count)]
            for sock in socks:
                sock.sendall(SMALL)
            for sock in socks:
                sock.recv(100)
            figures.append((resident(process) - before) / count)
    show("KiB per held connection", f"{figures[0]:.1f}", f"{figures[1]:.1f}", f"{figures[0] / figures[1]:.2f}", "<= 20")


def stopping() -> None:
    """How long `stop` takes with 300 clients that are silent, half-way or deaf."""
    times = []
    for _ in range(ROUNDS):
        with pytest_netmocks.tcp() as server, contextlib.ExitStack() as stack:
            server.when(b"much").reply(b"x" * 10_000_000)
            for number in range(300):
                sock = stack.enter_context(connect(server.address))
                if number % 3:
                    sock.sendall(b"muc" if number % 3 == 1 else b"much")
            server.wait_for(lambda s: len(s.connections) == 300, timeout=60)
            begin = time.perf_counter()
            server.stop()
            times.append(time.perf_counter() - begin)
    with pytest_netmocks.tcp() as server, connect(server.address):
        server.wait_for(lambda s: s.connections)
        begin = time.perf_counter()
        server.stop()
        one = time.perf_counter() - begin
    figures = f"{statistics.median(times) * 1e3:.1f}", f"{one * 1e3:.2f}"
    show("stop with 300 stuck clients, with one, ms", *figures, "", "<= 10 whatever clients do")


def events() -> None:
    """What a piece costs on record, and what each subscriber adds, in CPU time."""
    figures = []
    for subscribers in (0, 1):
        rounds = []
        for _ in range(ROUNDS):
            journal = Journal(1 << 20)
            journal.begin()
            recorder = Recorder(journal, Connection(1, ("127.0.0.1", 1), 0.0))
            for _ in range(subscribers):
                journal.subscribe(lambda event: None)
            begin = time.thread_time()
            for _ in range(5000):
                recorder.received(SMALL)
            rounds.append((time.thread_time() - begin) / 5000)
        figures.append(min(rounds) * 1e6)
    alone, told = figures
    show("a piece on record, with a subscriber, us", f"{alone:.2f}", f"{told:.2f}", f"+{told - alone:.2f}", "<= +1.5")


def main() -> None:
    print(f"Python {sys.version.split()[0]}, medians of {ROUNDS} interleaved rounds\n")
    show("", "ours", "theirs", "ratio", "against, goal")
    link_against_asyncio()
    tls_against_asyncio()
    lateness()
    proxy()
    memory()
    events()
    stopping()
    fresh_server()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(*sys.argv[2:])
    else:
        main()
