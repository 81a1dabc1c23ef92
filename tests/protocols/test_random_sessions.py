"""Random sessions: no crash, no hang, no way out of the root or the machine, and the next client is served."""

from __future__ import annotations

import contextlib
import ftplib
import imaplib
import pathlib
import poplib
import re
import smtplib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import dns.message
import dns.query
import pytest
import requests
from helpers import connect, shake, udp_client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pytest_netmocks
from pytest_netmocks.link import loop
from pytest_netmocks.protocols.dns.server import DnsServer
from pytest_netmocks.protocols.ftp.server import FtpServer
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.http_proxy.server import HttpProxyServer
from pytest_netmocks.protocols.socks.server import Socks5Server
from pytest_netmocks.servers.stream import StreamServer

SMTP = [
    b"EHLO me\r\n",
    b"HELO me\r\n",
    b"MAIL FROM:<a@b.c>\r\n",
    b"MAIL FROM:<a@b.c> SIZE=99999999999\r\n",
    b"RCPT TO:<d@e.f>\r\n",
    b"DATA\r\n",
    b"Subject: x\r\n\r\n..hello\r\n.\r\n",
    b".\r\n",
    b"RSET\r\n",
    b"STARTTLS\r\n",
    b"AUTH PLAIN\r\n",
    b"AUTH LOGIN =\r\n",
    b"AUTH CRAM-MD5\r\n",
    b"AUTH XOAUTH2 !!!\r\n",
    b"*\r\n",
    b"HELP RCPT\r\n",
    b"QUIT\r\n",
]
FTP = [
    b"USER anonymous\r\n",
    b"PASS x\r\n",
    b"PASV\r\n",
    b"EPSV ALL\r\n",
    b"PORT 127,0,0,1,0,9\r\n",
    b"EPRT |1|127.0.0.1|9|\r\n",
    b"CWD ../..\r\n",
    b"RETR ../secret\r\n",
    b"RETR /../../secret\r\n",
    b"STOR ../../escaped\r\n",
    b"RNFR f\r\n",
    b"RNTO ../../escaped\r\n",
    b"MKD ../../escaped\r\n",
    b"LIST -la /../..\r\n",
    b"MLSD ..\r\n",
    b"REST 5\r\n",
    b"TYPE I\r\n",
    b"ABOR\r\n",
    b"AUTH TLS\r\n",
    b"SITE CHMOD 777 ../secret\r\n",
    b"QUIT\r\n",
]
WISH = [b"\5\1\0\3", b"\5\1\0\1", b"\5\1\0\4", b"\5\2\0\1", b"\5\3\0\1", b"\5\7\0\1", b"\5\1\0\2", b"\4\1", b"\4\2"]
SOCKS = [
    b"\5\1\0",
    b"\5\2\0\2",
    b"\5\0",
    b"\1\1u\1p",
    b"\1\0\0",
    *WISH,
    b"\x09localhost",
    b"\x0ewww.python.org",
    b"\x7f\0\0\1",
    b"\xc0\0\2\1",
    bytes(15) + b"\1",
    bytes(10) + b"\xff\xff\xc0\0\2\1",
    b"\0\x50",
    b"\0\0\0\1u\0a.test\0",
]
HTTP_PROXY = [
    b"CONNECT www.python.org:443 HTTP/1.1\r\n",
    b"CONNECT 192.0.2.1:80 HTTP/1.1\r\n",
    b"CONNECT localhost:1 HTTP/1.1\r\n",
    b"CONNECT [::ffff:192.0.2.1]:80 HTTP/1.1\r\n",
    b"CONNECT x HTTP/1.0\r\n",
    b"GET http://www.python.org/ HTTP/1.1\r\n",
    b"GET http://a@127.0.0.1:1/?x#y HTTP/1.1\r\n",
    b"POST http://localhost:1 HTTP/1.1\r\n",
    b"GET https://localhost/ HTTP/1.1\r\n",
    b"GET http://[::1 HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\n",
    b"Host: x\r\n",
    b"Proxy-Authorization: Basic dTpw\r\n",
    b"Proxy-Authorization: Basic !\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: x\r\nConnection: upgrade\r\n",
    b"3\r\nabc\r\n0\r\n",
    b"\r\n",
]
POP3 = [
    b"USER ada\r\n", b"PASS secret\r\n", b"STAT\r\n", b"LIST 1\r\n", b"RETR 1\r\n", b"TOP 1 999999999\r\n",
    b"DELE 1\r\n",
    b"RSET\r\n", b"CAPA\r\n", b"UTF8\r\n", b"STLS\r\n", b"AUTH CRAM-MD5\r\n", b"AUTH XOAUTH2 !!!\r\n", b"*\r\n",
    b"QUIT\r\n",
]  # fmt: skip
IMAP = [
    b"a CAPABILITY\r\n", b"a LOGIN u p\r\n", b"a LOGIN {1}\r\n", b"u {1+}\r\np\r\n", b"a AUTHENTICATE PLAIN\r\n",
    b"AHUAcA==\r\n",
    b"a SELECT INBOX\r\n", b"a EXAMINE inbox (CONDSTORE)\r\n", b"a IDLE\r\n", b"DONE\r\n", b"a STARTTLS\r\n", b"*\r\n",
    b"a APPEND INBOX (\\Seen) {20}\r\n", b"Subject: x\r\n\r\nbody\r\n", b"a APPEND INBOX {99999999999999999999}\r\n",
    b"a APPEND INBOX {4294967295+}\r\n", b"a APPEND INBOX {60000000}\r\n", b"a SEARCH " + b"(" * 500 + b"\r\n",
    b"a SEARCH " + b"NOT " * 500 + b"ALL\r\n", b"a SEARCH CHARSET UTF-8 TEXT {3}\r\n",
    b"a FETCH 1:* (ENVELOPE BODYSTRUCTURE)\r\n",
    b"a FETCH 1 BODY[" + b"1." * 300 + b"1]\r\n", b"a UID FETCH 1:4294967295 (RFC822 BODY[TEXT]<4294967295.1>)\r\n",
    b"a STORE 1:* +FLAGS (\\Deleted x)\r\n", b"a EXPUNGE\r\n", b"a MOVE 1 INBOX\r\n", b"a COPY 1:* x\r\n",
    b"a CREATE x/y/z\r\n",
    b"a RENAME INBOX y\r\n", b"a RENAME x x/x\r\n", b"a DELETE x/y/z\r\n", b"a LIST \"\" *%*%*%*%*%*\r\n",
    b"a CLOSE\r\n", b"a LOGOUT\r\n",
]  # fmt: skip
WORDS = [
    b"UID", b"FETCH", b"STORE", b"SEARCH", b"STATUS", b"LIST", b"SORT", b"1", b"*", b"1:*", b"0", b"4294967296", b"(",
    b")", b"(FLAGS)", b"[",
    b"BODY[HEADER.FIELDS (A", b"]<0.0>", b"<1.2>", b"OR", b"KEYWORD", b"MODSEQ", b"\0", b'"', b'"\\', b"{3}\r\n",
    b"{0+}\r\n", b"~{1+}\r\n", b"&AGE-",
    b"RETURN (", b"(UNCHANGEDSINCE 1)", b"ON", b"31-Feb-2020", b"\xff\xfe", b"+FLAGS", b"()", b"NIL", b"\r", b"INBOX",
    b"HEADER",
]  # fmt: skip
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=10).map(lambda words: b"a " + b" ".join(words) + b"\r\n")
NOISE = st.binary(max_size=40).map(lambda data: data + b"\r\n")
SOME = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def smtp_again(server: Any) -> None:
    with smtplib.SMTP(server.host, server.port, timeout=10) as client:
        assert client.noop()[0] == 250


