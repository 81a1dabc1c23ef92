"""`Not`, `AnyOf` and `Partial`, and the rules of every server that take them."""

from __future__ import annotations

import json
import re
import smtplib
from typing import Any
from unittest import mock

import pytest
import requests
from helpers import speak, udp_client

import pytest_netmocks
from pytest_netmocks import ANY_PATH, AnyOf, Not, Partial, ws_frame
from pytest_netmocks.matchers import fits_json, fits_text
from pytest_netmocks.protocols.ftp.server import FtpServer
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.smtp.server import SmtpServer
from pytest_netmocks.protocols.udp.server import UdpServer
from pytest_netmocks.protocols.ws.server import WsServer

TEXTS = [
    ("a", ["a"], ["b", None, "ab"]),
    (1, ["1"], ["1.0", None]),
    (re.compile("^a"), ["a", "ab"], ["ba", None]),
    (None, [None], ["", "a"]),
    (Not("a"), ["b", "", None], ["a"]),
    (Not(None), ["", "a"], [None]),
    (Not(AnyOf("a", None)), ["b"], ["a", None]),
    (AnyOf("a", re.compile("^b"), None), ["a", "bc", None], ["ab"]),
    (Not(Not("a")), ["a"], ["b", None]),
]


@pytest.mark.parametrize(("wanted", "good", "bad"), TEXTS, ids=[repr(wanted) for wanted, _, _ in TEXTS])
def test_what_a_text_has_to_be(wanted: Any, good: list[str | None], bad: list[str | None]) -> None:
    assert [text for text in good + bad if fits_text(wanted, text)] == good


JSON = [
    ({"a": 1}, [{"a": 1}], [{"a": 1, "b": 2}, {}, None, [{"a": 1}]]),
    (Partial({"a": 1}), [{"a": 1}, {"a": 1, "b": 2}], [{"a": 2}, {}, [], None]),
    (Partial({"a": {"b": 1}}), [{"a": {"b": 1, "c": 2}}], [{"a": 1}, {"a": {"c": 1}}]),
    ({"a": Partial({"b": 1})}, [{"a": {"b": 1, "c": 2}}], [{"a": {"b": 1}, "x": 1}]),
    (Partial([{"a": 1}]), [[{"a": 1, "b": 2}]], [[{"a": 1}, {"a": 1}], [], {"a": 1}]),
    (Partial({"a": [1, 2]}), [{"a": [1, 2]}], [{"a": [1]}, {"a": [1, 2, 3]}, {"a": [2, 1]}]),
    (Partial({}), [{}, {"a": 1}], [[], None, 1]),
    (AnyOf({"a": 1}, [1]), [{"a": 1}, [1]], [{"a": 2}, None]),
    (Not(Partial({"a": 1})), [{"a": 2}, [], None], [{"a": 1, "b": 2}]),
    ({"a": Not(None)}, [{"a": 1}, {"a": ""}], [{"a": None}, {}]),
    (Partial({"a": re.compile("^x")}), [{"a": "xy"}], [{"a": "y"}, {"a": 1}]),
    ({"a": mock.ANY}, [{"a": 1}, {"a": [None]}], [{}]),
    (None, [None], [0, False, "", {}]),
]


@pytest.mark.parametrize(("wanted", "good", "bad"), JSON, ids=[repr(wanted) for wanted, _, _ in JSON])
def test_what_json_has_to_be(wanted: Any, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good + bad if fits_json(wanted, value)] == good


@pytest.mark.parametrize("word", ["Not('a')", "AnyOf('a', 1, None)", "Partial({'a': [1]})", "Not(AnyOf(1, 2))"])
def test_words_read_as_they_are_written_and_compare(word: str) -> None:
    made = eval(word, vars(pytest_netmocks.matchers))
    assert repr(made) == word
    assert made == eval(word, vars(pytest_netmocks.matchers))


def test_any_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="takes at least one value"):
        AnyOf()


# On servers


@pytest.mark.parametrize(
    ("criteria", "good", "bad"),
    [
        ({"headers": {"X-A": None}}, {}, {"headers": {"x-a": ""}}),
        ({"headers": {"X-A": Not(None)}}, {"headers": {"x-a": "1"}}, {}),
        ({"headers": {"X-A": Not("1")}}, {}, {"headers": {"x-a": "1"}}),
        ({"query": {"q": None}}, {"params": {"p": "1"}}, {"params": {"q": ""}}),
        ({"query": {"q": AnyOf("1", re.compile("^x"))}}, {"params": {"q": "xy"}}, {"params": {"q": "2"}}),
        ({"query": {"q": ["1", Not("1")]}}, {"params": {"q": ["1", "2"]}}, {"params": {"q": ["1", "1"]}}),
        ({"form": {"f": None}}, {"data": {"g": "1"}}, {"data": {"f": "1"}}),
        ({"body": Not("a")}, {"data": "b"}, {"data": "a"}),
        ({"body": AnyOf(b"a", re.compile("^b"))}, {"data": "bc"}, {"data": "ab"}),
        ({"json": Partial({"a": 1})}, {"json": {"a": 1, "b": 2}}, {"json": {"b": 2}}),
        ({"json": Not(Partial({"a": 1}))}, {"json": {"b": 2}}, {"json": {"a": 1}}),
    ],
)
def test_what_is_asked_of_an_http_request(
    http_server: HttpServer, criteria: Any, good: dict[str, Any], bad: dict[str, Any]
) -> None:
    http_server.when("/x", **criteria).reply(200)
    answers = [requests.post(http_server.url_for("/x"), timeout=30, **options) for options in (good, bad)]
    assert [answer.status_code for answer in answers] == [200, 404]
    assert "expected" in answers[1].text
    http_server.assert_requested("POST", "/x", times=1, **criteria)


