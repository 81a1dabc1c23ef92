"""Faults on calls: what of an answer a client gets, and what is on record of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from calculator import AddReply, AddRequest, Number, Plain, add, grpc, numbers, services
from framing import speaking
from hyperframe.frame import RstStreamFrame

from pytest_netmocks import GrpcServer, Netmocks
from pytest_netmocks.faults import (
    Answer,
    Close,
    Garbage,
    Goaway,
    Latency,
    NoPingAck,
    Refused,
    Reset,
    SmallWindow,
    Stall,
)

ADD = "/calculator.Calculator/Add"
COUNT = "/calculator.Calculator/Count"
FIELDS = [("content-type", "application/grpc"), ("te", "trailers")]
EMPTY = b"\0" * 5  # a message without fields


@pytest.fixture
def stub(grpc_server: GrpcServer) -> Iterator[Any]:
    with grpc.insecure_channel(grpc_server.target) as channel:
        yield services.CalculatorStub(channel)


def got(replies: Any) -> tuple[list[Any], Any]:
    """The messages that came, and the error behind them."""
    found = []
    with pytest.raises(grpc.RpcError) as failed:
        for reply in replies:
            found.append(reply)  # what came before the error counts
    return found, failed.value


def test_a_reset_on_a_rule_resets_the_stream_and_leaves_the_connection(grpc_server: GrpcServer, stub: Any) -> None:
    grpc_server.when(ADD).reply(AddReply(result=1)).inject(Reset(), first=1)
    with pytest.raises(grpc.RpcError) as failed:
        stub.Add(AddRequest(), timeout=30)
    assert failed.value.code() is grpc.StatusCode.CANCELLED
    assert stub.Add(AddRequest(), timeout=30).result == 1
    assert len(grpc_server.connections) == 1
    struck, whole = grpc_server.requests
    assert (struck.status, struck.replies, struck.cancelled) == (None, [], False)
    assert (whole.status, whole.replies) == ("OK", [AddReply(result=1)])


@pytest.mark.parametrize("fault", [Reset(after_messages=2), Close(after_messages=2)], ids=str)
@pytest.mark.parametrize("by", ["rule", "servicer"])
def test_a_fault_stands_behind_so_many_messages(grpc_server: GrpcServer, stub: Any, fault: Any, by: str) -> None:
    rule = grpc_server.when(COUNT)
    if by == "rule":
        rule.reply(numbers(0, 1, 2, 3))
    else:
        add(grpc_server, Plain())
    injection = rule.inject(fault)
    found, error = got(stub.Count(Number(value=4), timeout=30))
    assert found == numbers(0, 1)[: len(found)]  # grpcio throws away what the application has not asked for yet
    wanted = grpc.StatusCode.CANCELLED if isinstance(fault, Reset) else grpc.StatusCode.UNKNOWN
    assert error.code() in (wanted, grpc.StatusCode.INTERNAL)
    assert injection.hits == 1
    call = grpc_server.requests[0]
    assert (call.replies, call.status) == (numbers(0, 1), None)


def test_after_bytes_counts_those_of_messages_alone(grpc_server: GrpcServer, stub: Any) -> None:
    size = len(Number(value=1).SerializeToString())
    grpc_server.when(COUNT).reply(numbers(1, 2, 3)).inject(Reset(after_bytes=2 * size))
    got(stub.Count(Number(), timeout=30))
    assert grpc_server.requests[0].replies == numbers(1, 2)
    assert b"\0\0\0\0\2\x08\3" not in grpc_server.connections[0].delivered


def test_a_stall_holds_the_answer_and_lets_it_go(grpc_server: GrpcServer, stub: Any) -> None:
    injection = grpc_server.when(ADD).reply(AddReply(result=1)).inject(Stall())
    waiting = stub.Add.future(AddRequest(), timeout=30)
    grpc_server.wait_for(lambda server: injection.hits)
    assert not waiting.done()
    injection.lift()
    assert waiting.result().result == 1


def test_latency_is_of_one_answer(grpc_server: GrpcServer, stub: Any) -> None:
    latency = grpc_server.when(ADD).reply(AddReply(result=1)).inject(Latency(30), first=1)
    late = stub.Add.future(AddRequest(), timeout=60)
    grpc_server.wait_for(lambda server: latency.hits)
    assert stub.Add(AddRequest(), timeout=30).result == 1
    assert not late.done()
    latency.lift()
    assert late.result().result == 1


def test_an_answer_says_a_status(grpc_server: GrpcServer, stub: Any) -> None:
    add(grpc_server, Plain())
    grpc_server.inject(Answer("UNAVAILABLE try again"), first=1)
    with pytest.raises(grpc.RpcError) as failed:
        stub.Add(AddRequest(), timeout=30)
    assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.UNAVAILABLE, "try again")
    assert stub.Add(AddRequest(a=1), timeout=30).result == 1


def test_an_answer_that_is_none_fails_where_it_is_injected(grpc_server: GrpcServer) -> None:
    with pytest.raises(ValueError, match="did you mean 'UNAVAILABLE'"):
        grpc_server.inject(Answer("UNAVAILBLE"))
    with pytest.raises(ValueError, match="upstream"):
        grpc_server.when(ADD).inject(Reset(direction="upstream"))


def test_faults_on_connections_strike_as_on_any_server(grpc_server: GrpcServer, stub: Any) -> None:
    add(grpc_server, Plain())
    stub.Add(AddRequest(), timeout=30)
    grpc_server.inject(Reset(after_bytes=0), first=None)
    with pytest.raises(grpc.RpcError) as failed:
        stub.Add(AddRequest(), timeout=30)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    assert grpc_server.connections[0].closed_by == "fault"


# HTTP/2's


def test_a_reset_has_the_code_that_it_is_given(grpc_server: GrpcServer, stub: Any) -> None:
    codes = {
        "REFUSED_STREAM": grpc.StatusCode.UNAVAILABLE,
        "ENHANCE_YOUR_CALM": grpc.StatusCode.RESOURCE_EXHAUSTED,
        "INADEQUATE_SECURITY": grpc.StatusCode.PERMISSION_DENIED,
        "INTERNAL_ERROR": grpc.StatusCode.INTERNAL,
    }
    for name, code in codes.items():
        with grpc_server.when(ADD).reply(AddReply()).inject(Reset(error=name)), pytest.raises(grpc.RpcError) as failed:
            stub.Add(AddRequest(), timeout=30)
        assert failed.value.code() is code


def test_a_stream_that_is_refused_is_unavailable(grpc_server: GrpcServer, stub: Any) -> None:
    grpc_server.when(ADD).reply(AddReply(result=1)).inject(Refused(), first=1)
    with pytest.raises(grpc.RpcError) as failed:
        stub.Add(AddRequest(), timeout=30)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    assert stub.Add(AddRequest(), timeout=30).result == 1
    assert len(grpc_server.connections) == 1


def test_after_a_goaway_calls_go_over_another_connection(grpc_server: GrpcServer, stub: Any) -> None:
    grpc_server.when(ADD).reply(AddReply(result=1)).inject(Goaway(), first=1)
    for _ in range(2):
        assert stub.Add(AddRequest(), timeout=30).result == 1
    assert len(grpc_server.connections) == 2


def test_garbage_ends_the_connection(grpc_server: GrpcServer, stub: Any) -> None:
    grpc_server.when(ADD).reply(AddReply()).inject(Garbage(100))
    with pytest.raises(grpc.RpcError) as failed:
        stub.Add(AddRequest(), timeout=30)
    assert failed.value.code() is not grpc.StatusCode.CANCELLED  # what it is depends on the bytes
    assert grpc_server.connections[0].faults == ["Garbage"]


def test_a_window_that_stays_shut_keeps_messages_back(grpc_server: GrpcServer, stub: Any) -> None:
    add(grpc_server, Plain())
    injection = grpc_server.inject(SmallWindow(0))
    for _ in range(20):
        with pytest.raises(grpc.RpcError) as failed:
            stub.Add(AddRequest(a=1), timeout=0.3)
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        if grpc_server.requests:  # the time to connect counts too: it may be over before anything was sent
            break
    else:
        pytest.fail("no call came to the server")
    assert injection.hits == 1
    assert grpc_server.requests[0].messages == []


def test_a_client_that_keeps_alive_leaves_a_server_that_answers_no_ping(grpc_server: GrpcServer) -> None:
    add(grpc_server, Plain())
    grpc_server.when(ADD).reply(AddReply(), delay=60)
    grpc_server.inject(NoPingAck())
    options = [("grpc.keepalive_time_ms", 100), ("grpc.keepalive_timeout_ms", 100), ("grpc.http2.ping_timeout_ms", 100)]
    with grpc.insecure_channel(grpc_server.target, options=options) as channel, pytest.raises(grpc.RpcError) as failed:
        services.CalculatorStub(channel).Add(AddRequest(), timeout=30)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    assert grpc_server.wait_for(lambda server: server.requests and server.requests[0].cancelled)


def test_as_many_calls_are_open_at_once_as_the_server_says(netmocks: Netmocks) -> None:
    server = netmocks.grpc(max_concurrent_streams=1)
    server.when(ADD).reply(AddReply(), delay=0.2)
    with grpc.insecure_channel(server.target) as channel:
        stub = services.CalculatorStub(channel)
        for call in [stub.Add.future(AddRequest(), timeout=30) for _ in range(2)]:
            call.result()
    one, two = server.requests
    assert one.ended_at is not None
    assert two.at >= one.ended_at


# Deadlines


def test_a_deadline_is_kept_and_on_record(grpc_server: GrpcServer) -> None:
    grpc_server.when(ADD).reply(AddReply(), delay=60)
    with speaking(grpc_server) as peer:  # it keeps no time of its own
        began = time.monotonic()
        said = peer.answer(peer.ask(ADD, "POST", fields=[*FIELDS, ("grpc-timeout", "300m")], body=EMPTY))
        assert time.monotonic() - began >= 0.3
    assert dict(pair for head in said.heads for pair in head)["grpc-status"] == "4"
    call = grpc_server.requests[0]
    assert (call.status, call.deadline) == ("DEADLINE_EXCEEDED", 0.3)


@pytest.mark.virtual_time
@pytest.mark.parametrize(("after", "status"), [(29.95, "DEADLINE_EXCEEDED"), (29.5, "CANCELLED")])
def test_who_gives_up_right_at_the_deadline_does_so_for_its_sake(
    grpc_server: GrpcServer, after: float, status: str
) -> None:
    grpc_server.when(ADD).reply(AddReply(), delay=60)
    with speaking(grpc_server) as peer:
        stream = peer.ask(ADD, "POST", fields=[*FIELDS, ("grpc-timeout", "30S")], body=EMPTY)
        grpc_server.wait_for(lambda server: server.requests)
        time.sleep(after)
        peer.say(RstStreamFrame(stream, error_code=8))
        grpc_server.wait_for(lambda server: server.requests[0].status)
    call = grpc_server.requests[0]
    assert (call.status, call.cancelled, call.deadline) == (status, True, 30)


def test_who_gives_up_before_the_deadline_has_cancelled(grpc_server: GrpcServer, stub: Any) -> None:
    grpc_server.when(ADD).reply(AddReply(), delay=60)
    waiting = stub.Add.future(AddRequest(), timeout=30)
    grpc_server.wait_for(lambda server: server.requests)
    waiting.cancel()
    grpc_server.wait_for(lambda server: server.requests[0].status)
    assert (grpc_server.requests[0].status, grpc_server.requests[0].cancelled) == ("CANCELLED", True)


def test_a_servicer_hears_of_the_deadline(grpc_server: GrpcServer) -> None:
    heard = []

    class Slow(Plain):
        def Count(self, request: Any, context: Any) -> Iterator[Any]:
            context.add_callback(lambda: heard.append(context.is_active()))
            for number in numbers(*range(1000)):
                if not context.is_active():
                    return
                yield number
                grpc_server.wait_for(lambda server: not context.is_active() or len(server.requests[0].replies) < 3)

    add(grpc_server, Slow())
    with speaking(grpc_server) as peer:  # it keeps no time of its own
        said = peer.answer(peer.ask(COUNT, "POST", fields=[*FIELDS, ("grpc-timeout", "1S")], body=EMPTY))
    assert dict(pair for head in said.heads for pair in head)["grpc-status"] == "4"
    grpc_server.wait_for(lambda server: heard)
    assert heard == [False]


# Sizes and compression


def test_a_message_that_is_too_long_is_refused(grpc_server: GrpcServer, stub: Any) -> None:
    add(grpc_server, Plain())
    grpc_server.max_message = 5
    with pytest.raises(grpc.RpcError) as failed:
        stub.Add(AddRequest(a=1 << 40, b=1 << 40), timeout=30)
    assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "longer than 5" in failed.value.details()


@pytest.mark.parametrize("compression", ["Gzip", "Deflate"])
@pytest.mark.parametrize("by", ["rule", "servicer"])
def test_messages_are_compressed_either_way(grpc_server: GrpcServer, compression: str, by: str) -> None:
    kind = getattr(grpc.Compression, compression)

    class Packed(Plain):
        def Count(self, request: Any, context: Any) -> Iterator[Any]:
            context.set_compression(kind)
            context.disable_next_message_compression()
            return iter(numbers(*range(request.value)))

    if by == "rule":
        grpc_server.when(COUNT).reply(numbers(0, 1, 2), compression=compression.lower())
    else:
        add(grpc_server, Packed())
    with grpc.insecure_channel(grpc_server.target, compression=kind) as channel:
        replies = services.CalculatorStub(channel).Count(Number(value=3), timeout=30)
        assert list(replies) == numbers(0, 1, 2)
    call = grpc_server.requests[0]
    assert (call.encoding, call.messages) == (compression.lower(), numbers(3))
