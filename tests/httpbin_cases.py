"""Requests to all of httpbin's paths, and one client that sends them raw to any server."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import http.client
import re
import socket
from collections.abc import Iterator

HOST = "httpbin.test:8080"
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE")

Fields = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Case:
    """One request."""

    method: str
    target: str
    headers: Fields = ()
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {self.target} {dict(self.headers) or ''} {self.body[:40] or ''!r}"

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def raw(self) -> bytes:
        fields = [("Host", HOST), *self.headers, ("Connection", "close")]
        if self.body:
            fields.append(("Content-Length", str(len(self.body))))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return f"{self.method} {self.target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + self.body


@dataclasses.dataclass
class Answer:
    """What a server says to it."""

    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes

    def all(self, name: str) -> list[str]:
        return self.headers.get_all(name, [])


def ask(address: tuple[str, int], case: Case) -> Answer:
    with socket.create_connection(address, timeout=15) as sock:
        sock.sendall(case.raw)
        response = http.client.HTTPResponse(sock, method=case.method)
        response.begin()
        return Answer(response.status, response.reason, response.msg, response.read())


def _words(text: str) -> list[str]:
    return text.split()


PATHS = _words("""
    / /legacy /html /robots.txt /deny /ip /uuid /headers /user-agent /get /anything /anything/a/b /post /put /patch
    /delete /gzip /deflate /brotli /redirect/2 /redirect-to?url=/x /relative-redirect/2 /absolute-redirect/2 /stream/2
    /status/200 /response-headers?a=b /cookies /forms/post /cookies/set/a/b /cookies/set?a=b /cookies/delete?a
    /basic-auth/u/p /hidden-basic-auth/u/p /bearer /digest-auth/auth/u/p /digest-auth/auth/u/p/SHA-256
    /digest-auth/auth/u/p/MD5/2 /delay/0 /drip?duration=0&numbytes=2 /base64/SGVsbG8= /cache /etag/x /cache/60
    /encoding/utf8 /bytes/8?seed=1 /stream-bytes/8?seed=1 /range/30 /links/3/1 /links/3 /image /image/png /image/jpeg
    /image/webp /image/svg /xml /json /static/favicon.ico
""")
"""A path for each rule of the original."""

STATUSES = _words("""
    201 203 204 205 206 207 208 226 299 300 301 302 303 304 305 306 307 308 400 401 402 403 404 405 406 407 408 409 410
    411 412 413 414 415 416 417 418 421 422 423 424 425 426 428 429 431 449 451 500 501 502 503 504 505 506 507 508 510
    511 599 999 x 1,x 1:2:3 2x 200:1
""")

TARGETS = _words("""
    /nope /get/ /Get /etag//x /base64//wA= /bytes/x /bytes/-1 /static/nope /image/gif /cookies/set/a
    /get?a=1&a=2&b=&c /get?a=%C3%BC+x%2By /get?show_env=1 /get?%61=1 /get?a=1;b=2 /get?a[]=1&a[]=2 /get?=x /get?&&
    /get?a=/?:@ /get?a=%FF /get?a=%26%3D%2B%23%25 /get?a=%41%20%0A
    /anything/%C3%BC /anything/a%20b /anything/a%2Fb /anything/%41~!$&'()*+,;=:@ /anything/a%25b /anything/%3Fa%23b
    /anything/a//b /anything/a/ /anything/"<>[]^`{|}
    /redirect/1 /redirect/5 /redirect/0 /redirect/x /redirect/3?absolute=true /redirect/1?absolute=TRUE
    /relative-redirect/1 /relative-redirect/5 /relative-redirect/0 /relative-redirect/x
    /absolute-redirect/1 /absolute-redirect/5 /absolute-redirect/0 /absolute-redirect/x
    /redirect-to?url=http://a.test/%3Fq=1 /redirect-to?url=%C3%BC%20x /redirect-to?url=x&status_code=301
    /redirect-to?url=x&status_code=200 /redirect-to?URL=x&Status_Code=308 /redirect-to?url=x&status_code=x
    /redirect-to?url= /redirect-to
    /stream/0 /stream/3?a=1 /stream/200
    /response-headers /response-headers?a=1&a=2&B=3 /response-headers?Server=x /response-headers?a=
    /response-headers?ETag=%22x%22 /response-headers?Access-Control-Allow-Origin=x
    /response-headers?Content-Type=text/plain /response-headers?Content-Length=1
    /cookies/set?a=1&b=2 /cookies/set?a=b%20c /cookies/set?a="x" /cookies/set?a=%C3%BC /cookies/set?a=1%3B2%2C3
    /cookies/set?a=%5C /cookies/set?a=1&a=2 /cookies/set?a= /cookies/set/a/b%20c /cookies/delete?a&b=1
    /digest-auth/x/u/p /digest-auth/auth-int/u/p /digest-auth/auth/u/p/MD5 /digest-auth/auth/u/p/SHA-512
    /digest-auth/auth/u/p/x /digest-auth/auth/u/p/MD5/0 /digest-auth/auth/u/p?require-cookie=1
    /delay/0.01 /delay/-1 /delay/x /delay/nan /drip?duration=0.01&numbytes=3 /drip?duration=0&numbytes=0
    /drip?duration=0&numbytes=-1 /drip?duration=x /drip?duration=0&code=404 /drip?duration=0&code=x
    /drip?duration=0&delay=0.01 /drip?duration=0&delay=-1 /drip?duration=0&numbytes=1.5 /drip?duration=0&NumBytes=7
    /drip?duration=0&numbytes=100000
    /base64/SGVsbG8 /base64/! /base64/_-8= /base64/w7w= /base64/SGVs%2BbG8=
    /bytes/0 /bytes/200000?seed=2 /bytes/5?seed=x /bytes/5?SEED=3 /bytes/5?seed=-1
    /stream-bytes/0 /stream-bytes/200000?seed=2 /stream-bytes/5?seed=1&chunk_size=0 /stream-bytes/5?seed=1&chunk_size=x
    /range/0 /range/1 /range/102400 /range/102401 /range/x /range/30?duration=0.01 /range/30?chunk_size=7
    /range/30?duration=x /links/0 /links/300 /links/0/0 /links/300/5 /links/3/9