def pop3s_again(server: Any) -> None:
    client = poplib.POP3_SSL("localhost", server.port, timeout=10, context=server.client_context())
    client.user("u")
    client.pass_("p")
    client.quit()


def imap_again(server: Any) -> None:
    with imaplib.IMAP4(server.host, server.port, timeout=10) as client:
        client.login("u", "p")
        assert client.select()[0] == "OK"
        assert client.uid("FETCH", "1:*", "(FLAGS)")[0] == "OK"


def imaps_again(server: Any) -> None:
    with imaplib.IMAP4_SSL("localhost", server.port, timeout=10, ssl_context=server.client_context()) as client:
        assert client.noop()[0] == "OK"


SESSIONS: dict[str, tuple[st.SearchStrategy[bytes], bytes, list[bytes], Callable[[Any], None]]] = {
    "smtp": (st.sampled_from(SMTP), b"220 ", [], smtp_again),
    "pop3s": (st.sampled_from(POP3), b"+OK ", POP3[:2], pop3s_again),
    "imap": (st.sampled_from(IMAP) | SENTENCES, b"* OK ", [IMAP[1], IMAP[6]], imap_again),
    "imaps": (st.sampled_from(IMAP) | SENTENCES, b"* OK ", [IMAP[1], IMAP[6]], imaps_again),
}
"""Of each server what a client may say, what the greeting begins with, a login, and the next client."""


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Any]]:
    with contextlib.ExitStack() as stack:
        made: dict[str, Any] = {name: stack.enter_context(getattr(pytest_netmocks, name)()) for name in SESSIONS}
        for server in made.values():
            if hasattr(server, "deliver"):
                server.deliver("Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n")
        yield made


