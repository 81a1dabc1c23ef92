"""Rules over calls: what is meant, and what it gets."""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from calculator import AddReply, AddRequest, Number, Plain, add, grpc, numbers, pb2, services

from pytest_netmocks import AnyOf, GrpcCall, GrpcReply, GrpcServer, Netmocks, Not

ADD = "/calculator.Calculator/Add"
COUNT = "/calculator.Calculator/Count"
DOUBLE = "/calculator.Calculator/Double"


@pytest.fixture
def channel(grpc_server: GrpcServer) -> Iterator[Any]:
    with grpc.insecure_channel(grpc_server.target) as channel:
        yield channel


@pytest.fixture
def stub(channel: Any) -> Any:
    return services.CalculatorStub(channel)


def fails(call: Any, *arguments: Any, **options: Any) -> Any:
    with pytest.raises(grpc.RpcError) as failed:
        call(*arguments, timeout=30, **options)
    return failed.value


def test_a_message_or_its_bytes_are_replied(grpc_server: GrpcServer, stub: Any) -> None:
    grpc_server.when(ADD).reply(AddReply(result=3)).reply(AddReply(result=4).SerializeToString())
    assert [stub.Add(AddRequest(a=value), timeout=30).result for value in range(3)] == [3, 4, 4]
    call = grpc_server.requests[0]
    assert call.messages == [AddRequest()]  # a generated module is loaded, so that its type is known
    assert (call.method, call.status) == (ADD, "OK")
    assert call.deadline is not None
    assert 0 < call.deadline <= 30  # what is left of it when the call is sent
    assert call.connection is grpc_server.connections[0]
    assert call.answered_by == f"when({ADD!r})"


def test_bytes_are_on_record_where_no_module_knows_the_type(grpc_server: GrpcServer, channel: Any) -> None:
    grpc_server.when("/nobody.Knows/It").reply(b"answer")
    call = channel.unary_unary("/nobody.Knows/It")
    assert call(b"question", timeout=30) == b"answer"
    assert grpc_server.requests[0].messages == [b"question"]


def test_a_status_is_replied_and_then_something_else(grpc_server: GrpcServer, stub: Any) -> None:
    rule = grpc_server.when(ADD).reply(status="UNAVAILABLE", details="try again", times=2).reply(AddReply(result=1))
    for _ in range(2):
        error = fails(stub.Add, AddRequest())
        assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "try again")
    assert stub.Add(AddRequest(), timeout=30).result == 1
    assert rule.hits == 3


@pytest.mark.parametrize("status", ["NOT_FOUND", 5, grpc.StatusCode.NOT_FOUND])
def test_a_status_is_a_name_a_number_or_grpc_s_own(grpc_server: GrpcServer, stub: Any, status: Any) -> None:
    grpc_server.when(ADD).reply(status=status, details="50 % Ä\n\U0001f600")
    error = fails(stub.Add, AddRequest())
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "50 % Ä\n\U0001f600")


def test_a_text_is_a_status(grpc_server: GrpcServer, stub: Any) -> None:
    grpc_server.when(ADD).reply("UNAVAILABLE try again")
    error = fails(stub.Add, AddRequest())
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "try again")


def test_a_google_rpc_status_is_taken_apart_by_grpc_status(grpc_server: GrpcServer, stub: Any) -> None:
    rpc_status, status_pb2 = (
        importlib.import_module("grpc_status.rpc_status"),
        importlib.import_module("google.rpc.status_pb2"),
    )
    error_details_pb2 = importlib.import_module("google.rpc.error_details_pb2")
    info = error_details_pb2.ErrorInfo(reason="NO_MONEY", domain="test")
    packed = status_pb2.Status(code=8, message="no more")
    packed.details.add().Pack(info)
    grpc_server.when(ADD).reply(status=packed).reply(status=8, details="no more", error_details=[info])
    for _ in range(2):
        got = rpc_status.from_call(fails(stub.Add, AddRequest()))
        assert got == packed


def test_metadata_goes_before_and_behind(grpc_server: GrpcServer, stub: Any) -> None:
    first: dict[str, str | bytes] = {"x-a": "1", "x-b-bin": b"\0"}
    grpc_server.when(ADD).reply(AddReply(), initial_metadata=first, trailing_metadata=[("x-c", "2"), ("x-c", "3")])
    _, call = stub.Add.with_call(AddRequest(), timeout=30)
    assert dict(call.initial_metadata()) == {"x-a": "1", "x-b-bin": b"\0"}
    assert [tuple(pair) for pair in call.trailing_metadata()] == [("x-c", "2"), ("x-c", "3")]
    assert grpc_server.requests[0].trailing_metadata.get_all("x-c") == ["2", "3"]