""")
"""More of what can stand in a path or a query."""

PROXIES: list[Fields] = [
    (("X-Forwarded-Proto", "https"),),
    (("X-Forwarded-Protocol", "https"),),
    (("X-Forwarded-Ssl", "on"),),
    (("X-Forwarded-Ssl", "off"),),
    (("X-Forwarded-For", "1.2.3.4, 5.6.7.8"),),
    (("X-Request-Id", "1"), ("X-Real-Ip", "1.1.1.1"), ("Via", "1.1 p"), ("X-Other", "1")),
]


def _basic(text: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(text.encode()).decode()}"


AUTHORIZATIONS = (_basic("u:p"), _basic("u:x"), _basic("x:p"), _basic("u:p", "basic"), "Basic !", "Basic /w==", "Basic")
TAGS = ('"x"', "x", "*", 'W/"x"', '"y"', '"y", "x"')
COOKIES = ("a=b", "a=b; c=d", 'a="b c"', "a=b; a=c", "__utma=1; x=2", "a", "=b", 'a="\\303\\274"', "a=b=c")

FIELDS: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "/cookies": [("Cookie", COOKIES)],
    "/cookies?show_env=1": [("Cookie", ("__utma=1; x=2",))],
    "/user-agent": [("User-Agent", ("me",))],
    "/basic-auth/u/p": [("Authorization", (*AUTHORIZATIONS, "Bearer t"))],
    "/hidden-basic-auth/u/p": [("Authorization", AUTHORIZATIONS)],
    "/bearer": [("Authorization", ("Bearer t", "Bearer a b", "bearer t", "Bearer", "Basic x"))],
    "/digest-auth/auth/u/p": [("Authorization", ("Digest", 'Digest username="u"', "x", _basic("u:p")))],
    "/cache": [("If-Modified-Since", ("x",)), ("If-None-Match", ("x",))],
    "/etag/x": [("If-None-Match", TAGS), ("If-Match", TAGS)],
    "/range/30": [
        ("Range", ("bytes=0-4", "bytes=5-", "bytes=-5", "bytes=-50", "bytes=30-", "bytes=10-5", "bytes=0-99", "x"))
    ],
    "/range/30?duration=0.01&chunk_size=3": [("Range", ("bytes=3-9",))],
    "/image": [
        ("Accept", ("image/webp", "image/svg+xml", "image/jpeg, image/png", "image/*;q=0.5", "text/html", "*/*"))
    ],
}
"""Header fields and their values, one by one, by the target."""

_PART = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n%s\r\n%s\r\n'
_END = b"--b--\r\n"
_TEXTS = _PART % (b"a", b"", b"", b"1") + _PART % (b"a", b"", b"", b"2")
_FILE = _PART % (b"f", b'; filename="x.txt"', b"Content-Type: text/plain\r\n", b"hello")
_BINARY = _PART % (b"g", b'; filename="x"', b"Content-Type: image/png\r\n", b"\xff\x00")
_BARE = _PART % (b"h", b'; filename="x"', b"", b"\xff\x00")
_OTHER = _PART % (b"f", b'; filename="y"', b"", b"other")

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"

BODIES: list[tuple[str, bytes]] = [
    (FORM, b"a=1&a=2&b=&c=%C3%BC+x"),
    (FORM, b"a=\xff"),
    (FORM.title() + "; charset=utf-8", b"a=1"),
    ("application/json", b'{"b": [1, 2.5, null], "a": "\\u00fc"}'),
    ("application/json", b"{"),
    ("application/json", b'"\xff"'),
    ("text/plain", "ü 😀".encode()),
    ("application/octet-stream", b"\x00\xff"),
    ("application/octet-stream", b"null"),
    (MULTIPART, _TEXTS + _FILE + _BINARY + _BARE + _END),
    (MULTIPART, _FILE + _OTHER + _END),
    ("multipart/form-data", _TEXTS + _END),
]


def cases() -> Iterator[Case]:
    """All of the requests."""
    for path in PATHS:
        for method in METHODS:
            yield Case(method, path)
        yield Case("GET", path, (("Origin", "http://a.test"), ("X-Forwarded-For", "1.2.3.4"), ("Via", "1.1 p")))
    yield Case("OPTIONS", "/get", (("Origin", "http://a.test"), ("Access-Control-Request-Headers", "x-a, x-b")))
    for target in (*TARGETS, *(f"/status/{status}" for status in STATUSES)):
        yield Case("GET", target)
    for target, fields in FIELDS.items():
        for name, values in fields:
            for value in values:
                yield Case("GET", target, ((name, value),))
    for proxy in PROXIES:
        for target in ("/get", "/ip", "/absolute-redirect/2", "/get?show_env=1"):
            yield Case("GET", target, proxy)
    for media, body in BODIES:
        yield Case("POST", "/post", (("Content-Type", media),), body)
    yield Case("POST", "/post", (), b"text")
    yield Case("POST", "/post", (("Content-Encoding", "gzip"), ("Content-Type", FORM)), b"\x1f\x8b\x08\xff")
    yield Case("POST", "/post", (("Content-Encoding", "deflate"),), b"\x78\x9c\xff")
    for target in ("/delay/0", "/anything/x?y=1", "/redirect-to?url=/x&status_code=307", "/status/401"):
        yield Case("POST", target, (("Content-Type", FORM),), b"a=1")
    for method in ("PUT", "PATCH", "DELETE"):
        yield Case(method, f"/{method.lower()}", (("Content-Type", FORM),), b"a=1")
    yield Case("GET", "/headers", (("X-A", "1"), ("x-a", "2"), ("X-a1b2", "3"), ("Accept", "a"), ("Accept", "b")))


def cookies_of(answer: Answer) -> dict[str, str]:
    """The cookies that an answer sets."""
    pairs = (cookie.partition(";")[0].partition("=") for cookie in answer.all("Set-Cookie"))
    return {name: value for name, _, value in pairs}


def with_digest(case: Case, challenge: Answer, cookies: dict[str, str], **changed: str) -> Case:
    """The same request with the credentials that the challenge asks for, and with cookies."""
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge.headers["WWW-Authenticate"]))
    user, password = case.path.split("/")[3:5]
    values = {name: given[name] for name in ("realm", "nonce", "algorithm")}
    values |= {"username": user, "uri": case.target, "nc": "00000001", "cnonce": "c", "qop": given["qop"]} | changed
    algorithm = values["algorithm"].replace("-", "").lower()

    def h(*parts: str) -> str:
        return hashlib.new(algorithm, ":".join(parts).encode()).hexdigest()

    uri = values.pop("hashed_uri", values["uri"])
    ha2 = h(case.method, uri, *([h("")] if values["qop"] == "auth-int" else []))
    chain = [values[name] for name in ("nonce", "nc", "cnonce", "qop")]
    shown = {"response": h(h(values["username"], values["realm"], password), *chain, ha2)} | values
    text = ", ".join(f'{name}="{value}"' for name, value in shown.items() if value)
    kept = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return dataclasses.replace(case, headers=(("Authorization", f"Digest {text}"), ("Cookie", kept)))
