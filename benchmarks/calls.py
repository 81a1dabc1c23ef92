"""What the gRPC server costs, beside grpcio's own asyncio server in the same run: `python benchmarks/calls.py`.

Both serve the same servicer; grpcio's client, which is C, asks each, one call after another and many at once.
"""

from __future__ import annotations

import asyncio
import importlib
import pathlib
import sys
import threading
import time
from typing import Any

from peers import compare, heading, ready

import pytest_netmocks

sys.path.append(str(pathlib.Path(__file__).parent.parent / "tests"))  # the calculator of the tests
calculator: Any = importlib.import_module("calculator")
grpc: Any = calculator.grpc

CALLS = 1500


def serve(kind: str) -> None:
    """Run one server until the process is killed."""
    servicer = calculator.Asynchronous()
    if kind.startswith("ours"):
        server = pytest_netmocks.grpc().start()
        if kind == "ours":
            calculator.add(server, servicer)
        else:
            server.when("/calculator.Calculator/Add").reply(calculator.AddReply(result=3))
        ready(server.port)
        threading.Event().wait()
    asyncio.run(serve_grpcio(servicer))


async def serve_grpcio(servicer: Any) -> None:
    peer = grpc.aio.server()
    calculator.services.add_CalculatorServicer_to_server(servicer, peer)
    ready(peer.add_insecure_port("127.0.0.1:0"))
    await peer.start()
    await peer.wait_for_termination()


def calls_per_second(port: int, at_once: int) -> float:
    """Unary calls a second, as many of them at once."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = calculator.services.CalculatorStub(channel).Add
        message = calculator.AddRequest(a=1, b=2)
        assert call(message, timeout=10).result == 3
        begin = time.perf_counter()
        if at_once == 1:
            for _ in range(CALLS):
                call(message)
        else:
            waiting: list[Any] = []
            for _ in range(CALLS):
                waiting.append(call.future(message))
                if len(waiting) == at_once:
                    waiting.pop(0).result()
            for one in waiting:
                one.result()
        return CALLS / (time.perf_counter() - begin)


def main() -> None:
    heading()
    peers = ("ours", "grpc.aio")
    compare(__file__, "unary calls/s, one by one", lambda port: calls_per_second(port, 1), ">= grpc.aio", peers)
    compare(__file__, "unary calls/s, 50 at once", lambda port: calls_per_second(port, 50), ">= grpc.aio", peers)
    peers = ("ours by a rule", "grpc.aio")
    compare(__file__, "by a rule, one by one", lambda port: calls_per_second(port, 1), ">= grpc.aio", peers)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
    else:
        main()
