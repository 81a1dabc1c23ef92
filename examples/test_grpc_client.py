"""A client of the greeter of gRPC's quick start that tries again, and what becomes of it when the network is bad."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from pytest_netmocks import GrpcServer
from pytest_netmocks.faults import Close, Reset

grpc: Any = importlib.import_module("grpc")
helloworld_pb2: Any
helloworld_pb2_grpc: Any
helloworld_pb2, helloworld_pb2_grpc = grpc.protos_and_services("helloworld.proto")
GreeterServicer: Any = helloworld_pb2_grpc.GreeterServicer

SAY_HELLO = "/helloworld.Greeter/SayHello"

POLICY = {
    "methodConfig": [
        {
            "name": [{"service": "helloworld.Greeter"}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.01s",
                "maxBackoff": "0.1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


def greet(target: str, name: str) -> str:
    """What an application would use."""
    with grpc.insecure_channel(target, options=[("grpc.service_config", json.dumps(POLICY))]) as channel:
        stub = helloworld_pb2_grpc.GreeterStub(channel)
        message: str = stub.SayHello(helloworld_pb2.HelloRequest(name=name), timeout=10).message
        return message


class Greeter(GreeterServicer):  # type: ignore[misc]  # it is made when the test runs
    """The servicer of the quick start."""

    def SayHello(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's name
        return helloworld_pb2.HelloReply(message=f"Hello, {request.name}!")


@pytest.fixture
def server(grpc_server: GrpcServer) -> GrpcServer:
    grpc_server.add(helloworld_pb2_grpc.add_GreeterServicer_to_server, Greeter())
    return grpc_server


def test_the_greeter_greets(server: GrpcServer) -> None:
    assert greet(server.target, "you") == "Hello, you!"
    assert server.requests[0].messages[0].name == "you"


def test_it_comes_back_when_the_server_is_unavailable(server: GrpcServer) -> None:
    server.when(SAY_HELLO).reply(status="UNAVAILABLE", details="try again", times=2)
    assert greet(server.target, "you") == "Hello, you!"
    assert [call.status for call in server.requests] == ["UNAVAILABLE", "UNAVAILABLE", "OK"]


def test_it_does_not_when_that_makes_no_sense(server: GrpcServer) -> None:
    server.when(SAY_HELLO, message={"name": ""}).reply(status="INVALID_ARGUMENT", details="a name is needed")
    with pytest.raises(grpc.RpcError, match="a name is needed"):
        greet(server.target, "")
    assert len(server.requests) == 1


@pytest.mark.faults(Reset(after_bytes=0), Close(after_bytes=0))
def test_a_connection_that_breaks_is_an_error_in_time(server: GrpcServer) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        greet(server.target, "you")
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
