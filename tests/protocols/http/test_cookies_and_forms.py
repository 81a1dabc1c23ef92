"""Cookies and forms: nothing is cut, nothing goes out raw, nothing that is repeated is lost."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

import pytest
import requests
from helpers import connect, read_to_end
from hypothesis import given
from hypothesis import strategies as st

from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.web import cookies

pytestmark = pytest.mark.in_memory


@pytest.mark.on_sockets
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_value_that_is_set_comes_back(value: str) -> None:
    pair = cookies.pair("c", value)
    assert pair.isascii()
    assert not set(pair) & set(";,\r\n\0\x7f")
    inside = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' and "\\" not in pair else value
    assert dict(cookies.pairs_in(f"a=b; {pair}; d=e")) == {"a": "b", "c": inside, "d": "e"}


def reads_control_characters() -> bool:
    """Whether this version of `http.cookies` does; newer ones refuse them."""
    try:
        return bool(SimpleCookie('c="\\012"'))
    except CookieError:
        return False


@pytest.mark.parametrize("value", ["1;2", "a, b", 'say "x"', "back\\slash", "line\nbreak"])
def test_other_libraries_understand_what_is_quoted(value: str) -> None:
    if "\n" in value and not reads_control_characters():
        with pytest.raises(CookieError, match="Control characters"):
            SimpleCookie(cookies.pair("c", value))
        return
    assert SimpleCookie(cookies.pair("c", value))["c"].value == value


@pytest.mark.on_sockets
def test_set_cookie_has_what_the_test_wrote(http_server: HttpServer) -> None:
    http_server.when("/").reply(cookies={"a": "1;2", "b": "é", "c": "plain"})
    answer = requests.get(http_server.url, timeout=30)
    assert answer.raw.headers.getlist("Set-Cookie") == [
        'a="1\\0732"; Path=/',
        'b="\\303\\251"; Path=/',
        "c=plain; Path=/",
    ]


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "é", "a\n", 3])
def test_a_cookies_name_is_a_token(http_server: HttpServer, name: str) -> None:
    with pytest.raises(ValueError, match="cookies must have names that are tokens"):
        http_server.when("/").reply(cookies={name: "v"})


def test_cookies_are_read_as_they_were_quoted_and_all_of_a_name(http_server: HttpServer) -> None:
    line = b'Cookie: a="\\303\\251"; a="1\\0732"; u=\xc3\xa9; l=\xe9; q="\\"x\\""; empty=; "; =x\r\n'
    with connect(http_server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + line + b"\r\n")
        read_to_end(sock)
    got = http_server.requests[0].cookies
    assert got.get_all("a") == ["é", "1;2"]
    assert got == {"a": "1;2", "u": "é", "l": "é", "q": '"x"', "empty": "", '"': ""}


@pytest.mark.on_sockets
def test_all_files_and_values_of_a_field_are_there(http_server: HttpServer) -> None:
    parts = [("f", ("1.txt", b"one")), ("g", ("g", b"g")), ("f", ("2.txt", b"two"))]
    data = [("x", "1"), ("x", "2")]
    requests.post(http_server.url, files=parts, data=data, timeout=30)
    request = http_server.requests[0]
    assert [file.content for file in request.files.get_all("f")] == [b"one", b"two"]
    assert (request.files["f"].filename, list(request.files), len(request.files)) == ("2.txt", ["f", "g"], 2)
    assert request.files.get_all("no") == []
    assert (request.form["x"], request.form.get_all("x")) == ("2", ["1", "2"])
