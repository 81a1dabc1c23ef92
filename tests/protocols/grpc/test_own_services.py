"""Health and reflection, asked by grpcio's own clients for them; TLS; and what is no gRPC at all."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from calculator import AddReply, AddRequest, Plain, add, grpc, services

from pytest_netmocks import GrpcServer, GrpcsServer, Netmocks

health_pb2: Any = importlib.import_module("grpc_health.v1.health_pb2")
health_grpc: Any = importlib.import_module("grpc_health.v1.health_pb2_grpc")
reflecting: Any = importlib.import_module("grpc_reflection.v1alpha.proto_reflection_descriptor_database")
descriptor_pool: Any = importlib.import_module("google.protobuf.descriptor_pool")


@pytest.fixture
def channel(grpc_server: GrpcServer) -> Iterator[Any]:
    with grpc.insecure_channel(grpc_server.target) as channel:
        yield channel


def test_health_is_as_it_is_set(grpc_server: GrpcServer, channel: Any) -> None:
    add(grpc_server, Plain())
    grpc_server.health["svc"] = "NOT_SERVING"
    stub = health_grpc.HealthStub(channel)

    def state(service: str) -> str:
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=30)
        name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        return name

    assert [state(service) for service in ("", "svc", "calculator.Calculator")] == ["SERVING", "NOT_SERVING", "SERVING"]
    with pytest.raises(grpc.RpcError) as failed:
        state("nobody")
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND


def test_who_watches_hears_of_a_change(grpc_server: GrpcServer, channel: Any) -> None:
    watching = health_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="svc"), timeout=30)
    said = [next(watching).status]
    for state in ("SERVING", "NOT_SERVING"):
        grpc_server.health["svc"] = state
        said.append(next(watching).status)
    watching.cancel()
    assert said == [3, 1, 2]  # SERVICE_UNKNOWN, SERVING, NOT_SERVING


def test_health_is_a_known_word(grpc_server: GrpcServer) -> None:
    with pytest.raises(ValueError, match="state must be one of"):
        grpc_server.health["svc"] = "ILL"
    grpc_server.health["svc"] = "SERVING"
    grpc_server.reset()
    assert grpc_server.health == {"": "SERVING"}


def test_a_health_servicer_of_grpcio_s_comes_before_ours(grpc_server: GrpcServer, channel: Any) -> None:
    health: Any = importlib.import_module("grpc_health.v1.health")
    servicer = health.HealthServicer()
    servicer.set("mine", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_grpc.add_HealthServicer_to_server(servicer, grpc_server)
    answer = health_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="mine"), timeout=30)
    assert answer.status == 2


def test_who_asks_is_told_what_there_is(grpc_server: GrpcServer, channel: Any) -> None:
    add(grpc_server, Plain())
    database = reflecting.ProtoReflectionDescriptorDatabase(channel)
    assert "calculator.Calculator" in database.get_services()
    described = descriptor_pool.DescriptorPool(database).FindServiceByName("calculator.Calculator")
    assert [method.name for method in described.methods] == ["Add", "Subtract", "Count", "Sum", "Double"]
    assert described.methods_by_name["Add"].output_type.fields_by_name["result"].number == 1
    with pytest.raises(KeyError):
        database.FindFileByName("nobody.proto")


def test_reflection_can_be_off(netmocks: Netmocks) -> None:
    server = netmocks.grpc(reflection=False)
    with grpc.insecure_channel(server.target) as channel, pytest.raises(grpc.RpcError) as failed:
        reflecting.ProtoReflectionDescriptorDatabase(channel).get_services()
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


# TLS


def credentials(server: GrpcServer, certificate: Any = None) -> Any:
    with open(server.ca.cert_file, "rb") as file:
        roots = file.read()
    if certificate is None:
        return grpc.ssl_channel_credentials(roots)
    with open(certificate.key_file, "rb") as key, open(certificate.cert_file, "rb") as chain:
        return grpc.ssl_channel_credentials(roots, key.read(), chain.read())


def test_calls_go_over_tls(grpcs_server: GrpcsServer) -> None:
    add(grpcs_server, Plain())
    with grpc.secure_channel(grpcs_server.target, credentials(grpcs_server)) as channel:
        assert services.CalculatorStub(channel).Add(AddRequest(a=1), timeout=30).result == 1
    tls = grpcs_server.connections[0].tls
    assert tls is not None
    assert tls.alpn == "h2"


def test_a_servicer_knows_whose_certificate_the_client_has(netmocks: Netmocks, tls_ca: Any) -> None:
    server = netmocks.grpcs(client_cert="required")
    seen = []

    class Curious(Plain):
        def Add(self, request: Any, context: Any) -> Any:
            seen.append((context.peer_identity_key(), context.peer_identities(), sorted(context.auth_context())))
            return AddReply()

    add(server, Curious())
    with grpc.secure_channel(server.target, credentials(server, tls_ca.issue("ada.test"))) as channel:
        services.CalculatorStub(channel).Add(AddRequest(), timeout=30)
    key, names, known = seen[0]
    assert (key, names) == ("x509_subject_alternative_name", [b"ada.test"])
    assert "transport_security_type" in known
    with grpc.secure_channel(server.target, credentials(server)) as channel, pytest.raises(grpc.RpcError) as failed:
        services.CalculatorStub(channel).Add(AddRequest(), timeout=30)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


def test_calls_go_over_a_unix_socket(netmocks: Netmocks, tmp_path: Any) -> None:
    server = netmocks.grpc(path=str(tmp_path / "s"))
    add(server, Plain())
    with grpc.insecure_channel(server.target) as channel:
        assert services.CalculatorStub(channel).Add(AddRequest(a=1), timeout=30).result == 1
