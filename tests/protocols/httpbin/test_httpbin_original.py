"""Ours beside the original httpbin, where that is installed: the same raw requests to both.

Each answer of ours is as the original's, or `DEVIATIONS` says why not, and so does the documentation.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import pathlib
import re
import threading
from collections.abc import Callable

import pytest
from httpbin_cases import PATHS, Answer, Case, ask, cases, cookies_of, with_digest

import pytest_netmocks
from pytest_netmocks.protocols.web.codings import decode

httpbin = pytest.importorskip("httpbin")
serving = pytest.importorskip("werkzeug.serving")

DOCS = pathlib.Path(__file__).parents[3] / "docs" / "httpbin.md"

FIELDS = (
    *("Accept-Ranges", "Allow", "Cache-Control", "Content-Encoding", "Content-Range", "Content-Type", "ETag"),
    *("Location", "Proxy-Authenticate", "Set-Cookie", "WWW-Authenticate", "X-More-Info", "a", "B"),
    *(f"Access-Control-{what}" for what in ("Allow-Credentials", "Allow-Headers", "Allow-Methods", "Allow-Origin")),
    "Access-Control-Max-Age",
)

Applies = Callable[[Case, Answer, Answer], bool]


@dataclasses.dataclass(frozen=True)
class Deviation:
    """Why an answer of ours is another: which parts of it, and where. The reason stands in the documentation."""

    reason: str
    parts: set[str]
    applies: Applies


def at(*paths: str) -> Applies:
    return lambda case, theirs, ours: case.path in paths or case.target in paths


def below(*prefixes: str) -> Applies:
    return lambda case, theirs, ours: case.path.startswith(prefixes)


def sent(name: str, *values: str) -> Applies:
    return lambda case, theirs, ours: dict(case.headers).get(name) in values


def _pages(case: Case, theirs: Answer, ours: Answer) -> bool:
    return "html" in theirs.headers.get("Content-Type", "") and "html" in ours.headers.get("Content-Type", "")


WHOLE = {"status", "reason", "body", "Content-Type"}

DEVIATIONS = [
    Deviation(
        "What the original fails on with 500 gets 400, and a word on why",
        {*WHOLE},
        lambda case, theirs, ours: (theirs.status, ours.status) == (500, 400),
    ),
    Deviation("Pages for people have words of their own", {"body"}, _pages),
    Deviation("The drawing of `/deny` is another", {"body"}, at("/deny")),
    Deviation("Images are others, and small", {"body"}, below("/image", "/static/favicon.ico")),
    Deviation("The icon is no file that changes", {"ETag", "Cache-Control"}, at("/static/favicon.ico")),
    Deviation("`/xml` has the same slides, laid out in another way", {"body"}, at("/xml")),
    Deviation(
        "The texts of 402 and 418 are others, and say their type",
        {"body", "Content-Type"},
        at("/status/402", "/status/418"),
    ),
    Deviation("The realm of digest authentication is nobody's address", {"WWW-Authenticate"}, below("/digest-auth/")),
    Deviation("Entity tags are quoted", {"ETag"}, below("/etag/", "/cache", "/range/")),
    Deviation(
        "If-Match compares tags as RFC 9110 has it: quoted, and not weak",
        {*WHOLE},
        sent("If-Match", 'W/"x"', "x", '"y"'),
    ),
    Deviation("A 200 has no Content-Range", {"Content-Range"}, below("/range/")),
    Deviation(
        "Ranges are as RFC 9110 has them",
        {*WHOLE, "Content-Range"},
        sent("Range", "bytes=-50", "bytes=10-5", "bytes=0-99", "bytes=30-"),
    ),
    Deviation("`*/*` accepts an image", {*WHOLE}, sent("Accept", "*/*")),
    Deviation(
        "The scheme `Bearer` may be written in any case",
        {*WHOLE, "WWW-Authenticate"},
        sent("Authorization", "bearer t"),
    ),
    Deviation("A redirect to nowhere is refused", {*WHOLE, "Location"}, at("/redirect-to")),
    Deviation(
        "A Content-Type of `/response-headers` replaces the server's",
        {"body", "Content-Type"},
        at("/response-headers?Content-Type=text/plain"),
    ),
    Deviation(
        "Fields that frame the answer are refused there",
        {*WHOLE},
        at("/response-headers?Content-Length=1"),
    ),
    Deviation("A negative `delay` of `/drip` is refused", {*WHOLE}, at("/drip?duration=0&delay=-1")),
    Deviation("Names of arguments may be written in any case everywhere", {"body"}, at("/drip?duration=0&NumBytes=7")),
    Deviation("A form that is no UTF-8 is shown all the same", {"body"}, at("/post")),
]


@functools.cache
def original() -> tuple[str, int]:
    """Where the original listens, for the rest of the run."""

    class Quiet(serving.WSGIRequestHandler):  # type: ignore[misc, name-defined]
        protocol_version = "HTTP/1.1"

        def log(self, type: str, message: str, *arguments: object) -> None:
            """Nobody reads it."""

    httpbin.app.logger.setLevel(logging.CRITICAL + 1)
    server = serving.make_server("127.0.0.1", 0, httpbin.app, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address: tuple[str, int] = server.server_address
    return address


@functools.cache
def asked() -> list[tuple[Case, Answer, Answer]]:
    """All requests, with the original's answers and ours."""
    with pytest_netmocks.httpbin() as server:
        found = [(case, ask(original(), case), ask(server.address, case)) for case in cases()]
        assert not server.journal.errors
    return found


