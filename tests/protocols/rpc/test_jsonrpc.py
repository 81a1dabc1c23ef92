"""JSON-RPC 2.0 on a path of an HTTP server; the examples are those of its specification, section 7."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from pytest_netmocks import HttpServer, JsonRpcError


async def total(*numbers: int) -> int:
    return sum(numbers)


def fail(how: str) -> object:
    if how == "error":
        raise JsonRpcError(7, "no", {"why": "x"})
    if how == "odd":
        raise JsonRpcError(1, object())  # type: ignore[arg-type]
    if how == "raise":
        raise KeyError("a")
    return {"nan": float("nan"), "object": object()}[how]


METHODS = {
    "subtract": lambda minuend, subtrahend: minuend - subtrahend,
    "sum": total,
    "notify_hello": lambda number: None,
    "get_data": lambda: ["hello", 5],
    "update": lambda *numbers: None,
    "fail": fail,
}


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with HttpServer() as server:
        server.jsonrpc(METHODS)
        yield server


def post(server: HttpServer, body: str | bytes) -> requests.Response:
    return requests.post(server.url_for("/rpc"), body, headers={"Content-Type": "application/json"}, timeout=30)


def ask(server: HttpServer, body: str | bytes) -> Any:
    answer = post(server, body)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


def code(answer: Any) -> tuple[int, object]:
    assert answer["jsonrpc"] == "2.0"
    assert "result" not in answer
    return answer["error"]["code"], answer["id"]


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (
            '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}',
            {"jsonrpc": "2.0", "result": 19, "id": 1},
        ),
        (
            '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": "x"}',
            {"jsonrpc": "2.0", "result": -19, "id": "x"},
        ),
        (
            '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
            {"jsonrpc": "2.0", "result": 19, "id": 3},
        ),
        (
            '{"jsonrpc": "2.0", "method": "get_data", "id": null}',
            {"jsonrpc": "2.0", "result": ["hello", 5], "id": None},
        ),
        (
            '{"jsonrpc": "2.0", "method": "sum", "params": [1, 2, 4], "id": 1.5}',
            {"jsonrpc": "2.0", "result": 7, "id": 1.5},
        ),
    ],
)
def test_calls_with_places_and_with_names_are_answered(server: HttpServer, asked: str, answered: object) -> None:
    assert ask(server, asked) == answered


@pytest.mark.parametrize(
    "asked",
    [
        '{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}',
        '{"jsonrpc": "2.0", "method": "foobar"}',
        '{"jsonrpc": "2.0", "method": "fail", "params": ["raise"]}',
        '[{"jsonrpc": "2.0", "method": "update"}, {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]',
    ],
)
def test_notifications_have_no_answer(server: HttpServer, asked: str) -> None:
    answer = post(server, asked)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ('{"jsonrpc": "2.0", "method": "foobar", "id": "1"}', (-32601, "1")),
        ('{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', (-32700, None)),
        ("", (-32700, None)),
        (b"\xff", (-32700, None)),
        ("[" * 100_000, (-32700, None)),
        ('{"jsonrpc": "2.0", "method": 1, "params": "bar"}', (-32600, None)),
        ('{"jsonrpc": "2.0", "method": "sum", "params": "bar", "id": 5}', (-32600, 5)),
        ('{"jsonrpc": "1.0", "method": "sum", "id": 5}', (-32600, 5)),
        ('{"method": "sum", "id": 5}', (-32600, 5)),
        ('{"jsonrpc": "2.0", "method": "sum", "id": [5]}', (-32600, None)),
        ('{"jsonrpc": "2.0", "method": "sum", "id": true}', (-32600, None)),
        ('{"jsonrpc": "2.0", "method": "sum", "id": NaN}', (-32600, None)),
        ('{"jsonrpc": "2.0", "method": "sum", "id": 1e999}', (-32600, None)),
        ("[]", (-32600, None)),
        ("1", (-32600, None)),
        ("[" + ",".join(["1"] * 1001) + "]", (-32600, None)),
        ('{"jsonrpc": "2.0", "method": "subtract", "params": [1], "id": 5}', (-32602, 5)),
        ('{"jsonrpc": "2.0", "method": "subtract", "params": {"a": 1}, "id": 5}', (-32602, 5)),
        ('{"jsonrpc": "2.0", "method": "fail", "params": ["raise"], "id": 5}', (-32000, 5)),
        ('{"jsonrpc": "2.0", "method": "fail", "params": ["nan"], "id": 5}', (-32603, 5)),
        ('{"jsonrpc": "2.0", "method": "fail", "params": ["odd"], "id": 5}', (-32603, 5)),
        ('{"jsonrpc": "2.0", "method": "fail", "params": ["object"], "id": 5}', (-32603, 5)),
    ],
)
def test_errors_have_the_codes_of_the_specification(server: HttpServer, asked: str, wrong: tuple[int, object]) -> None:
    assert code(ask(server, asked)) == wrong


def test_an_error_is_given_as_it_is(server: HttpServer) -> None:
    answer = ask(server, '{"jsonrpc": "2.0", "method": "fail", "params": ["error"], "id": 5}')
    assert answer["error"] == {"code": 7, "message": "no", "data": {"why": "x"}}


def test_a_batch_is_answered_call_by_call(server: HttpServer) -> None:
    batch = """[
        {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
        {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "get_data", "id": "9"},
        1
    ]"""
    answers = ask(server, batch)
    assert [(answer["id"], answer.get("result"), answer.get("error", {}).get("code")) for answer in answers] == [
        ("1", 7, None),
        ("2", 19, None),
        (None, None, -32600),
        ("5", None, -32601),
        ("9", ["hello", 5], None),
        (None, None, -32600),
    ]


def test_calls_are_on_record(http_server: HttpServer) -> None:
    endpoint = http_server.jsonrpc(METHODS, at="/api")
    body = {"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 3, "subtrahend": 1}, "id": 1}
    requests.post(http_server.url_for("/api"), json=body, timeout=30)
    requests.post(http_server.url_for("/api"), json=body | {"method": "x"}, timeout=30)
    first, second = endpoint.calls
    assert str(first) == "subtract(minuend=3, subtrahend=1)"
    assert first.result == 2
    assert isinstance(second.error, JsonRpcError)
    assert second.error.code == -32601


@given(body=st.binary(max_size=100) | st.recursive(st.none() | st.text(), st.lists, max_leaves=5).map(json.dumps))
def test_random_bodies_get_an_error(server: HttpServer, body: Any) -> None:
    answer = ask(server, body if isinstance(body, bytes) else body.encode())
    errors = answer if isinstance(answer, list) else [answer]
    assert all(error["error"]["code"] in (-32700, -32600) for error in errors)
