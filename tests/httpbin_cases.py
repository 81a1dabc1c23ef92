"""Requests to all of httpbin's paths, and one client that sends them raw to any server."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import http.client
import re
import socket
from collections.abc import Iterator
from typing import Any

HOST = "httpbin.test:8080"

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE")

PATHS = [
    "/",
    "/legacy",
    "/html",
    "/robots.txt",
    "/deny",
    "/ip",
    "/uuid",
    "/headers",
    "/user-agent",
    "/get",
    "/anything",
    "/anything/a/b",
    "/post",
    "/put",
    "/patch",
    "/delete",
    "/gzip",
    "/deflate",
    "/brotli",
    "/redirect/2",
    "/redirect-to?url=/x",
    "/relative-redirect/2",
    "/absolute-redirect/2",
    "/stream/2",
    "/status/200",
    "/response-headers?a=b",
    "/cookies",
    "/forms/post",
    "/cookies/set/a/b",
    "/cookies/set?a=b",
    "/cookies/delete?a",
    "/basic-auth/u/p",
    "/hidden-basic-auth/u/p",
    "/bearer",
    "/digest-auth/auth/u/p",
    "/digest-auth/auth/u/p/SHA-256",
    "/digest-auth/auth/u/p/MD5/2",
    "/delay/0",
    "/drip?duration=0&numbytes=2",
    "/base64/SGVsbG8=",
    "/cache",
    "/etag/x",
    "/cache/60",
    "/encoding/utf8",
    "/bytes/8?seed=1",
    "/stream-bytes/8?seed=1",
    "/range/30",
    "/links/3/1",
    "/links/3",
    "/image",
    "/image/png",
    "/image/jpeg",
    "/image/webp",
    "/image/svg",
    "/xml",
    "/json",
    "/static/favicon.ico",
]
"""A path for each rule of the original."""

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}

STATUSES = [
    "201",
    "204",
    "205",
    "206",
    "301",
    "302",
    "303",
    "304",
    "305",
    "306",
    "307",
    "308",
    "400",
    "401",
    "402",
    "403",
    "404",
    "405",
    "406",
    "407",
    "408",
    "409",
    "410",
    "411",
    "412",
    "413",
    "414",
    "415",
    "416",
    "417",
    "418",
    "421",
    "422",
    "423",
    "424",
    "425",
    "426",
    "428",
    "429",
    "431",
    "449",
    "451",
    "500",
    "501",
    "502",
    "503",
    "504",
    "505",
    "506",
    "507",
    "508",
    "510",
    "511",
    "203",
    "207",
    "208",
    "226",
    "299",
    "599",
    "999",
    "x",
    "1,x",
    "1:2:3",
    "2x",
]


@dataclasses.dataclass(frozen=True)
class Case:
    """One request."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {self.target} {dict(self.headers) or ''} {self.body[:40]!r}"

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def raw(self) -> bytes:
        fields = [("Host", HOST), *self.headers, ("Connection", "close")]
        if self.body:
            fields.append(("Content-Length", str(len(self.body))))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return f"{self.method} {self.target} HTTP/1.1\r\n{head}\r\n".encode() + self.body


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


def with_digest(case: Case, challenge: Answer, **changed: str) -> Case:
    """The same request with the credentials that the challenge asks for, and its cookies."""
    field = challenge.headers["WWW-Authenticate"]
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', field))
    user, password = case.path.split("/")[3:5]
    algorithm = given["algorithm"]
    qop = given["qop"].partition(",")[0]

    def h(*parts: str) -> str:
        return hashlib.new(algorithm.replace("-", "").lower(), ":".join(parts).encode()).hexdigest()

    values = {"username": user, "realm": given["realm"], "nonce": given["nonce"], "uri": case.target, "qop": qop}
    values |= {"nc": "00000001", "cnonce": "c", "algorithm": algorithm} | changed
    ha2 = (case.method, values["uri"], *([h("")] if qop == "auth-int" else []))
    chain = (values["nonce"], values["nc"], values["cnonce"], values["qop"]) if values["qop"] else (values["nonce"],)
    response = h(h(values["username"], values["realm"], password), *chain, h(*ha2))
    text = ", ".join(
        f'{name}="{value}"' for name, value in ({"response": response} | values | changed).items() if value
    )
    cookies = "; ".join(cookie.partition(";")[0] for cookie in challenge.all("Set-Cookie"))
    kept = tuple(pair for pair in case.headers if pair[0] != "Cookie")
    return dataclasses.replace(case, headers=(*kept, ("Authorization", f"Digest {text}"), ("Cookie", cookies)))