def test_push_back_makes_grpcio_try_again_when_it_says(grpc_server: GrpcServer) -> None:
    policy = (
        '{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "60s", '
        '"maxBackoff": "60s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}'
    )
    rule = grpc_server.when(ADD).reply("UNAVAILABLE", retry_pushback=0.01).reply(AddReply(result=1))
    with grpc.insecure_channel(grpc_server.target, options=[("grpc.service_config", policy)]) as channel:
        stub = services.CalculatorStub(channel)
        assert stub.Add(AddRequest(), timeout=30).result == 1  # without it a minute would pass
        assert grpc_server.requests[1].metadata["grpc-previous-rpc-attempts"] == "1"
        rule.reply("UNAVAILABLE", retry_pushback=False)
        grpc_server.when(ADD).reply("UNAVAILABLE", retry_pushback=False)
        assert fails(stub.Add, AddRequest()).code() is grpc.StatusCode.UNAVAILABLE
    assert len(grpc_server.requests) == 3


@pytest.mark.parametrize("made", ["list", "iterator", "asynchronous", "function", "generator"])
def test_a_stream_is_replied(grpc_server: GrpcServer, stub: Any, made: str) -> None:
    async def later() -> AsyncIterator[Any]:
        for number in numbers(1, 2, 3):
            await asyncio.sleep(0)
            yield number

    def generator(call: GrpcCall) -> Iterator[Any]:
        yield from numbers(1, 2, call.messages[0].value)

    replies: dict[str, Any] = {
        "list": numbers(1, 2, 3),
        "iterator": iter(numbers(1, 2, 3)),
        "asynchronous": later(),
        "function": lambda call: numbers(1, 2, call.messages[0].value),
        "generator": generator,
    }
    grpc_server.when(COUNT).reply(replies[made])
    assert list(stub.Count(Number(value=3), timeout=30)) == numbers(1, 2, 3)
    assert grpc_server.requests[0].replies == numbers(1, 2, 3)


def test_messages_may_come_before_a_status_that_is_no_ok(grpc_server: GrpcServer, stub: Any) -> None:
    grpc_server.when(COUNT).reply(numbers(1, 2), status="ABORTED", details="no more")
    got = []
    with pytest.raises(grpc.RpcError) as failed:
        for number in stub.Count(Number(), timeout=30):
            got.append(number)  # what came before the error counts
    assert got == numbers(1, 2)
    assert failed.value.details() == "no more"


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_a_function_of_the_call_replies(grpc_server: GrpcServer, stub: Any, kind: str) -> None:
    def plain(call: GrpcCall) -> Any:
        return GrpcReply(status="ABORTED") if call.messages[0].a else AddReply(result=7)

    async def coroutine(call: GrpcCall) -> Any:
        return plain(call)

    grpc_server.when(ADD).reply(plain if kind == "plain" else coroutine)
    assert stub.Add(AddRequest(), timeout=30).result == 7
    assert fails(stub.Add, AddRequest(a=1)).code() is grpc.StatusCode.ABORTED


async def test_a_conversation_both_ways_is_answered_as_it_goes_on(grpc_server: GrpcServer) -> None:
    async def double(call: GrpcCall) -> AsyncIterator[Any]:
        async for number in call:
            yield Number(value=2 * number.value)

    def blocking(call: GrpcCall) -> Iterator[Any]:
        for number in call:
            yield Number(value=2 * number.value)

    grpc_server.when(DOUBLE).reply(double).reply(blocking)
    async with grpc.aio.insecure_channel(grpc_server.target) as channel:
        for _ in range(2):
            conversation = services.CalculatorStub(channel).Double(timeout=30)
            for value in (1, 2):  # each is answered before the next is sent
                await conversation.write(Number(value=value))
                assert await conversation.read() == Number(value=2 * value)
            await conversation.done_writing()
            assert await conversation.read() is grpc.aio.EOF
    assert [call.replies for call in grpc_server.requests] == [numbers(2, 4)] * 2


def test_a_rule_for_many_messages_answers_when_all_have_come(grpc_server: GrpcServer, stub: Any) -> None:
    grpc_server.when("/calculator.Calculator/Sum").reply(
        lambda call: Number(value=sum(number.value for number in call.messages))
    )
    assert stub.Sum(iter(numbers(1, 2, 3)), timeout=30).value == 6


