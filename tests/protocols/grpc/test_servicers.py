"""Servicers of grpcio's generated code, as they are, asked by grpcio and grpclib."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from calculator import AddReply, AddRequest, Asynchronous, Number, Plain, add, grpc, numbers, services

from pytest_netmocks import GrpcServer


@pytest.fixture
def stub(grpc_server: GrpcServer) -> Iterator[Any]:
    with grpc.insecure_channel(grpc_server.target) as channel:
        yield services.CalculatorStub(channel)


BOTH = pytest.mark.parametrize("servicer", [Plain, Asynchronous])


@BOTH
def test_all_four_kinds_of_call_are_served(grpc_server: GrpcServer, stub: Any, servicer: Any) -> None:
    add(grpc_server, servicer())
    assert stub.Add(AddRequest(a=2, b=3), timeout=30).result == 5
    assert list(stub.Count(Number(value=3), timeout=30)) == numbers(0, 1, 2)
    assert stub.Sum(iter(numbers(1, 2, 3)), timeout=30).value == 6
    assert list(stub.Double(iter(numbers(1, 2)), timeout=30)) == numbers(2, 4)
    assert [call.status for call in grpc_server.requests] == ["OK"] * 4
    assert [call.messages for call in grpc_server.requests] == [
        [AddRequest(a=2, b=3)],
        numbers(3),
        numbers(1, 2, 3),
        numbers(1, 2),
    ]
    assert [call.replies for call in grpc_server.requests][1:] == [numbers(0, 1, 2), numbers(6), numbers(2, 4)]


@BOTH
async def test_grpcs_asyncio_is_served_too(grpc_server: GrpcServer, servicer: Any) -> None:
    add(grpc_server, servicer())
    async with grpc.aio.insecure_channel(grpc_server.target) as channel:
        stub = services.CalculatorStub(channel)
        assert (await stub.Add(AddRequest(a=2, b=3), timeout=30)).result == 5
        assert [number async for number in stub.Count(Number(value=3), timeout=30)] == numbers(0, 1, 2)
        double = stub.Double(timeout=30)
        for value in (1, 2):  # each is answered before the next is sent
            await double.write(Number(value=value))
            assert await double.read() == Number(value=2 * value)
        await double.done_writing()
        assert await double.read() is grpc.aio.EOF


async def test_grpclib_is_served(grpc_server: GrpcServer) -> None:
    client: Any = importlib.import_module("grpclib.client")
    add(grpc_server, Asynchronous())
    async with client.Channel(*grpc_server.address) as channel:
        unary = client.UnaryUnaryMethod(channel, "/calculator.Calculator/Add", AddRequest, AddReply)
        assert (await unary(AddRequest(a=2, b=3), timeout=30)).result == 5
        streams = client.StreamStreamMethod(channel, "/calculator.Calculator/Double", Number, Number)
        assert await streams(numbers(1, 2), timeout=30) == numbers(2, 4)


def test_generated_code_takes_the_server_as_one_of_grpc_s(grpc_server: GrpcServer, stub: Any) -> None:
    services.add_CalculatorServicer_to_server(Plain(), grpc_server)
    assert stub.Add(AddRequest(a=2, b=3), timeout=30).result == 5


def test_a_method_that_a_servicer_does_not_have_is_unimplemented(grpc_server: GrpcServer, stub: Any) -> None:
    add(grpc_server, Plain())
    with pytest.raises(grpc.RpcError) as failed:
        stub.Subtract(AddRequest(), timeout=30)
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert failed.value.details() == "Method not implemented!"


class Talkative(Plain):
    """Says all that a context has words for."""

    def Add(self, request: Any, context: Any) -> Any:
        assert context.is_active()
        assert dict(context.invocation_metadata())["x-name"] == "ada"
        assert context.peer().startswith("ipv4:127.0.0.1:")
        assert 0 < context.time_remaining() <= 31
        context.send_initial_metadata([("x-first", "1"), ("x-first-bin", b"\0\xff")])
        context.set_trailing_metadata((("x-last", "2"),))
        if request.a:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no Ä")
        return AddReply(result=1)


class TalkativeToo(Asynchronous):
    """The same in the words of `grpc.aio`."""

    async def Add(self, request: Any, context: Any) -> Any:
        assert dict(context.invocation_metadata())["x-name"] == "ada"
        await context.send_initial_metadata([("x-first", "1"), ("x-first-bin", b"\0\xff")])
        context.set_trailing_metadata((("x-last", "2"),))
        if request.a:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no Ä")
        return AddReply(result=1)


@pytest.mark.parametrize("servicer", [Talkative, TalkativeToo])
def test_a_context_has_the_words_of_grpc_s(grpc_server: GrpcServer, stub: Any, servicer: Any) -> None:
    add(grpc_server, servicer())
    reply, call = stub.Add.with_call(AddRequest(), timeout=30, metadata=[("x-name", "ada")])
    assert reply.result == 1
    assert dict(call.initial_metadata()) == {"x-first": "1", "x-first-bin": b"\0\xff"}
    assert dict(call.trailing_metadata()) == {"x-last": "2"}
    with pytest.raises(grpc.RpcError) as failed:
        stub.Add(AddRequest(a=1), timeout=30, metadata=[("x-name", "ada")])
    assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "no Ä")
    refused = grpc_server.requests[1]
    assert (refused.status, refused.details) == ("INVALID_ARGUMENT", "no Ä")
    assert refused.trailing_metadata["x-last"] == "2"
    assert refused.metadata["X-Name"] == "ada"


def test_a_code_that_was_set_is_the_status_whatever_is_raised_or_given(grpc_server: GrpcServer, stub: Any) -> None:
    class Coded(Plain):
        def Add(self, request: Any, context: Any) -> Any:
            context.set_code(grpc.StatusCode.NOT_FOUND)
            context.set_details("gone")
            if request.a:
                raise KeyError("x")
            return AddReply()

    add(grpc_server, Coded())
    for a in (0, 1):
        with pytest.raises(grpc.RpcError) as failed:
            stub.Add(AddRequest(a=a), timeout=30)
        assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.NOT_FOUND, "gone")


def test_what_a_servicer_raises_fails_the_test_and_the_client_hears_of_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from calculator import AddRequest, Plain, add, grpc, services
        import pytest

        class Broken(Plain):
            def Add(self, request, context):
                raise ZeroDivisionError("no way")

        def test_it(grpc_server):
            add(grpc_server, Broken())
            with grpc.insecure_channel(grpc_server.target) as channel:
                with pytest.raises(grpc.RpcError) as failed:
                    services.CalculatorStub(channel).Add(AddRequest(), timeout=30)
            assert failed.value.code() is grpc.StatusCode.UNKNOWN
            assert "no way" in failed.value.details()
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ZeroDivisionError: no way*"])


def test_a_plain_servicer_that_blocks_holds_up_nobody(grpc_server: GrpcServer, stub: Any) -> None:
    go_on = threading.Event()

    class Slow(Plain):
        def Add(self, request: Any, context: Any) -> Any:
            if request.a:
                assert go_on.wait(30)
            return AddReply(result=request.a)

    add(grpc_server, Slow())
    slow = stub.Add.future(AddRequest(a=1), timeout=30)
    assert stub.Add(AddRequest(), timeout=30).result == 0
    go_on.set()
    assert slow.result().result == 1


@BOTH
def test_a_call_that_the_client_gives_up_ends_for_the_servicer(
    grpc_server: GrpcServer, stub: Any, servicer: Any
) -> None:
    told = threading.Event()

    class Endless(Plain):
        def Double(self, request_iterator: Any, context: Any) -> Iterator[Any]:
            assert context.add_callback(told.set)
            yield from request_iterator
            raise AssertionError("the messages end with an error")

    class EndlessToo(Asynchronous):
        async def Double(self, request_iterator: Any, context: Any) -> Any:
            context.add_done_callback(lambda context: told.set() if context.cancelled() else None)
            async for number in request_iterator:
                yield number
            raise AssertionError("it is cancelled before")

    add(grpc_server, Endless() if servicer is Plain else EndlessToo())
    waiting = threading.Event()

    def ask() -> Iterator[Any]:
        yield Number(value=1)
        waiting.wait(30)

    replies = stub.Double(ask(), timeout=30)
    assert next(replies) == Number(value=1)
    replies.cancel()
    assert told.wait(30)
    waiting.set()
    call = grpc_server.requests[0]
    assert (call.status, call.cancelled, call.complete) == ("CANCELLED", True, False)


def test_a_servicer_may_give_up(grpc_server: GrpcServer, stub: Any) -> None:
    class Tired(Plain):
        def Add(self, request: Any, context: Any) -> Any:
            context.cancel()
            return AddReply()

    add(grpc_server, Tired())
    with pytest.raises(grpc.RpcError) as failed:
        stub.Add(AddRequest(), timeout=30)
    assert failed.value.code() is grpc.StatusCode.CANCELLED
    assert grpc_server.requests[0].status == "CANCELLED"


def test_an_asynchronous_one_that_gives_up_goes_no_further(grpc_server: GrpcServer, stub: Any) -> None:
    ended: list[str] = []

    class Tired(Asynchronous):
        async def Add(self, request: Any, context: Any) -> Any:
            context.cancel()
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("at once")

    add(grpc_server, Tired())
    with pytest.raises(grpc.RpcError) as failed:
        stub.Add(AddRequest(), timeout=30)
    assert failed.value.code() is grpc.StatusCode.CANCELLED
    grpc_server.wait_for(lambda _: ended == ["at once"], timeout=30)
    assert grpc_server.requests[0].status == "CANCELLED"


@pytest.mark.parametrize("end", ["reset", "stop", "close"])
def test_an_asynchronous_one_may_end_what_it_stands_on(grpc_server: GrpcServer, stub: Any, end: str) -> None:
    class Rude(Asynchronous):
        async def Add(self, request: Any, context: Any) -> Any:
            getattr(grpc_server, end)()
            return AddReply()

    add(grpc_server, Rude())
    with pytest.raises(grpc.RpcError) as failed:
        stub.Add(AddRequest(), timeout=30)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    assert not grpc_server.open_connections


def test_much_is_sent_as_fast_as_the_client_takes_it(grpc_server: GrpcServer, stub: Any) -> None:
    class Full(Plain):
        def Count(self, request: Any, context: Any) -> Iterator[Any]:
            return iter(numbers(*range(1000)))

    add(grpc_server, Full())
    assert sum(1 for _ in stub.Count(Number(value=1), timeout=60)) == 1000


def test_a_reset_takes_servicers_back(grpc_server: GrpcServer, stub: Any) -> None:
    add(grpc_server, Plain())
    grpc_server.reset()
    with pytest.raises(grpc.RpcError) as failed:
        stub.Add(AddRequest(), timeout=30)
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_wider_fixture_s_servicer_stays_where_each_test_finds_the_server_as_it_was(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from calculator import AddRequest, Plain, add, grpc, services
        import pytest_netmocks

        api = pytest_netmocks.server_fixture("grpc", scope="module", reset="test", name="api")

        @pytest.fixture(scope="module")
        def calculator(api):
            add(api, Plain())
            return api

        @pytest.mark.parametrize("n", [1, 2])
        def test_it(calculator, n):
            assert not calculator.requests
            # Else the connection of the test before, which the reset has ended, may be taken for one that lives.
            own = [("grpc.use_local_subchannel_pool", 1)]
            with grpc.insecure_channel(calculator.target, options=own) as channel:
                assert services.CalculatorStub(channel).Add(AddRequest(a=n), timeout=30).result == n
        """
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio").assert_outcomes(passed=2)


@pytest.mark.parametrize("wrong", [None, 5, Plain, "add"])
def test_what_is_no_function_of_generated_code_is_refused(grpc_server: GrpcServer, wrong: Any) -> None:
    with pytest.raises(TypeError, match="add_to_server must be"):
        grpc_server.add(wrong, Plain())
    with pytest.raises(TypeError, match="must have a service"):
        grpc_server.add_generic_rpc_handlers([object()])