def cases() -> Iterator[Case]:
    """All of the requests."""
    for path in PATHS:
        for method in METHODS:
            yield Case(method, path)
        yield _get(path, Origin="http://a.test", X_Forwarded_Proto="https", X_Forwarded_For="1.2.3.4", Via="1.1 p")
    yield Case("OPTIONS", "/get", (("Origin", "http://a.test"), ("Access-Control-Request-Headers", "x-a, x-b")))
    for target, headers in _gets():
        yield _get(target, **headers)
    for headers, body in _bodies():
        yield Case("POST", "/post", tuple(headers.items()), body)
    for method in ("PUT", "PATCH", "DELETE"):
        yield Case(method, f"/{method.lower()}", tuple(FORM.items()), b"a=1")
    for status in STATUSES:
        yield Case("GET", f"/status/{status}")
    yield Case("POST", "/status/401")
    yield Case("POST", "/delay/0", tuple(FORM.items()), b"a=1")
    yield Case("POST", "/redirect-to?url=/x&status_code=307", tuple(FORM.items()), b"a=1")
    yield Case("POST", "/response-headers?a=1&a=2")
    yield Case("GET", "/headers", (("X-A", "1"), ("x-a", "2"), ("X-a1b2", "3"), ("Accept", "a"), ("Accept", "b")))


def _get(target: str, **headers: str) -> Case:
    return Case("GET", target, tuple((name.replace("_", "-"), value) for name, value in headers.items()))


def _basic(text: str, scheme: str = "Basic") -> dict[str, str]:
    return {"Authorization": f"{scheme} {base64.b64encode(text.encode()).decode()}"}


def _gets() -> Iterator[tuple[str, dict[str, str]]]:  # noqa: PLR0912  # a list, written as what yields it
    for query in (
        "a=1&a=2&b=&c",
        "a=%C3%BC+x%2By",
        "show_env=1",
        "%61=1",
        "a=1;b=2",
        "a[]=1&a[]=2",
        "=x",
        "&&",
        "a=/?:@",
    ):
        yield f"/get?{query}", {"X_Forwarded_For": "1.2.3.4"}
    for path in ("%C3%BC", "a%20b", "a%2Fb", "%41~!$&'()*+,;=:@", "a%25b", "%3Fa%23b", "a//b", "a/"):
        yield f"/anything/{path}", {}
    for headers in (
        {"X_Forwarded_Proto": "https"},
        {"X_Forwarded_Protocol": "https"},
        {"X_Forwarded_Ssl": "on"},
        {"X_Forwarded_Ssl": "off"},
        {"X_Forwarded_For": "1.2.3.4, 5.6.7.8"},
        {"X_Request_Id": "1", "X_Real_Ip": "1.1.1.1", "X_Other": "1"},
    ):
        yield "/get", headers
        yield "/ip", headers
        yield "/absolute-redirect/2", headers
    for target in ("/nope", "/get/", "/Get", "/bytes/x", "/bytes/-1", "/static/nope", "/image/gif", "/cookies/set/a"):
        yield target, {}
    yield "/user-agent", {"User_Agent": "me"}
    for path in ("redirect", "relative-redirect", "absolute-redirect"):
        for n in ("1", "2", "5", "0", "3?absolute=true", "1?absolute=TRUE", "x"):
            yield f"/{path}/{n}", {}
    for query in ("url=http://a.test/%3Fq=1", "url=%C3%BC%20x", "url=x&status_code=301", "url=x&status_code=200"):
        yield f"/redirect-to?{query}", {}
    for query in ("URL=x&Status_Code=308", "url=x&status_code=x", "url=", ""):
        yield f"/redirect-to?{query}", {}
    yield "/stream/0", {}
    yield "/stream/3?a=1", {}
    yield "/stream/200", {}
    for query in ("", "a=1&a=2&B=3", "Server=x", "a=", "ETag=%22x%22", "Access-Control-Allow-Origin=x"):
        yield f"/response-headers?{query}", {}
    yield "/response-headers?Content-Type=text/plain", {}
    for cookie in ("a=b", "a=b; c=d", 'a="b c"', "a=b; a=c", "__utma=1; x=2", "a", "=b", 'a="\\303\\274"', "a=b=c"):
        yield "/cookies", {"Cookie": cookie}
    yield "/cookies?show_env=1", {"Cookie": "__utma=1; x=2"}
    for query in ("a=1&b=2", "a=b%20c", 'a="x"', "a=%C3%BC", "a=1%3B2%2C3", "a=%5C", "a=1&a=2", "a="):
        yield f"/cookies/set?{query}", {}
    yield "/cookies/set/a/b%20c", {}
    yield "/cookies/delete?a&b=1", {}
    for path in ("basic-auth", "hidden-basic-auth"):
        for headers in (_basic("u:p"), _basic("u:x"), _basic("x:p"), _basic("u:p", "basic"), _basic("u:p", "Bearer")):
            yield f"/{path}/u/p", headers
        yield f"/{path}/u/p", {"Authorization": "Basic !"}
        yield f"/{path}/u/p", {"Authorization": "Basic /w=="}
    for value in ("Bearer t", "Bearer a b", "Basic x", "bearer t", "Bearer"):
        yield "/bearer", {"Authorization": value}
    for path in ("x/u/p", "auth-int/u/p", "auth/u/p/MD5", "auth/u/p/SHA-512", "auth/u/p/x", "auth/u/p/MD5/0"):
        yield f"/digest-auth/{path}", {}
    for value in ("Basic dTpw", "Digest", 'Digest username="u"', "x"):
        yield "/digest-auth/auth/u/p", {"Authorization": value}
    yield "/digest-auth/auth/u/p?require-cookie=1", {}
    for value in ("0.01", "-1", "x", "nan"):
        yield f"/delay/{value}", {}
    for query in ("duration=0.01&numbytes=3", "duration=0&numbytes=0", "duration=0&numbytes=-1", "duration=x"):
        yield f"/drip?{query}", {}
    for query in ("code=404", "code=x", "delay=0.01", "numbytes=1.5", "NumBytes=7", "numbytes=100000"):
        yield f"/drip?duration=0&{query}", {}
    for value in ("SGVsbG8", "!", "_-8=", "w7w=", "/wA=", "SGVs%2BbG8="):
        yield f"/base64/{value}", {}
    yield "/cache", {"If_Modified_Since": "x"}
    yield "/cache", {"If_None_Match": "x"}
    for value in ('"x"', "x", "*", 'W/"x"', '"y"', '"y", "x"'):
        yield "/etag/x", {"If_None_Match": value}
        yield "/etag/x", {"If_Match": value}
    for target in ("/bytes/0", "/bytes/200000?seed=2", "/bytes/5?seed=x", "/bytes/5?SEED=3", "/bytes/5?seed=-1"):
        yield target, {}
    for target in ("/stream-bytes/0", "/stream-bytes/200000?seed=2", "/stream-bytes/5?seed=1&chunk_size=0"):
        yield target, {}
    yield "/stream-bytes/5?seed=1&chunk_size=x", {}
    for value in ("0", "1", "102400", "102401", "x", "30?duration=0.01", "30?chunk_size=7", "30?duration=x"):
        yield f"/range/{value}", {}
    for value in ("bytes=0-4", "bytes=5-", "bytes=-5", "bytes=-50", "bytes=30-", "bytes=10-5", "bytes=0-99", "x"):
        yield "/range/30", {"Range": value}
    yield "/range/30?duration=0.01&chunk_size=3", {"Range": "bytes=3-9"}
    for target in ("/links/0", "/links/300", "/links/0/0", "/links/300/5", "/links/3/9"):
        yield target, {}
    for value in (
        "image/webp",
        "image/svg+xml",
        "image/jpeg, image/png",
        "image/*;q=0.5",
        "text/html",
        "*/*",
        "IMAGE/PNG",
    ):
        yield "/image", {"Accept": value}


