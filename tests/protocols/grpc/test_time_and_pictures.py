"""Sweeps and virtual time over calls, and what they look like to people and to tshark."""

from __future__ import annotations

import asyncio
import importlib
import pathlib
import shutil
import time
from typing import Any

import pytest
from calculator import AddReply, AddRequest, Asynchronous, Plain, add, grpc, services
from tshark import Capture, recorded

import pytest_netmocks
from pytest_netmocks import GrpcServer, VirtualClock
from pytest_netmocks.faults import Blackhole
from pytest_netmocks.reports import writers
from pytest_netmocks.reports.ladder import ladder
from pytest_netmocks.reports.story import Story

ADD = "/calculator.Calculator/Add"
client: Any = importlib.import_module("grpclib.client")
errors: Any = importlib.import_module("grpclib.exceptions")


async def add_by(server: GrpcServer, a: int, **options: Any) -> int:
    async with client.Channel(*server.address) as channel:
        reply = await client.UnaryUnaryMethod(channel, ADD, AddRequest, AddReply)(AddRequest(a=a), **options)
        result: int = reply.result
        return result


@pytest.mark.virtual_time
async def test_a_minute_of_grpclib_s_passes_at_once(grpc_server: GrpcServer, virtual_clock: VirtualClock) -> None:
    grpc_server.when(ADD).reply(AddReply(result=1), delay=60).reply(AddReply(result=2))
    began, began_real = virtual_clock.now(), time.thread_time()
    with pytest.raises((asyncio.TimeoutError, errors.GRPCError)):  # its own, or the server's
        await add_by(grpc_server, 1, timeout=30)
    grpc_server.when(ADD).reply(AddReply(result=3), delay=60)
    assert await add_by(grpc_server, 1) == 3
    assert virtual_clock.now() - began >= 29 + 60  # grpclib says whole seconds, and rounds down
    assert time.thread_time() - began_real < 20
    assert [call.status for call in grpc_server.requests] == ["DEADLINE_EXCEEDED", "OK"]


@pytest.mark.virtual_time
def test_grpcio_has_a_clock_of_its_own_and_is_answered_all_the_same(grpc_server: GrpcServer) -> None:
    add(grpc_server, Plain())
    with grpc.insecure_channel(grpc_server.target) as channel:
        stub = services.CalculatorStub(channel)
        assert stub.Add(AddRequest(a=1), timeout=30).result == 1
        grpc_server.when(ADD).inject(Blackhole())
        with pytest.raises(grpc.RpcError) as failed:
            stub.Add(AddRequest(a=1), timeout=0.2)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


# Both ends of HTTP/2 speak when they like, so what has gone one way says little of what has gone the other.
@pytest.mark.filterwarnings("ignore:the conversation is not the same from run to run")
def test_wherever_it_breaks_a_client_has_the_right_answer_or_an_error() -> None:
    def run() -> None:
        with pytest_netmocks.virtual_time(), pytest_netmocks.grpc() as server:
            add(server, Asynchronous())
            try:
                got = asyncio.run(add_by(server, 4, timeout=5))
            except (errors.GRPCError, errors.StreamTerminatedError, OSError):
                assert pytest_netmocks.place() is not None
                return
            except AttributeError as error:  # grpclib 0.4.9's own, where the connection is lost before it has a stream
                assert str(error) == "'Connection' object has no attribute '_transport'"
                assert pytest_netmocks.place() is not None
                return
            assert got == 4

    report = pytest_netmocks.sweep(run, limit=24)
    assert len(report.places) == 24
    assert not report.failures, report


def test_a_ladder_says_what_was_called_and_answered(grpc_server: GrpcServer) -> None:
    add(grpc_server, Plain())
    grpc_server.when(ADD, message={"a": 0}).reply("UNAVAILABLE try again")
    with grpc.insecure_channel(grpc_server.target) as channel:
        stub = services.CalculatorStub(channel)
        with pytest.raises(grpc.RpcError):
            stub.Add(AddRequest(), timeout=30)
        stub.Add(AddRequest(a=1), timeout=30)
    told = [str(call) for call in grpc_server.requests]
    assert told == [
        "/calculator.Calculator/Add AddRequest() -> UNAVAILABLE try again",
        "/calculator.Calculator/Add AddRequest(a: 1) -> OK AddReply(result: 1)",
    ]
    assert all(line in str(grpc_server.timeline) for line in told)
    sides = grpc_server.requests[0].sides()
    assert (sides.refuses, sides.code) == (True, "UNAVAILABLE")
    drawn = "\n".join(ladder(Story(grpc_server), 100))
    for arrow in (f"|-- #1 {ADD} AddRequest()", "|<-- #1 UNAVAILABLE try again", f"|-- #3 {ADD} AddRequest(a: 1)"):
        assert arrow in drawn


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not here")
def test_tshark_takes_it_for_grpc(grpc_server: GrpcServer, tmp_path: pathlib.Path) -> None:
    add(grpc_server, Plain())
    with recorded(grpc_server) as recording, grpc.insecure_channel(grpc_server.target) as channel:
        services.CalculatorStub(channel).Add(AddRequest(a=1, b=2), timeout=30)
    path = tmp_path / "x.pcapng"
    writers.save(path, [recording])
    capture = Capture(path, f"tcp.port=={grpc_server.port},http2")
    assert capture.complaints() == []
    assert capture.column("grpc.message_length", "grpc.message_length") == ["4", "2"]
    assert ADD in capture.run("-V")