def test_a_refusal_may_come_before_the_messages(grpc_server: GrpcServer, stub: Any) -> None:
    grpc_server.when("/calculator.Calculator/Sum").reply("PERMISSION_DENIED", before_messages=True)

    def endless() -> Iterator[Any]:
        while True:
            yield Number()

    assert fails(stub.Sum, endless()).code() is grpc.StatusCode.PERMISSION_DENIED


def test_a_rule_chooses_by_method_metadata_and_message(grpc_server: GrpcServer, stub: Any) -> None:
    grpc_server.when().reply("UNKNOWN any")
    grpc_server.when("calculator.Calculator/*").reply("UNKNOWN service")
    grpc_server.when(re.compile("Sub")).reply("UNKNOWN pattern")
    grpc_server.when(AnyOf(COUNT, "/calculator.Calculator/Sum")).reply("UNKNOWN one of two")
    grpc_server.when(ADD, metadata={"X-Key": "k"}).reply("UNKNOWN metadata")
    grpc_server.when(ADD, metadata={"x-other": Not(None)}).reply("UNKNOWN there")
    grpc_server.when(ADD, message=AddRequest(a=1, b=1)).reply("UNKNOWN equal")
    grpc_server.when(ADD, message={"a": AnyOf(2, 3)}).reply("UNKNOWN field")
    grpc_server.when(ADD, message=AddRequest(b=9).SerializeToString()).reply("UNKNOWN bytes")
    grpc_server.when(ADD, matches=lambda call: call.messages[0].a == 5).reply("UNKNOWN function")

    def said(call: Any, message: Any, *metadata: tuple[str, str]) -> str:
        details: str = fails(call, message, metadata=metadata).details()
        return details

    assert said(stub.Subtract, AddRequest()) == "pattern"
    assert said(stub.Add, AddRequest()) == "service"
    assert said(stub.Add, AddRequest(), ("x-key", "k")) == "metadata"
    assert said(stub.Add, AddRequest(), ("x-other", "k")) == "there"
    assert said(stub.Add, AddRequest(a=1, b=1)) == "equal"
    assert said(stub.Add, AddRequest(a=3, b=8)) == "field"
    assert said(stub.Add, AddRequest(b=9)) == "bytes"
    assert said(stub.Add, AddRequest(a=5)) == "function"
    assert said(stub.Sum, iter(())) == "one of two"


def test_a_rule_comes_before_a_servicer_and_leaves_it_what_it_does_not_want(grpc_server: GrpcServer, stub: Any) -> None:
    add(grpc_server, Plain())
    grpc_server.when(ADD, message={"a": 0}).reply("INVALID_ARGUMENT", times=1)
    assert fails(stub.Add, AddRequest()).code() is grpc.StatusCode.INVALID_ARGUMENT
    assert stub.Add(AddRequest(), timeout=30).result == 0
    assert stub.Add(AddRequest(a=1), timeout=30).result == 1


def test_what_nobody_has_is_unimplemented_and_the_nearest_is_named(grpc_server: GrpcServer, channel: Any) -> None:
    add(grpc_server, Plain())
    grpc_server.when(ADD, metadata={"x-key": "k"}).reply(AddReply())
    grpc_server.when("/nobody.Knows/It").reply(b"x")
    error = fails(channel.unary_unary("/calculator.Calculator/Ad"), b"")
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "did you mean '/calculator.Calculator/Add'?" in error.details()
    assert "no rule matches /calculator.Calculator/Ad (did you mean" in str(grpc_server.timeline)


def test_a_call_is_refused_with_when_to_come_again(netmocks: Netmocks, grpc_server: GrpcServer, stub: Any) -> None:
    grpc_server.when(ADD).reply(AddReply())
    with grpc_server.limit(1, per=60) as limit:
        stub.Add(AddRequest(), timeout=30)
        error = fails(stub.Add, AddRequest())
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert 0 < int(dict(error.trailing_metadata())["grpc-retry-pushback-ms"]) <= 60000
        assert limit.hits == 1
    stub.Add(AddRequest(), timeout=30)


def test_what_a_proxy_says_in_place_of_grpc(grpc_server: GrpcServer, stub: Any) -> None:
    grpc_server.when(ADD).reply(http_status=503)
    error = fails(stub.Add, AddRequest())
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "503" in error.details()