@pytest.fixture(scope="module")
def http_proxy() -> Iterator[HttpProxyServer]:
    with pytest_netmocks.http_proxy() as server:
        yield server


@pytest.fixture(scope="module")
def socks() -> Iterator[Socks5Server]:
    with pytest_netmocks.socks5() as server:
        yield server


@pytest.fixture(scope="module", params=[False, True], ids=["dns", "dot"])
def names(request: pytest.FixtureRequest) -> Iterator[DnsServer]:
    with pytest_netmocks.dns(tls=request.param) as server:
        server.zone["a.test"] = ["10.0.0.1", "10.0.0.2"]
        server.add("b.test", "CNAME", "b.test")
        server.add("*.c.test", "MX", "10 a.test")
        server.when("d.test").reply(lambda query: None)
        yield server


@pytest.fixture(scope="module")
def ftp() -> Iterator[FtpServer]:
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory, "root")
        root.mkdir()
        pathlib.Path(directory, "secret").write_text("secret")
        with pytest_netmocks.ftp(root=root, tls="explicit") as server:
            yield server


def say(server: StreamServer, lines: list[bytes]) -> bytes:
    answer = b""
    with shake(server) if server.front.secure else connect(server) as sock, contextlib.suppress(OSError):
        sock.settimeout(0.02)
        for line in lines:
            sock.sendall(line)
        while data := sock.recv(65536):
            answer += data
    assert loop.take_errors() == []
    assert server.journal.take_errors() == []
    return answer


@pytest.mark.parametrize("name", SESSIONS)
@SOME
@given(data=st.data(), login=st.booleans())
def test_mail(servers: dict[str, Any], name: str, data: st.DataObject, login: bool) -> None:
    phrases, greeting, enter, again = SESSIONS[name]
    lines = data.draw(st.lists(phrases | NOISE, max_size=12))
    answer = say(servers[name], [*(enter if login else []), *lines])
    assert not answer or answer.startswith(greeting)
    again(servers[name])