def readable(answer: Answer) -> bytes:
    """The body without what differs by nature: the coding's details, and what is random."""
    body = decode(answer.headers.get("Content-Encoding", ""), answer.body)
    return re.sub(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", b"a UUID", body)


def comparable(name: str, value: str) -> str:
    if name == "Allow":
        return ", ".join(sorted(re.split(", *", value)))
    return re.sub(r"\b[0-9a-f]{32,128}\b", "a nonce", value)


def differences(case: Case, theirs: Answer, ours: Answer) -> set[str]:
    found = {name for name in ("status", "reason") if getattr(theirs, name) != getattr(ours, name)}
    for name in FIELDS:
        if [comparable(name, value) for value in theirs.all(name)] != [comparable(name, v) for v in ours.all(name)]:
            found.add(name)
    return found | ({"body"} if readable(theirs) != readable(ours) else set())


def unexplained(case: Case, theirs: Answer, ours: Answer) -> set[str]:
    left = differences(case, theirs, ours)
    for known in DEVIATIONS:
        if left & known.parts and known.applies(case, theirs, ours):
            left = left - known.parts
    return left


@pytest.mark.parametrize("path", [path.partition("?")[0] for path in PATHS])
def test_an_answer_is_the_originals_or_it_is_known_why_not(path: str) -> None:
    begin = path.split("/")[1]
    chosen = [exchange for exchange in asked() if exchange[0].path.split("/")[1] == begin]
    assert len(chosen) >= 9
    assert not [(str(exchange[0]), parts) for exchange in chosen if (parts := unexplained(*exchange))]


@pytest.mark.parametrize("known", DEVIATIONS, ids=lambda known: known.reason)
def test_a_deviation_is_one_and_is_documented(known: Deviation) -> None:
    assert any(differences(*exchange) & known.parts for exchange in asked() if known.applies(*exchange))
    assert known.reason in " ".join(DOCS.read_text().split())


# Digest authentication is a conversation


def conversation(address: tuple[str, int], case: Case, turns: int = 6) -> list[tuple[int, str, list[str], bytes]]:
    """What a client with the right password meets that keeps its cookies and asks anew when it is challenged."""
    said = []
    challenge = answer = ask(address, case)
    cookies = cookies_of(answer)
    for _ in range(turns):
        stale = re.findall("stale=(\\w+)", answer.headers.get("WWW-Authenticate", ""))
        said.append(
            (answer.status, *stale, *(comparable("", cookie) for cookie in answer.all("Set-Cookie")), answer.body)
        )
        challenge = answer if answer.status == 401 else challenge
        answer = ask(address, with_digest(case, challenge, cookies))
        cookies |= cookies_of(answer)
    return said


@pytest.mark.parametrize(
    "path",
    [
        "/digest-auth/auth/u/p",
        "/digest-auth/auth/u/p/SHA-256",
        "/digest-auth/auth/u/p/SHA-512/2",
        "/digest-auth/auth/u/p/MD5/0",
        "/digest-auth/auth/u/p/MD5/1",
        "/digest-auth/auth/u/p/MD5/x",
        "/digest-auth/auth-int/u/p",
    ],
)
def test_a_digest_conversation_goes_as_with_the_original(path: str) -> None:
    with pytest_netmocks.httpbin() as server:
        assert conversation(server.address, Case("GET", path)) == conversation(original(), Case("GET", path))


STRICTER = [
    ("credentials of another user", "/digest-auth/auth/u/p", {"username": "x"}, (200, 401)),
    (
        "credentials for another URI",
        "/digest-auth/auth/u/p",
        {"uri": "/x", "hashed_uri": "/digest-auth/auth/u/p"},
        (200, 400),
    ),
    ("another algorithm than was asked for", "/digest-auth/auth/u/p/SHA-256", {"algorithm": "MD5"}, (200, 401)),
    ("another quality of protection", "/digest-auth/auth-int/u/p", {"qop": "auth"}, (200, 401)),
    ("credentials without `cnonce`", "/digest-auth/auth/u/p", {"cnonce": ""}, (500, 400)),
    ("a query", "/digest-auth/auth/u/p?require-cookie=1", {}, (500, 200)),
]


@pytest.mark.parametrize(("what", "path", "changed", "statuses"), STRICTER, ids=[what for what, *_ in STRICTER])
def test_digest_credentials_are_looked_at_more_closely_than_by_the_original(
    what: str, path: str, changed: dict[str, str], statuses: tuple[int, int]
) -> None:
    case = Case("GET", path)
    with pytest_netmocks.httpbin() as server:
        for address, status in zip((original(), server.address), statuses, strict=True):
            challenge = ask(address, case)
            assert ask(address, with_digest(case, challenge, cookies_of(challenge), **changed)).status == status
    assert what in " ".join(DOCS.read_text().split())