@pytest.mark.parametrize("raw", [b"\0\0\0\0\5abc", b"\7\0\0\0\0", b""])
async def test_raw_bytes_stand_for_messages(grpc_server: GrpcServer, raw: bytes) -> None:
    client: Any = importlib.import_module("grpclib.client")
    grpc_server.when(ADD).reply(raw=raw)
    async with client.Channel(*grpc_server.address) as channel:  # grpcio takes all of these for an answer of None
        with pytest.raises(Exception):  # noqa: B017  # each is another error
            await client.UnaryUnaryMethod(channel, ADD, AddRequest, AddReply)(AddRequest(), timeout=30)
    assert raw in grpc_server.connections[0].sent


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (5, {}, "reply must be a message of protobuf, or bytes, not 5"),
    ("hello", {}, "reply must be a message, or a status such as"),
    ("UNAVAILBLE", {}, "did you mean 'UNAVAILABLE'"),
    (AddRequest(), {}, "must be a calculator.AddReply, which /calculator.Calculator/Add gives"),
    (numbers(), {}, "must be one message, which is what /calculator.Calculator/Add gives, not 0"),
    ([AddReply(), AddReply()], {}, "must be one message"),
    (None, {}, "must be one message"),
    (None, {"status": "UNAVALABLE"}, "status must be the name of a status of gRPC"),
    (None, {"status": 17}, "status must be a whole number from 0 to 16"),
    (None, {"status": 1.5}, "status must be a status such as"),
    (None, {"status": 3, "details": 5}, "details must be text"),
    (None, {"status": 3, "error_details": [5]}, "error_details must be messages"),
    (None, {"status": 3, "detail": "x"}, r"takes no 'detail' \(did you mean 'details'"),
    (AddReply(), {"initial_metadata": {"x y": "1"}}, "no name of metadata"),
    (AddReply(), {"trailing_metadata": {"grpc-status": "1"}}, "the protocol says it itself"),
    (AddReply(), {"trailing_metadata": {"x-bin": "1"}}, "must be bytes"),
    (AddReply(), {"trailing_metadata": {"x": b"\xff"}}, "must be printable ASCII"),
    (AddReply(), {"trailing_metadata": "x"}, "must be a mapping or pairs"),
    (AddReply(), {"compression": "zip"}, "compression must be one of"),
    (AddReply(), {"raw": b""}, "raw= stands for the messages"),
    (AddReply(), {"retry_pushback": -1}, "retry_pushback must be"),
    (AddReply(), {"retry_pushback": True}, "retry_pushback must be"),
    (AddReply(), {"http_status": 99}, "http_status must be"),
    (AddReply(), {"interval": -1}, "interval must be"),
    (AddReply(), {"delay": -1}, "delay must be"),
    (AddReply(), {"times": 0}, "times must be"),
    (AddReply(), {"before_messages": 1}, "before_messages must be"),
    (lambda call: None, {"status": 3}, "makes the whole answer: status= has no place"),
]


@pytest.mark.parametrize(("reply", "options", "text"), WRONG, ids=[text for _, _, text in WRONG])
def test_a_wrong_reply_fails_where_it_is_given(
    grpc_server: GrpcServer, reply: Any, options: dict[str, Any], text: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        grpc_server.when(ADD).reply(reply, **options)


@pytest.mark.parametrize(
    ("method", "options", "text"),
    [
        ("/calculator.Calculator/Ad", {}, "has no method 'Ad' .did you mean 'Add'"),
        ("Add", {}, "method must be a method such as"),
        (5, {}, "method must be"),
        (re.compile(b"x"), {}, "a pattern has to be of text"),
        (ADD, {"metadata": {"x": 5}}, "metadata.'x'. must be"),
        (ADD, {"metadata": 5}, "metadata must be"),
        (ADD, {"matches": 5}, "matches must be"),
    ],
)
def test_a_wrong_rule_fails_where_it_begins(
    grpc_server: GrpcServer, method: Any, options: dict[str, Any], text: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        grpc_server.when(method, **options)


@pytest.mark.parametrize(
    ("gives", "text"), [(None, "must be one message, which is"), (pb2.Number(), "AddReply, which")]
)
def test_what_a_function_gives_is_looked_at_as_a_reply_is(
    grpc_server: GrpcServer, stub: Any, gives: Any, text: str
) -> None:
    grpc_server.when(ADD).reply(lambda call: gives)
    assert fails(stub.Add, AddRequest()).code() is grpc.StatusCode.UNKNOWN
    (error,) = grpc_server.journal.take_errors()  # else it would fail the test
    assert text in str(error)