@SOME
@given(lines=st.lists(st.sampled_from(FTP) | NOISE, max_size=12), login=st.booleans())
def test_ftp(ftp: FtpServer, lines: list[bytes], login: bool) -> None:
    answer = say(ftp, [*(FTP[:2] if login else []), *lines])
    assert not answer or answer.startswith(b"220 ")
    above = ftp.root.parent
    assert sorted(path.name for path in above.iterdir()) == ["root", "secret"]
    assert (above / "secret").read_text() == "secret"
    with ftplib.FTP(timeout=10) as client:
        client.connect(*ftp.address)
        client.login()
        assert client.pwd() == "/"


def ends_here(server: StreamServer) -> None:
    """Nobody was passed on to another machine."""
    for there in re.findall("passed on to (.*), where", str(server.timeline)):
        assert there.startswith(("127.", "[::1]")), there


@SOME
@given(lines=st.lists(st.sampled_from(HTTP_PROXY) | NOISE, max_size=12))
def test_http_proxy(http_proxy: HttpProxyServer, http_server: HttpServer, lines: list[bytes]) -> None:
    answer = say(http_proxy, lines)
    assert not answer or answer.startswith(b"HTTP/1.1 ")
    ends_here(http_proxy)
    proxies = {"http": http_proxy.url}
    assert requests.get(http_server.url, proxies=proxies, timeout=10).status_code == 404


@SOME
@given(pieces=st.lists(st.sampled_from(SOCKS) | st.binary(max_size=20), max_size=8))
def test_socks(socks: Socks5Server, http_server: HttpServer, pieces: list[bytes]) -> None:
    answer = say(socks, pieces)
    assert not answer or answer[0] in (0, 5)
    ends_here(socks)
    proxies = {"http": socks.url}
    assert requests.get(http_server.url, proxies=proxies, timeout=10).status_code == 404


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A question, or nearly one."""
    name = draw(st.sampled_from(["a.test", "A.tEsT", "b.test", "x.c.test", "d.test", ".", "nobody.test"]))
    message = dns.message.make_query(
        name,
        draw(st.sampled_from(["A", "AAAA", "ANY", "MX", "AXFR", "TYPE65000"])),
        draw(st.sampled_from(["IN", "CH", "ANY"])),
        use_edns=draw(st.sampled_from([False, 0, 1])),
        payload=draw(st.sampled_from([0, 512, 1232, 65535])),
        id=draw(st.integers(0, 65535)),
    )
    data = bytearray(message.to_wire())
    for place, value in draw(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=3)):
        data[place % len(data)] = value
    return bytes(data[: draw(st.integers(0, len(data)) | st.just(len(data)))]) + draw(st.binary(max_size=3))


@SOME
@given(questions=st.lists(messages() | st.binary(max_size=40), max_size=6), cut=st.integers(0, 5))
def test_dns(names: DnsServer, http_server: HttpServer, questions: list[bytes], cut: int) -> None:
    secure = names.scheme == "dot"
    framed = b"".join(len(one).to_bytes(2) + one for one in questions)
    answer = say(names, [framed[: len(framed) - cut]])
    while answer:
        size = int.from_bytes(answer[:2])
        assert answer[4] & 0x80  # it is an answer
        answer = answer[2 + size :]
    query = dns.message.make_query("a.test", "A")
    if secure:
        context = names.client_context()
        found = dns.query.tls(query, names.host, 10, names.port, ssl_context=context, server_hostname="localhost")
    else:
        with udp_client(names) as client:
            for question in questions:
                client.send(question)
        found = dns.query.udp(query, names.host, 10, names.port)
    assert len(found.answer[0]) == 2
    if not http_server.mounts:
        http_server.mount(names.over_http, at="/dns-query")
    for question in questions:
        got = requests.post(
            http_server.url_for("/dns-query"),
            data=question,
            headers={"Content-Type": "application/dns-message"},
            timeout=10,
        )
        assert got.status_code in (200, 502)
    assert names.journal.take_errors() == []
    assert loop.take_errors() == []
