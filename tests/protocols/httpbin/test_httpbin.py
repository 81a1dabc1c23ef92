"""The endpoints of httpbin as clients meet them; `test_httpbin_original` compares them with the original's."""

from __future__ import annotations

import datetime
import random
import socket
import struct
from typing import Any

import httpx
import pytest
import requests
from bs4 import BeautifulSoup
from helpers import connect, elapsed, read_to_end

import pytest_netmocks
from pytest_netmocks import scope
from pytest_netmocks.encryption.authority import Authority
from pytest_netmocks.faults import Reset
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.httpbin.server import HttpbinServer


def get(server: HttpbinServer, path: str, **options: Any) -> requests.Response:
    return requests.get(server + path, timeout=15, **options)


def test_a_rule_comes_before_an_endpoint_and_the_endpoint_after_it(httpbin_server: HttpbinServer) -> None:
    httpbin_server.when("/get").reply(503, times=1)
    assert [get(httpbin_server, "/get").status_code for _ in range(2)] == [503, 200]


def test_a_fault_strikes_an_endpoint(httpbin_server: HttpbinServer) -> None:
    httpbin_server.when("/bytes/{n:int}").inject(Reset(after_bytes=10))
    with pytest.raises(requests.RequestException):
        get(httpbin_server, "/bytes/1000")
    assert get(httpbin_server, "/get").ok


def test_what_a_test_mounts_comes_before_an_endpoint(httpbin_server: HttpbinServer) -> None:
    def app(environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [])
        return [b"mine"]

    httpbin_server.mount(app, at="/get")
    assert get(httpbin_server, "/get").text == "mine"
    assert get(httpbin_server, "/ip").json() == {"origin": "127.0.0.1"}


def test_endpoints_are_no_rules_of_the_tests(httpbin_server: HttpbinServer) -> None:
    assert httpbin_server.rules == []


def test_a_path_that_is_nowhere_says_what_is_near(httpbin_server: HttpbinServer) -> None:
    answer = get(httpbin_server, "/post-it")
    assert (answer.status_code, answer.reason) == (404, "NOT FOUND")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "endpoint POST /post" in answer.text
    assert "no rule matches GET /post-it" in str(httpbin_server.timeline)


def test_a_rule_for_another_method_says_so_in_the_manner_of_httpbin(httpbin_server: HttpbinServer) -> None:
    httpbin_server.when("PUT", "/mine").reply(204)
    answer = get(httpbin_server, "/mine")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "PUT")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_urls_are_made_as_from_the_fixture_of_pytest_httpbin(httpbin_server: HttpbinServer) -> None:
    url = httpbin_server.url
    assert httpbin_server + "/get" == httpbin_server.join("get") == httpbin_server.join("/get") == f"{url}/get"
    assert f"{httpbin_server}/get" == f"{url}/get"
    assert httpbin_server.join("#top", allow_fragments=True) == f"{url}/#top"


def test_over_tls_cookies_are_secure_and_urls_are_https(netmocks: Netmocks, tls_ca: Authority) -> None:
    server = netmocks.httpbin(tls=True)
    answer = get(server, "/cookies/set?a=b", verify=tls_ca.cert_file, allow_redirects=False)
    assert answer.headers["Set-Cookie"] == "a=b; Secure; Path=/"
    assert get(server, "/get", verify=tls_ca.cert_file).json()["url"] == server + "/get"
    assert (
        get(server, "/absolute-redirect/2", verify=tls_ca.cert_file).history[0].headers["Location"].startswith("https")
    )


def test_a_client_without_a_host_is_understood(httpbin_server: HttpbinServer) -> None:
    with connect(httpbin_server) as sock:
        sock.sendall(b"GET /anything/%C3%BC HTTP/1.0\r\n\r\n")
        assert b'"method": "GET"' in read_to_end(sock)


def test_a_chunked_body_is_understood(httpbin_server: HttpbinServer) -> None:
    said = requests.post(httpbin_server + "/post", data=iter([b"a", b"b"]), timeout=30).json()
    assert (said["data"], said["json"]) == ("ab", None)


def test_a_large_body_comes_back_and_holds_nobody_up(httpbin_server: HttpbinServer) -> None:
    said = requests.post(httpbin_server + "/post", data=b"x" * (1 << 20), timeout=15).json()
    assert said["data"] == "x" * (1 << 20)