def test_methods_in_words(http_server: HttpServer) -> None:
    http_server.when(Not("GET"), "/not").reply(200)
    http_server.when(AnyOf("get", "PUT"), "/any").reply(200)
    asked = {
        path: [requests.request(method, http_server.url_for(path), timeout=30) for method in ("GET", "HEAD", "PUT")]
        for path in ("/not", "/any")
    }
    assert [answer.status_code for answer in asked["/not"]] == [404, 404, 200]
    assert [answer.status_code for answer in asked["/any"]] == [200, 200, 200]
    assert requests.post(http_server.url_for("/any"), timeout=30).headers["Allow"] == "GET, HEAD, PUT"


def test_paths_in_words(http_server: HttpServer) -> None:
    http_server.when(ANY_PATH).reply(201)
    http_server.when(AnyOf("/a/{x:int}", re.compile("/b.*"))).reply(
        lambda r: pytest_netmocks.Response(json=r.path_params)
    )
    http_server.when(Not(AnyOf("/a/1", "/{x}", re.compile("/b.*")))).reply(202)
    statuses = {path: requests.get(http_server.url + path, timeout=30) for path in ("/", "/a/1", "/bc", "/c", "/c/d")}
    assert [answer.status_code for answer in statuses.values()] == [202, 200, 200, 201, 202]
    assert statuses["/a/1"].json() == {"x": 1}


def test_the_404_shows_the_words_as_they_were_written(http_server: HttpServer) -> None:
    http_server.when("POST", AnyOf("/a", "/b"), json=Partial({"n": Not(1)}), headers={"X": None}).reply(200)
    text = requests.post(http_server.url_for("/a"), json={"n": 1}, headers={"X": "1"}, timeout=30).text
    assert "when('POST', AnyOf('/a', '/b'), headers={'X': None}, json=Partial({'n': Not(1)}))" in text
    assert "headers: expected X=nothing, got '1'" in text
    assert "json: expected Partial({'n': Not(1)}), got {\"n\": 1}" in text


def test_messages_in_words(ws_server: WsServer) -> None:
    ws_server.when(Not("ping")).reply("not ping")
    ws_server.when(AnyOf("a", re.compile("^c"))).reply("any")
    ws_server.when(json=Partial({"id": 1})).reply("json")
    with speak(ws_server) as sock:
        for message in ("x", "a", "cd", json.dumps({"id": 1, "more": [1]})):
            sock.sendall(ws_frame(message, mask=True))
        ws_server.wait_for(lambda server: len(server.connections[0].messages) == 8)
    sent = [message.data for message in ws_server.connections[0].messages if message.direction == "sent"]
    assert sent == ["not ping", "any", "any", "json"]


def test_datagrams_in_words(udp_server: UdpServer) -> None:
    udp_server.when(Not(b"a")).reply(b"not a")
    udp_server.when(AnyOf(b"b", re.compile(b"^c"))).reply(b"any")
    with udp_client(udp_server) as sock:
        answers = []
        for data in (b"x", b"b", b"cd", b"bb"):
            sock.send(data)
            answers.append(sock.recv(100))
    assert answers == [b"not a", b"any", b"any", b"not a"]


def test_arguments_of_mail_in_words(smtp_server: SmtpServer) -> None:
    smtp_server.when("RCPT", Not(re.compile("@here>?$"))).reply("550 5.7.1 not here")
    smtp_server.when_message(to=Not("a@here")).reply("554 5.6.0 not to a")
    with smtplib.SMTP(*smtp_server.address) as client:
        assert client.sendmail("x@y", ["a@here", "b@there"], "Subject: a\r\n\r\n").keys() == {"b@there"}
        with pytest.raises(smtplib.SMTPDataError, match="not to a"):
            client.sendmail("x@y", ["b@here"], "Subject: b\r\n\r\n")


def test_commands_in_words(ftp_server: FtpServer) -> None:
    rule = ftp_server.when(AnyOf("LIST", "nlst"), AnyOf("a", None))
    assert rule.label == "when(AnyOf('LIST', 'NLST'), AnyOf('a', None))"
    with pytest.raises(ValueError, match=r"command .NLTS. is not known here .did you mean 'NLST'"):
        ftp_server.when(Not("NLTS"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n: n.http().when("/", headers={"X": Partial({})}), "headers: X must be .*: Partial is for json="),
        (lambda n: n.http().when("/", headers={"X": re.compile(b"a")}), "headers: X must be .* has to be of text"),
        (lambda n: n.http().when("/", query={"q": ["a", None]}), "query: q must have values in its list, not None"),
        (lambda n: n.http().when(Not(3), "/"), "method must be a method such as GET, not 3"),
        (lambda n: n.http().when(AnyOf("/", 3)), "path must be text or a compiled pattern of text, not 3"),
        (lambda n: n.http().when("/", body=AnyOf("a", 3)), "body must be bytes, text or a compiled pattern, not 3"),
        (lambda n: n.http().when("/", json={"a": {1}}), r"json must be what json.dumps\(\) takes, not {1}"),
        (lambda n: n.ws().when(Not(3)), "message must be text, bytes or a compiled pattern, not 3"),
        (lambda n: n.udp().when(Not("a")), "pattern must be bytes or a compiled pattern of bytes, not 'a'"),
        (lambda n: n.tcp().when(Not(b"a")), "pattern must be bytes or a compiled pattern of bytes, not Not"),
        (lambda n: n.smtp().when("RCPT", Not(3)), "argument must be text or a compiled pattern of text, not 3"),
    ],
)
def test_wrong_values_in_words_are_named(netmocks: pytest_netmocks.Netmocks, call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call(netmocks)
