"""What DNS and the proxies cost, beside dnslib's own server: `python benchmarks/names_and_proxies.py`."""

from __future__ import annotations

import contextlib
import socket
import statistics
import time
from collections.abc import Iterator
from typing import Any

import dns.message
from peers import ROUNDS, fresh, heading

import pytest_netmocks

QUESTION = dns.message.make_query("api.example.com", "A", use_edns=False, id=7).to_wire()


@contextlib.contextmanager
def dnslib_server() -> Iterator[tuple[str, int]]:
    import dnslib  # type: ignore[import-untyped]
    import dnslib.server  # type: ignore[import-untyped]

    class Resolver(dnslib.server.BaseResolver):  # type: ignore[misc]  # it has no types
        def resolve(self, request: Any, handler: Any) -> Any:
            reply = request.reply()
            reply.add_answer(dnslib.RR(request.q.qname, rdata=dnslib.A("10.0.0.1"), ttl=60))
            return reply

    quiet = dnslib.server.DNSLogger("-request,-reply,-truncated,-error")
    peer = dnslib.server.DNSServer(Resolver(), address="127.0.0.1", port=0, logger=quiet)
    peer.start_thread()
    try:
        yield peer.server.server_address
    finally:
        peer.stop()
        peer.server.server_close()


def answers(address: tuple[str, int], count: int = 1000) -> float:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(address)
        client.settimeout(10)
        begin = time.perf_counter()
        for _ in range(count):
            client.send(QUESTION)
            client.recv(1000)
        return count / (time.perf_counter() - begin)


def main() -> None:
    heading()
    with pytest_netmocks.dns() as server, dnslib_server() as peer:
        server.zone["api.example.com"] = "10.0.0.1"
        pairs = [(answers(server.address), answers(peer)) for _ in range(ROUNDS)]
    ours, theirs = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = statistics.median(a / b for a, b in pairs)
    print(
        f"DNS, answers/s               ours {ours:8.0f}  dnslib {theirs:8.0f}  ratio {ratio:.2f}   goal: >= 1",
        flush=True,
    )
    fresh("fresh dns_server", "dns_server", "<= 0.6")
    fresh("fresh http_proxy_server", "http_proxy_server", "<= 0.6")
    fresh("fresh socks5_server", "socks5_server", "<= 0.6")


if __name__ == "__main__":
    main()