def test_cookies_are_kept_and_deleted(httpbin_server: HttpbinServer) -> None:
    with requests.Session() as session:
        values = {"a": "b", "c": "ü; x"}
        assert session.get(httpbin_server + "/cookies/set", params=values, timeout=30).json() == {"cookies": values}
        assert session.get(httpbin_server + "/cookies/delete?a", timeout=30).json()["cookies"].keys() == {"c"}


@pytest.mark.parametrize("coding", ["gzip", "deflate", "brotli"])
def test_codings_are_undone_by_clients(httpbin_server: HttpbinServer, coding: str) -> None:
    assert True in httpx.get(httpbin_server + f"/{coding}", timeout=30).json().values()


@pytest.mark.parametrize(
    "path", ["auth/u/p", "auth/u/p ä/SHA-256", "x/u/p/MD5", "auth/u/p/SHA-512/never?require-cookie=1"]
)
def test_clients_of_digest_authentication_get_in(httpbin_server: HttpbinServer, path: str) -> None:
    user, password = path.split("/")[1:3]
    with httpx.Client(auth=httpx.DigestAuth(user, password), timeout=30) as client:
        assert [client.get(httpbin_server + f"/digest-auth/{path}").json()["user"] for _ in range(3)] == [user] * 3
        assert client.get(httpbin_server + "/digest-auth/auth/u/another").status_code == 401


@pytest.mark.parametrize("path", ["basic-auth", "hidden-basic-auth"])
def test_clients_of_basic_authentication_get_in(httpbin_server: HttpbinServer, path: str) -> None:
    assert get(httpbin_server, f"/{path}/u/p", auth=("u", "p")).json() == {"authenticated": True, "user": "u"}
    assert get(httpbin_server, f"/{path}/u:x/p", auth=("u", "x:p")).status_code in (401, 404)


@pytest.mark.parametrize("kind", ["redirect", "relative-redirect", "absolute-redirect"])
def test_redirects_are_counted(httpbin_server: HttpbinServer, kind: str) -> None:
    assert len(get(httpbin_server, f"/{kind}/3").history) == 3


def test_a_redirect_takes_its_url_from_a_form_too(httpbin_server: HttpbinServer) -> None:
    form = {"url": "/get", "status_code": "303"}
    answer = requests.post(httpbin_server + "/redirect-to", data=form, timeout=30)
    assert (answer.history[0].status_code, answer.url) == (303, httpbin_server + "/get")


@pytest.mark.parametrize("path", ["bytes", "stream-bytes"])
def test_a_seed_gives_what_randint_gives(httpbin_server: HttpbinServer, path: str) -> None:
    draw = random.Random(7)
    wanted = bytes(draw.randint(0, 255) for _ in range(3000))
    assert get(httpbin_server, f"/{path}/3000?seed=7").content == wanted


def test_chance_is_the_runs(netmocks: Netmocks) -> None:
    path = "/status/" + ",".join(map(str, range(200, 600)))
    first, second = (get(server, path).status_code for server in (netmocks.httpbin(), netmocks.httpbin()))
    assert first == second
    assert get(netmocks.httpbin(), "/bytes/100").content == get(netmocks.httpbin(), "/bytes/100").content


def test_a_status_is_one_of_those_given_by_weight(
    httpbin_server: HttpbinServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scope.current, "seed", 1)  # of sixty draws none may be unlike its weights by luck
    with requests.Session() as session:
        found = [session.get(httpbin_server + "/status/201:3,500:0,202", timeout=30).status_code for _ in range(60)]
    assert set(found) == {201, 202}
    assert found.count(201) > found.count(202)


def test_chunks_have_the_size_that_was_asked_for(httpbin_server: HttpbinServer) -> None:
    with socket.create_connection(httpbin_server.address, timeout=30) as sock:
        sock.sendall(b"GET /stream-bytes/10?chunk_size=4 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        body = read_to_end(sock).partition(b"\r\n\r\n")[2]
    assert [body[0:3], body[9:12], body[18:21]] == [b"4\r\n", b"4\r\n", b"2\r\n"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/delay/0.2", None),
        ("/drip?duration=0.4&numbytes=2", b"**"),
        ("/drip?duration=0&delay=0.2&numbytes=2", b"**"),
        ("/range/26?duration=0.4&chunk_size=13", b"abcdefghijklmnopqrstuvwxyz"),
    ],
)
def test_what_takes_its_time_takes_it(httpbin_server: HttpbinServer, path: str, body: bytes | None) -> None:
    answers = []
    assert elapsed(lambda: answers.append(get(httpbin_server, path))) >= 0.2
    assert answers[0].status_code == 200
    assert body in (None, answers[0].content)


