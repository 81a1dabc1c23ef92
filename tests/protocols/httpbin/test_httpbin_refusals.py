"""What a client sends to httpbin's endpoints never fails the test: it gets an answer, in bounded time."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from helpers import connect, elapsed, read_to_end
from httpbin_cases import PATHS, Case, ask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_netmocks.protocols.httpbin.endpoints import ENDPOINTS
from pytest_netmocks.protocols.httpbin.server import HttpbinServer

HUGE = "9" * 4000
TOO_HUGE = "9" * 5000

NONSENSE = [
    "/response-headers?a=b%0d%0ac",
    "/response-headers?a%20b=c",
    "/response-headers?a%0a=b",
    "/response-headers?a=%00",
    "/response-headers?%C3%BC=1",
    "/response-headers?Transfer-Encoding=chunked",
    "/response-headers?content-length=0",
    "/redirect-to?url=%0d%0aX",
    "/redirect-to?url=x&status_code=%C2%B2",
    "/redirect-to?url=x&status_code=1e2",
    f"/redirect-to?url=x&status_code={TOO_HUGE}",
    "/redirect/0",
    f"/redirect/{TOO_HUGE}",
    "/cookies/set?x%0a=1",
    "/cookies/set?=1",
    "/cookies/set?a%3Bb=1",
    "/cookies/delete?a%20b",
    "/etag/%0a",
    "/etag/a%22b",
    "/drip?numbytes=inf",
    "/drip?numbytes=-1",
    "/drip?duration=inf",
    "/drip?duration=nan",
    "/drip?duration=-1",
    "/drip?delay=1e999",
    "/drip?code=99999999999999999999",
    "/drip?code=100",
    "/drip?code=-1",
    "/delay/1e999",
    "/delay/nan",
    "/delay/-1",
    "/delay/x",
    "/status/%C2%B2",
    "/status/103",
    "/status/0",
    "/status/1000",
    "/status/200:nan,500:nan",
    "/status/200:inf,500",
    "/status/200:-1,500",
    "/status/200:0,500:0",
    "/status/200:1e308,500:1e308",
    f"/status/{TOO_HUGE}",
    "/bytes/5?seed=x",
    f"/bytes/5?seed={TOO_HUGE}",
    f"/bytes/{TOO_HUGE}",
    "/stream-bytes/5?chunk_size=inf",
    "/range/5?duration=inf",
    "/range/5?chunk_size=x",
]


@pytest.mark.parametrize("target", NONSENSE, ids=lambda target: target[:50])
def test_what_makes_no_sense_gets_400(httpbin_server: HttpbinServer, target: str) -> None:
    answer = ask(httpbin_server.address, Case("GET", target))
    assert (answer.status, answer.reason) == (400, "BAD REQUEST")
    assert answer.body


@pytest.mark.parametrize(
    "target",
    [
        f"/bytes/{HUGE}",
        f"/stream-bytes/{HUGE}?chunk_size={HUGE}",
        f"/bytes/{HUGE}?seed={HUGE}",
        f"/stream/{HUGE}",
        f"/links/{HUGE}/{HUGE}",
        f"/links/{HUGE}",
        f"/cache/{HUGE}",
        f"/redirect/{HUGE}",
        f"/absolute-redirect/{HUGE}",
        f"/range/{HUGE}",
        f"/digest-auth/auth/u/p/MD5/{HUGE}",
    ],
    ids=lambda target: target[:20],
)
def test_what_is_huge_is_cut_to_what_there_is(httpbin_server: HttpbinServer, target: str) -> None:
    answers = []
    assert elapsed(lambda: answers.append(ask(httpbin_server.address, Case("GET", target)))) < 10
    assert answers[0].status < 500
    assert len(answers[0].body) <= 1 << 20


CREDENTIALS = [
    "Digest",
    "Digest ,,,",
    'Digest username="',
    'Digest username="\\',
    "Digest a=b, a=c",
    'Digest username="u", realm="r", nonce="n", uri="/x", response="r"',
    'Digest username="u", realm="r", nonce="n\xe4", uri="/digest-auth/auth/u/p", response="\xe4"',
    'Digest username="u", realm="r", nonce="n", uri="http://[", response="r", qop=x, nc=1, cnonce=1',
    "Digest " + "a=" * 20000,
    "Digest " + "a" * 60000,
    "Digest " + 'a="\\' * 15000,
    'Digest username="' + "\\" * 20000,
    "Basic",
    "Basic =",
    "Basic \xff",
    "Basic " + base64.b64encode(b"\xff:\xff").decode(),
    "Bearer",
    "Bearer  ",
    "\xe4 \xe4",
]


@pytest.mark.parametrize("credentials", CREDENTIALS, ids=lambda text: ascii(text)[:40])
@pytest.mark.parametrize(
    "path", ["/digest-auth/auth/u/p", "/digest-auth/auth-int/\xfc/p", "/basic-auth/u/p", "/bearer"]
)
def test_wrong_credentials_do_not_get_in(httpbin_server: HttpbinServer, path: str, credentials: str) -> None:
    case = Case("GET", quote(path), (("Authorization", credentials), ("Cookie", "stale_after=\xb2; last_nonce")))
    answers = []
    assert elapsed(lambda: answers.append(ask(httpbin_server.address, case))) < 15
    assert answers[0].status in (400, 401)


@pytest.mark.parametrize(
    "value", ["bytes=", "bytes=-", "bytes=x-y", "bytes=0-1,2-3", f"bytes={HUGE}-", f"bytes=-{HUGE}", "\xb2"]
)
def test_a_wrong_range_is_none_or_cannot_be_had(httpbin_server: HttpbinServer, value: str) -> None:
    for target in ("/range/26", "/range/26?duration=0.01"):
        assert ask(httpbin_server.address, Case("GET", target, (("Range", value),))).status in (200, 206, 416)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 50_000, b"9" * 10_000, b'"\\ud800"', b"\xef\xbb\xbf{}"])
def test_json_that_is_none_is_data(httpbin_server: HttpbinServer, body: bytes) -> None:
    answer = ask(httpbin_server.address, Case("POST", "/post", (("Content-Type", "application/json"),), body))
    assert answer.status == 200
    assert b'"data": ' in answer.body


@pytest.mark.parametrize(
    "media",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary="',
        "multipart/form-data; boundary=b",
    ],
)
def test_a_form_that_is_none_is_data(httpbin_server: HttpbinServer, media: str) -> None:
    answer = ask(httpbin_server.address, Case("POST", "/post", (("Content-Type", media),), b"--x\r\n\xff\r\nbroken"))
    assert answer.status == 200
    assert b'"data": "data:application/octet-stream;base64,' in answer.body


TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
WORD = st.sampled_from(
    ["inf", "nan", "-1", "0", "1e999", "1.5", "²", "\r\n", "\0", "%", "é", HUGE, TOO_HUGE, "true", '"', ""]
)
NAME = st.sampled_from(
    [
        "url",
        "status_code",
        "seed",
        "chunk_size",
        "numbytes",
        "code",
        "delay",
        "require-cookie",
        "Content-Type",
        "show_env",
    ]
)
PLACE = st.one_of(WORD, TEXT).filter(bool).map(lambda text: quote(text, safe=""))


@st.composite
def requests_of(draw: st.DrawFn) -> Case:
    endpoint = draw(st.sampled_from(ENDPOINTS))
    path = "/".join(draw(PLACE) if "{" in segment else segment for segment in endpoint.path.split("/"))
    if "{delay" in endpoint.path or "{seconds" in endpoint.path:
        path = "/delay/" + draw(st.sampled_from(["nan", "x", "%0a", "0.0", "-0", "1e-9", "%C2%B2"]))
    pairs = draw(st.lists(st.tuples(st.one_of(NAME, TEXT), st.one_of(WORD, TEXT)), max_size=4))
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in [*pairs, ("duration", "0.001")])
    fields = st.sampled_from(["Authorization", "Range", "Cookie", "If-Match", "Accept", "Origin", "X-Forwarded-Proto"])
    value = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30)
    headers = draw(st.lists(st.tuples(fields, value), max_size=3))
    return Case(
        draw(st.sampled_from(endpoint.methods)), f"{path}?{query}", tuple(headers), draw(st.binary(max_size=20))
    )


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=requests_of())
def test_whatever_a_client_says_it_gets_an_answer_and_no_test_fails(httpbin_server: HttpbinServer, case: Case) -> None:
    answer = ask(httpbin_server.address, case)
    assert 200 <= answer.status < 1000
    assert not httpbin_server.journal.errors


def test_every_path_of_the_original_has_an_endpoint(httpbin_server: HttpbinServer) -> None:
    with connect(httpbin_server) as sock:
        for path in PATHS:
            sock.sendall(f"OPTIONS {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        sock.sendall(b"GET /get HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert read_to_end(sock).count(b" 200 OK\r\n") == len(PATHS) + 1