def _bodies() -> Iterator[tuple[dict[str, Any], bytes]]:
    yield FORM, b"a=1&a=2&b=&c=%C3%BC+x"
    yield FORM, b"\xff=1"
    yield {"Content-Type": "application/json"}, b'{"b": [1, 2.5, null], "a": "\\u00fc"}'
    yield {"Content-Type": "application/json"}, b"{"
    yield {"Content-Type": "application/json"}, b'"\xff"'
    yield {"Content-Type": "text/plain"}, "ü 😀".encode()
    yield {}, b"\x00\xff"
    yield {}, b"null"
    yield {"Content-Encoding": "gzip", **FORM}, b"\x1f\x8b\x08\xff"
    yield {"Content-Encoding": "deflate"}, b"\x78\x9c\xff"
    part = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n%s\r\n%s\r\n'
    text = part % (b"a", b"", b"", b"1") + part % (b"a", b"", b"", b"2")
    file = part % (b"f", b'; filename="x.txt"', b"Content-Type: text/plain\r\n", b"hello")
    binary = part % (b"g", b'; filename="x"', b"Content-Type: image/png\r\n", b"\xff\x00")
    bare = part % (b"h", b'; filename="x"', b"", b"\xff\x00")
    yield MULTIPART, text + file + binary + bare + b"--b--\r\n"
    yield MULTIPART, file + part % (b"f", b'; filename="y"', b"", b"other") + b"--b--\r\n"
    yield {"Content-Type": "multipart/form-data"}, text
    yield {"Content-Type": "Application/X-WWW-Form-Urlencoded; charset=utf-8"}, b"a=1"
