"""Whatever comes, the client gets a status or the end of its stream, and the test does not fail for it."""

from __future__ import annotations

from typing import Any

import pytest
from calculator import Plain, add
from framing import Peer, speaking
from hyperframe.frame import RstStreamFrame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_netmocks import GrpcServer
from pytest_netmocks.faults import Close, Reset

ADD = "/calculator.Calculator/Add"
FIELDS = [("content-type", "application/grpc"), ("te", "trailers")]


def status_of(peer: Peer, body: bytes, fields: Any = ()) -> Any:
    """The status that a call with this body gets, `None` where there is none."""
    said = peer.answer(peer.ask(ADD, "POST", fields=[*FIELDS, *fields], body=body))
    return dict(pair for head in said.heads for pair in head).get("grpc-status")


MESSAGE = b"\0\0\0\0\2\x08\1"


@pytest.mark.parametrize(
    ("body", "fields", "code"),
    [
        (MESSAGE, [], 0),
        (b"\0\0\0\0\0", [], 0),
        (MESSAGE[:-1], [], 13),
        (MESSAGE[:3], [], 13),
        (b"\2" + MESSAGE[1:], [], 13),
        (b"\1" + MESSAGE[1:], [], 13),
        (b"\1" + MESSAGE[1:], [("grpc-encoding", "gzip")], 13),
        (MESSAGE, [("grpc-encoding", "snappy")], 12),
        (b"\0\xff\xff\xff\xff", [], 8),
        (b"\0\0\0\0\1\xff", [], 13),
        (b"", [], 12),
        (MESSAGE * 2, [], 12),
        (MESSAGE, [("grpc-timeout", "1x")], 13),
        (MESSAGE, [("grpc-timeout", "123456789S")], 13),
        (MESSAGE, [("x-big", "y" * 3900)] * 20, 8),
        (MESSAGE, [("x-bin", "no base64")], 0),
    ],
)
def test_what_is_no_call_has_the_status_that_says_so(
    grpc_server: GrpcServer, body: bytes, fields: Any, code: int
) -> None:
    add(grpc_server, Plain())
    with speaking(grpc_server) as peer:
        assert int(status_of(peer, body, fields)) == code
        assert int(status_of(peer, MESSAGE)) == 0  # the connection goes on


@given(st.binary(max_size=60), st.sampled_from(["identity", "gzip", "deflate"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_have_a_status(grpc_server: GrpcServer, body: bytes, coding: str) -> None:
    if not grpc_server.desk.handlers.registered:
        add(grpc_server, Plain())
    with speaking(grpc_server) as peer:
        assert status_of(peer, body, [("grpc-encoding", coding)]) is not None
    assert not grpc_server.journal.errors


def test_what_is_no_grpc_has_an_answer_of_http(grpc_server: GrpcServer) -> None:
    with speaking(grpc_server) as peer:
        said = peer.answer(peer.ask("/"))
        assert said.status == 405
        said = peer.answer(peer.ask("/", "POST", fields=[("content-type", "text/html")], body=b"x"))
        assert said.status == 415
    assert grpc_server.requests == []


def test_a_stream_that_is_taken_back_ends_its_call(grpc_server: GrpcServer) -> None:
    grpc_server.when(ADD).reply(b"", delay=60)
    with speaking(grpc_server) as peer:
        stream = peer.ask(ADD, "POST", fields=FIELDS, body=MESSAGE)
        grpc_server.wait_for(lambda server: server.requests)
        peer.say(RstStreamFrame(stream, error_code=8))
        assert grpc_server.wait_for(lambda server: server.requests[0].status) == "CANCELLED"


@pytest.mark.parametrize(
    ("fault", "body", "end"),
    [
        (Reset(after_messages=2), b"\0\0\0\0\3one\0\0\0\0\3two", "CANCEL"),
        (Close(after_messages=1), b"\0\0\0\0\3one", "END_STREAM"),
        (Reset(after_bytes=4), b"\0\0\0\0\3one\0\0\0\0\3t", "CANCEL"),
        (Close(after_bytes=3), b"\0\0\0\0\3one", "END_STREAM"),
        (Reset(), b"", "CANCEL"),
    ],
    ids=str,
)
def test_what_a_fault_lets_through_is_exact_to_the_byte(
    grpc_server: GrpcServer, fault: Any, body: bytes, end: str
) -> None:
    grpc_server.when("/a/b").reply([b"one", b"two", b"three"]).inject(fault)
    with speaking(grpc_server) as peer:
        said = peer.answer(peer.ask("/a/b", "POST", fields=FIELDS, body=MESSAGE))
    assert (said.body, said.end) == (body, end)
    assert len(said.heads) == (1 if body else 0)  # and no status behind
    assert grpc_server.requests[0].status is None


def test_a_rule_may_end_the_connection(grpc_server: GrpcServer) -> None:
    grpc_server.when("/a/b").reply(b"", then_close=True)
    with speaking(grpc_server) as peer:
        peer.answer(peer.ask("/a/b", "POST", fields=FIELDS, body=MESSAGE))
        assert list(peer.until_over())
        assert (peer.goaway, peer.over) == (("NO_ERROR", 1), "FIN")