def test_a_range_takes_its_part_of_the_time(httpbin_server: HttpbinServer) -> None:
    path, headers = "/range/1000?duration=8&chunk_size=10", {"Range": "bytes=0-24"}
    answers = []
    assert 0.1 <= elapsed(lambda: answers.append(get(httpbin_server, path, headers=headers))) < 7.9
    assert (answers[0].status_code, answers[0].headers["Content-Range"]) == (206, "bytes 0-24/1000")
    assert answers[0].content == b"abcdefghijklmnopqrstuvwxy"


def test_ten_megabytes_drip_in_pieces(httpbin_server: HttpbinServer) -> None:
    assert len(get(httpbin_server, "/drip?duration=0.1&numbytes=99999999").content) == 10 << 20


def test_the_first_page_leads_to_pages_that_are_there(httpbin_server: HttpbinServer) -> None:
    page = BeautifulSoup(get(httpbin_server, "/").text, "html.parser")
    links = [str(link["href"]) for link in page.find_all("a")]
    assert page.title is not None
    assert page.title.string == "httpbin.org"
    assert len(links) > 40
    slow = ("/delay", "/drip", "/redirect-to")
    with requests.Session() as session:
        found = {
            link: session.get(httpbin_server + link, timeout=30).status_code
            for link in links
            if not link.startswith(slow)
        }
    others = {link: status for link, status in found.items() if status != 200}
    assert others.keys() == {link for link in links if "auth" in link or "418" in link or link == "/bearer"}


def test_the_form_has_the_fields_that_clients_fill_in(httpbin_server: HttpbinServer) -> None:
    page = BeautifulSoup(get(httpbin_server, "/forms/post").text, "html.parser")
    names = {str(field["name"]) for field in page.find_all(["input", "textarea"])}
    assert names == {"custname", "custtel", "custemail", "size", "topping", "delivery", "comments"}
    values = {str(field["value"]) for field in page.find_all("input", value=True)}
    assert values == {"small", "medium", "large", "bacon", "cheese", "onion", "mushroom"}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "HTTP Request &amp; Response Service"),
        ("/legacy", "HTTP Client Testing Service"),
        ("/html", "<h1>Herman Melville - Moby-Dick</h1>"),
        ("/xml", "<title>Wake up to WonderWidgets!</title>"),
        ("/json", '"title": "Sample Slide Show"'),
        ("/robots.txt", "Disallow: /deny"),
        ("/deny", "YOU SHOULDN'T BE HERE"),
        ("/encoding/utf8", "∮ E⋅da = Q"),
        ("/status/418", "-=[ teapot ]=-"),
    ],
)
def test_documents_have_what_clients_look_for(httpbin_server: HttpbinServer, path: str, text: str) -> None:
    assert text in get(httpbin_server, path).content.decode()


@pytest.mark.parametrize(
    ("kind", "begin"), [("png", b"\x89PNG"), ("jpeg", b"\xff\xd8"), ("webp", b"RIFF"), ("svg", b"<svg")]
)
def test_images_are_images(httpbin_server: HttpbinServer, kind: str, begin: bytes) -> None:
    assert get(httpbin_server, f"/image/{kind}").content.startswith(begin)


def test_the_icon_is_one(httpbin_server: HttpbinServer) -> None:
    icon = get(httpbin_server, "/static/favicon.ico").content
    assert struct.unpack("<HHH", icon[:6]) == (0, 1, 1)
    size, offset = struct.unpack("<II", icon[14:22])
    assert icon[offset:].startswith(b"\x89PNG")
    assert offset + size == len(icon)


def test_a_conditional_request_gets_only_its_head(httpbin_server: HttpbinServer) -> None:
    answer = get(httpbin_server, "/etag/x")
    assert get(httpbin_server, "/etag/x", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    since = datetime.datetime.now(datetime.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert get(httpbin_server, "/cache", headers={"If-Modified-Since": since}).status_code == 304


def test_a_page_of_another_site_may_ask(httpbin_server: HttpbinServer) -> None:
    headers = {"Origin": "http://a.test", "Access-Control-Request-Headers": "x-a"}
    answer = requests.options(httpbin_server + "/post", headers=headers, timeout=30)
    assert answer.headers["Access-Control-Allow-Origin"] == "http://a.test"
    assert answer.headers["Access-Control-Allow-Headers"] == "x-a"
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


def test_outside_of_pytest_it_is_there_too() -> None:
    with pytest_netmocks.httpbin() as server:
        assert get(server, "/user-agent", headers={"User-Agent": "me"}).json() == {"user-agent": "me"}
