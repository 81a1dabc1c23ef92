"""XML-RPC on a path of an HTTP server, called by the standard library's client."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import threading
import xmlrpc.client
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from pytest_netmocks import HttpServer
from pytest_netmocks.faults import Answer, Reset

CALCULATOR = {"add": lambda x, y: x + y, "divide": lambda x, y: x / y, "echo": lambda value: value}


Client = Callable[..., Any]


@pytest.fixture
def client(http_server: HttpServer) -> Iterator[Client]:
    """Makes clients, which are closed at the end."""
    with contextlib.ExitStack() as stack:

        def make(at: str = "/RPC2", **options: Any) -> Any:
            return stack.enter_context(xmlrpc.client.ServerProxy(http_server.url_for(at), **options))

        yield make


@pytest.fixture
def proxy(http_server: HttpServer, client: Client) -> Any:
    http_server.xmlrpc(CALCULATOR)
    return client(allow_none=True, use_builtin_types=True)


def post(server: HttpServer, body: bytes, **more: Any) -> requests.Response:
    return requests.post(server.url_for("/RPC2"), body, timeout=30, **more)


def fault(answer: requests.Response) -> xmlrpc.client.Fault:
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/xml")
    with pytest.raises(xmlrpc.client.Fault) as caught:
        xmlrpc.client.loads(answer.content)
    return caught.value


def test_functions_are_called_by_name(proxy: Any) -> None:
    assert proxy.add(2, 3) == 5
    assert proxy.divide(1, 4) == 0.25


@pytest.mark.parametrize(
    "value",
    [
        True,
        -5,
        1.5,
        "ä & <b>\U0001f600",
        b"\x00\xff",
        None,
        [1, ["x", []]],
        {"a": {"b": [None]}},
        datetime.datetime(2026, 1, 2, 3, 4, 5),
    ],
    ids=repr,
)
def test_values_of_every_type_come_and_go(proxy: Any, value: object) -> None:
    assert proxy.echo(value) == value


def test_an_objects_public_methods_are_called_and_nothing_else_of_it(http_server: HttpServer, client: Client) -> None:
    class Store:
        secret = "x"

        def __init__(self) -> None:
            self.inner = self

        def get(self, key: str) -> str:
            """The value of a key."""
            return f"value of {key}"

        def _hidden(self) -> str:
            return "hidden"

    http_server.xmlrpc(Store(), at="/store")
    proxy = client("/store")
    assert proxy.get("a") == "value of a"
    for name in ("_hidden", "__init__", "secret", "inner.get", "get.__func__", "nothing"):
        body = xmlrpc.client.dumps((), name).encode()
        answer = requests.post(http_server.url_for("/store"), body, timeout=30)
        assert fault(answer).faultCode == -32601
    assert proxy.system.listMethods() == [
        "get",
        "system.listMethods",
        "system.methodSignature",
        "system.methodHelp",
        "system.multicall",
    ]
    assert proxy.system.methodHelp("get") == "The value of a key."
    assert proxy.system.methodSignature("get") == "signatures not supported"
    with pytest.raises(xmlrpc.client.Fault, match="there is no method 'put'"):
        proxy.system.methodHelp("put")


def test_what_a_function_raises_is_a_fault_and_fails_no_test(proxy: Any) -> None:
    with pytest.raises(xmlrpc.client.Fault) as caught:
        proxy.divide(1, 0)
    assert (caught.value.faultCode, caught.value.faultString) == (1, "<class 'ZeroDivisionError'>:division by zero")


def test_a_fault_is_given_as_it_is(http_server: HttpServer, client: Client) -> None:
    def refuse() -> None:
        raise xmlrpc.client.Fault(17, "not today\x00")

    http_server.xmlrpc({"refuse": refuse})
    with pytest.raises(xmlrpc.client.Fault) as caught:
        client().refuse()
    assert (caught.value.faultCode, caught.value.faultString) == (17, "not today\ufffd")


@pytest.mark.parametrize("value", [2**40, object(), "\x00", {1: 2}], ids=["an int too large", "object", "NUL", "key"])
def test_a_result_that_cannot_be_said_is_a_fault(http_server: HttpServer, value: object, client: Client) -> None:
    http_server.xmlrpc({"get": lambda: value})
    with pytest.raises(xmlrpc.client.Fault) as caught:
        client().get()
    assert caught.value.faultCode == 1


def test_wrong_arguments_are_said_to_be_wrong(proxy: Any) -> None:
    with pytest.raises(xmlrpc.client.Fault) as caught:
        proxy.add(1)
    assert (caught.value.faultCode, caught.value.faultString) == (-32602, "add: missing a required argument: 'y'")


def test_many_calls_come_in_one_and_fail_one_by_one(http_server: HttpServer, client: Client) -> None:
    endpoint = http_server.xmlrpc(CALCULATOR)
    many = xmlrpc.client.MultiCall(client())
    many.add(1, 2)
    many.divide(1, 0)
    many.echo("x")
    results = many()
    assert results[0] == 3
    with pytest.raises(xmlrpc.client.Fault, match="division by zero"):
        results[1]
    assert results[2] == "x"
    assert [str(call) for call in endpoint.calls] == ["add(1, 2)", "divide(1, 0)", "echo('x')"]


def test_what_cannot_be_said_in_a_fault_spoils_no_other_call(http_server: HttpServer, client: Client) -> None:
    def red() -> None:
        raise ValueError("\x1b[31m\ud800\ufffe")

    def large() -> None:
        raise xmlrpc.client.Fault(2**40, "x")

    http_server.xmlrpc({"red": red, "large": large, "one": lambda: 1})
    many = xmlrpc.client.MultiCall(client())
    many.red()
    many.large()
    many.one()
    results = many()
    for number in (0, 1):
        with pytest.raises(xmlrpc.client.Fault):
            results[number]
    assert results[2] == 1
    with pytest.raises(xmlrpc.client.Fault) as caught:
        client().large()
    assert caught.value.faultCode == 1


def test_properties_and_classes_of_an_object_are_nothing_to_be_called(http_server: HttpServer, client: Client) -> None:
    class Odd:
        inner = dict

        @property
        def broken(self) -> object:
            raise RuntimeError("nobody asked")

        @staticmethod
        def plain() -> int:
            return 1

        @classmethod
        def of_class(cls) -> int:
            return 2

    http_server.xmlrpc(Odd())
    proxy = client()
    assert (proxy.plain(), proxy.of_class()) == (1, 2)
    for name in ("broken", "inner"):
        with pytest.raises(xmlrpc.client.Fault) as caught:
            getattr(proxy, name)()
        assert caught.value.faultCode == -32601
    assert proxy.system.listMethods()[:2] == ["of_class", "plain"]


def test_a_reset_begins_the_record_of_an_endpoint_that_stays_anew() -> None:
    server = HttpServer()
    endpoint = server.xmlrpc(CALCULATOR)
    with server:
        for _ in range(2):
            with xmlrpc.client.ServerProxy(server.url) as proxy:
                proxy.add(1, 2)
            assert len(endpoint.calls) == 1
            server.reset()


@pytest.mark.parametrize("calls", ["x", [1], [{"methodName": 1}], [{"methodName": "system.multicall"}], [{}] * 1001])
def test_a_multicall_that_is_none_is_a_fault(proxy: Any, calls: Any) -> None:
    try:
        (result,) = proxy.system.multicall(calls)
    except xmlrpc.client.Fault as error:
        assert error.faultCode == -32602
    else:
        assert result["faultCode"] == -32602


def test_calls_are_on_record_with_what_came_of_them(http_server: HttpServer, client: Client) -> None:
    endpoint = http_server.xmlrpc(CALCULATOR)
    proxy = client()
    proxy.add(1, 2)
    with pytest.raises(xmlrpc.client.Fault):
        proxy.divide(1, 0)
    first, second = endpoint.calls
    assert (first.method, first.params, first.result, first.error) == ("add", (1, 2), 3, None)
    assert first.request is http_server.requests[0]
    assert isinstance(second.error, xmlrpc.client.Fault)


def test_a_coroutine_function_runs_in_the_loop_and_a_plain_one_holds_up_nobody(
    http_server: HttpServer, client: Client
) -> None:
    release = threading.Event()

    async def now() -> str:
        return "now"

    def later() -> str:
        assert release.wait(30)
        return "later"

    http_server.xmlrpc({"now": now, "later": later})
    got: list[object] = []
    slow = threading.Thread(target=lambda: got.append(client().later()))
    slow.start()
    http_server.wait_for(lambda server: server.requests, timeout=30)
    assert client().now() == "now"
    release.set()
    slow.join(30)
    assert got == ["later"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"<methodCall>",
        b"<methodCall><methodName>add</methodName><params><param><value><int>x</int></value></param></params></methodCall>",
        b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY a 'aaaa'>]><methodCall><methodName>&a;</methodName></methodCall>",
        b"<methodCall><methodName>echo</methodName>" + b"<value><array><data>" * 100_000,
        b"\xff\xfe\x00",
    ],
    ids=["nothing", "text", "no end", "no number", "an entity", "deep", "bytes"],
)
def test_what_is_no_call_is_a_fault(http_server: HttpServer, body: bytes, client: Client) -> None:
    http_server.xmlrpc(CALCULATOR)
    assert fault(post(http_server, body)).faultCode == -32700
    assert client().add(1, 1) == 2


def test_an_answer_is_no_call(http_server: HttpServer) -> None:
    http_server.xmlrpc(CALCULATOR)
    body = xmlrpc.client.dumps((1,), methodresponse=True).encode()
    assert fault(post(http_server, body)).faultCode == -32600


@given(body=st.binary(max_size=200) | st.text("<>/methodCalNmprsvu ", max_size=200).map(str.encode))
def test_random_bytes_are_a_fault(module_server: HttpServer, body: bytes) -> None:
    assert fault(post(module_server, body)).faultCode in (-32700, -32600, -32601)


@pytest.fixture(scope="module")
def module_server() -> Iterator[HttpServer]:
    with HttpServer() as server:
        server.xmlrpc(CALCULATOR)
        yield server


def test_compressed_calls_are_read(http_server: HttpServer) -> None:
    http_server.xmlrpc(CALCULATOR)
    body = gzip.compress(xmlrpc.client.dumps((1, 2), "add").encode())
    answer = post(http_server, body, headers={"Content-Encoding": "gzip"})
    assert xmlrpc.client.loads(answer.content)[0] == (3,)
    assert post(http_server, b"x", headers={"Content-Encoding": "gzip"}).status_code == 400


def test_calls_come_by_post(http_server: HttpServer) -> None:
    http_server.xmlrpc(CALCULATOR)
    answer = requests.get(http_server.url_for("/RPC2"), timeout=30)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_rules_come_before_it_and_faults_strike_it(http_server: HttpServer, client: Client) -> None:
    http_server.xmlrpc(CALCULATOR)
    proxy = client()
    http_server.when("POST", "/RPC2").reply(503, times=1)
    with pytest.raises(xmlrpc.client.ProtocolError, match="503"):
        proxy.add(1, 2)
    with http_server.inject(Answer(502)), pytest.raises(xmlrpc.client.ProtocolError, match="502"):
        proxy.add(1, 2)
    with http_server.inject(Reset(after_bytes=20)), pytest.raises(ConnectionError):
        client().add(1, 2)
    assert client().add(1, 2) == 3


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        (None, "methods must be functions by name or an object"),
        ("add", "methods must be functions by name or an object"),
        (len, "methods must be functions by name or an object"),
        ({"add": 1}, "'add' is 1"),
        ({1: len}, "names that are text, not 1"),
        ({"": len}, "names that are text, not ''"),
    ],
)
@pytest.mark.parametrize("kind", ["xmlrpc", "jsonrpc"])
def test_what_cannot_be_called_is_refused(http_server: HttpServer, kind: str, methods: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        getattr(http_server, kind)(methods)


def test_other_arguments_are_checked(http_server: HttpServer) -> None:
    with pytest.raises(ValueError, match="at must begin with a slash"):
        http_server.xmlrpc({}, at="RPC2")
    with pytest.raises(TypeError, match="use_builtin_types must be True or False"):
        http_server.xmlrpc({}, use_builtin_types=1)  # type: ignore[arg-type]


def test_types_of_the_client_module_are_given_where_they_are_asked_for(http_server: HttpServer, client: Client) -> None:
    endpoint = http_server.xmlrpc(CALCULATOR, use_builtin_types=False)
    client().echo(b"x")
    assert isinstance(endpoint.calls[0].params[0], xmlrpc.client.Binary)
