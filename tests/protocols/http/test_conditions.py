"""Conditional requests and ranges by RFC 9110, sections 13 and 14."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
import requests

from pytest_netmocks.protocols.http.server import HttpServer

OLD, NEW = "Wed, 21 Oct 2015 07:28:00 GMT", "Thu, 22 Oct 2015 07:28:00 GMT"


def ask(server: HttpServer, method: str = "GET", **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(method, server.url, headers=named, timeout=30)


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"If_Match": '"v1"'}, 200),
        ("GET", {"If_Match": '"v0", "v1"'}, 200),
        ("PUT", {"If_Match": "*"}, 200),
        ("PUT", {"If_Match": '"v0"'}, 412),
        ("GET", {"If_Match": 'W/"v1"'}, 412),
        ("GET", {"If_Match": '"v,1"'}, 412),
        ("GET", {"If_None_Match": 'W/"v1"'}, 304),
        ("HEAD", {"If_None_Match": "*"}, 304),
        ("PUT", {"If_None_Match": "*"}, 412),
        ("PUT", {"If_None_Match": '"v0"'}, 200),
        ("GET", {"If_Unmodified_Since": OLD}, 412),
        ("GET", {"If_Unmodified_Since": NEW}, 200),
        ("GET", {"If_Unmodified_Since": OLD, "If_Match": '"v1"'}, 200),
        ("GET", {"If_Modified_Since": NEW}, 304),
        ("PUT", {"If_Modified_Since": NEW}, 200),
        ("GET", {"If_Modified_Since": OLD}, 200),
        ("GET", {"If_Modified_Since": NEW, "If_None_Match": '"v0"'}, 200),
        ("GET", {"If_Match": '"v1"', "If_None_Match": '"v1"'}, 304),
        ("GET", {"If_Modified_Since": "Wed, 99 Oct 99999999999 07:28:00"}, 200),
    ],
)
def test_conditions_are_heeded_in_their_order(
    http_server: HttpServer, method: str, headers: dict[str, str], status: int
) -> None:
    http_server.when("/").reply(text="here", etag="v1", headers={"Last-Modified": "Thu, 22 Oct 2015 00:00:00 GMT"})
    answer = ask(http_server, method, **headers)
    assert answer.status_code == status
    assert answer.headers["ETag"] == '"v1"'
    assert answer.text == ("here" if status == 200 and method != "HEAD" else "")


def test_a_tag_among_the_headers_of_an_answer_to_put_is_that_of_what_is_put(http_server: HttpServer) -> None:
    http_server.when("/").reply(200, headers={"ETag": '"v2"'})
    assert ask(http_server, "PUT", If_Match='"v1"').status_code == 200
    assert ask(http_server, "GET", If_Match='"v1"').status_code == 412


def test_an_answer_that_is_an_error_anyway_has_no_conditions(http_server: HttpServer) -> None:
    http_server.when("/").reply(503, etag="v1")
    assert ask(http_server, If_Match='"v0"').status_code == 503


def test_a_stream_is_not_sent_against_its_conditions(http_server: HttpServer) -> None:
    http_server.when("/").reply(stream=[b"a"], etag="v1")
    answer = ask(http_server, If_Match='"v0"')
    assert (answer.status_code, answer.text) == (412, "")


@pytest.mark.parametrize(
    ("given", "content"),
    [
        ("bytes=2-4", "234"),
        ("Bytes=2-4", "234"),
        ("BYTES = ,2-4,", "234"),
        ("bytes=8-99999999999999999999", "89"),
        ("bytes=-3", "789"),
        ("bytes=-99999999999999999999", "0123456789"),
        ("bytes=10-", None),
        ("bytes=-0", None),
        ("bytes=4-2", ""),
        ("bytes=0-1,3-4", ""),
        ("bytes=\u00b2-", ""),
        ("lines=0-1", ""),
        ("bytes=" + "9" * 5000 + "-", ""),
    ],
)
def test_ranges_of_one_stretch_are_answered(http_server: HttpServer, given: str, content: str | None) -> None:
    http_server.when("/").reply(text="0123456789", ranges=True)
    answer = ask(http_server, Range=given)
    assert answer.status_code == {None: 416, "": 200}.get(content, 206)
    assert answer.text == (content or ("" if content is None else "0123456789"))
    assert answer.headers["Accept-Ranges"] == "bytes"


def test_head_says_that_there_are_ranges_and_answers_none(http_server: HttpServer, tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").write_text("0123456789")
    http_server.when("/").reply(file=tmp_path / "a")
    answer = ask(http_server, "HEAD", Range="bytes=2-4")
    assert answer.status_code == 200
    assert (answer.headers["Accept-Ranges"], answer.headers["Content-Length"]) == ("bytes", "10")


@pytest.mark.parametrize(("tag", "status"), [('"v1"', 206), ('W/"v1"', 200), ('"v0"', 200)])
def test_a_range_of_another_version_is_the_whole(http_server: HttpServer, tag: str, status: int) -> None:
    http_server.when("/").reply(text="0123456789", ranges=True, etag="v1")
    assert ask(http_server, Range="bytes=0-1", If_Range=tag).status_code == status


def test_a_weak_tag_is_no_reason_to_send_a_part(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="0123456789", ranges=True, etag='W/"v1"')
    assert ask(http_server, Range="bytes=0-1", If_Range='W/"v1"').status_code == 200
    assert ask(http_server, If_Match='W/"v1"').status_code == 412


@pytest.mark.parametrize("body", [{"text": "x"}, {"stream": [b"x"]}, {"json": 1}])
def test_a_205_has_a_body_of_no_bytes(http_server: HttpServer, body: Any) -> None:
    http_server.when("/").reply(205, **body)
    for _ in range(2):
        answer = ask(http_server)
        assert (answer.status_code, answer.headers["Content-Length"], answer.content) == (205, "0", b"")
