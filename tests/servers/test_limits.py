"""Rate limits: the counting, by a clock of the test's own, and what servers say."""

from __future__ import annotations

import ftplib
import io
import smtplib
import time
from typing import Any

import pytest
import requests

from pytest_netmocks.limits import Limit, Quota, admit
from pytest_netmocks.protocols.ftp.server import FtpServer
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.smtp.server import SmtpServer
from pytest_netmocks.rules import base

LONG = 1000.0
"""Seconds of a window that no test sees the end of."""


def passed(limit: Limit, *times: float, client: str = "a") -> list[bool]:
    return [admit([limit], client, now).refused_by is None for now in times]


def test_a_window_begins_with_the_first_and_ends_after_its_time() -> None:
    limit = Limit(2, 10.0)
    assert passed(limit, 5.0, 6.0, 7.0, 14.999) == [True, True, False, False]
    assert limit.quota("a", 7.0) == Quota(0, 8.0, 8.0)
    assert passed(limit, 15.0, 24.0, 24.5, 25.0) == [True, True, False, True]
    assert limit.hits == 3


def test_a_bucket_is_full_at_first_and_refilled_evenly() -> None:
    limit = Limit(2, 10.0, kind="bucket")
    assert passed(limit, 0.0, 0.0, 0.0, 4.999, 5.0, 5.1) == [True, True, False, False, True, False]
    assert limit.quota("a", 7.5) == Quota(0, 2.5, 7.5)
    assert passed(limit, 100.0, 100.0, 100.0) == [True, True, False]


@pytest.mark.parametrize("kind", ["window", "bucket"])
def test_no_more_than_the_amount_passes_at_once_and_it_all_comes_back(kind: Any) -> None:
    limit = Limit(7, 0.7, kind=kind)
    for begin in (0.0, 0.7, 1.4, 2.1000001):
        assert sum(passed(limit, *[begin] * 20)) == 7


def test_a_bucket_never_gives_more_than_its_rate_over_a_long_time() -> None:
    limit = Limit(10, 1.0, kind="bucket")
    assert sum(passed(limit, *[step / 1000 for step in range(10_000)])) == 10 + 99


def test_each_client_has_its_own_or_all_share_one() -> None:
    own, shared = Limit(1, LONG), Limit(1, LONG, by="all")
    assert passed(own, 0.0, client="a") + passed(own, 0.0, client="b") == [True, True]
    assert passed(shared, 0.0, client="a") + passed(shared, 0.0, client="b") == [True, False]


def test_who_is_refused_by_one_limit_takes_nothing_from_the_others() -> None:
    wide, narrow = Limit(10, LONG), Limit(1, LONG)
    assert [admit([wide, narrow], "a", 0.0).refused_by for _ in range(3)] == [None, narrow, narrow]
    assert wide.quota("a", 0.0).left == 9


def test_a_limit_that_is_lifted_refuses_nobody() -> None:
    with Limit(1, LONG) as limit:
        assert passed(limit, 0.0, 0.0) == [True, False]
    assert passed(limit, 0.0) == [True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"amount": 0}, "amount must be a whole number of at least 1"),
        ({"per": 0}, "per must be a number above 0"),
        ({"kind": "leaky"}, "kind must be one of 'window', 'bucket'"),
        ({"by": "user"}, "by must be one of 'client', 'all'"),
        ({"name": "ü"}, "name must be printable ASCII"),
        ({"status": 42}, "status must be a whole number from 100"),
    ],
)
def test_wrong_limits_are_named(http_server: HttpServer, options: dict[str, Any], message: str) -> None:
    for limit in (http_server.limit, http_server.when("/").limit):
        with pytest.raises(ValueError, match=message):
            limit(**{"amount": 1, **options})


# HTTP


def statuses(server: HttpServer, *paths: str) -> list[int]:
    return [requests.get(server.url_for(path), timeout=30).status_code for path in paths]


def test_requests_beyond_the_limit_get_429_and_when_to_come_back(
    http_server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter((5.0, 15.0, 34.5))
    monkeypatch.setattr(base, "admit", lambda limits, client, now: admit(limits, client, next(times)))
    http_server.when("/x").reply(text="hello")
    limit = http_server.limit(2, per=60)
    answers = [requests.get(http_server.url_for(path), timeout=30) for path in ("/x", "/none", "/x")]
    assert [answer.status_code for answer in answers] == [200, 404, 429]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"default";q=2;w=60'}
    assert [answer.headers["RateLimit"] for answer in answers] == [
        f'"default";r={left}' for left in ("1;t=60", "0;t=50", "0;t=31")
    ]
    assert answers[2].headers["Retry-After"] == "31"
    assert answers[2].text == "limit(2, per=60): the next is let through in 30.500 s\n"
    assert "Retry-After" not in answers[0].headers
    assert (limit.hits, http_server.requests[2].response.status) == (1, 429)  # type: ignore[union-attr]


def test_a_limit_of_a_rule_counts_what_matches_it(http_server: HttpServer) -> None:
    http_server.mount(lambda environ, start: (start("200 OK", []), [b"app"])[1])
    rule = http_server.when("/api/{rest:path}")
    with rule.limit(1, per=LONG, status=503) as limit:
        assert statuses(http_server, "/api/a", "/other", "/api/b", "/other") == [200, 200, 503, 200]
    assert statuses(http_server, "/api/a") == [200]
    assert (limit.hits, rule.met) == (1, 2)


def test_several_limits_are_all_said(http_server: HttpServer) -> None:
    http_server.limit(10, per=0.5, kind="bucket")
    http_server.when("/").reply(200).limit(5, per=LONG, name='"b"')
    http_server.when("/app").reply(stream=[b"a"])
    headers = requests.get(http_server.url, timeout=30).headers
    assert headers["RateLimit-Policy"] == '"default";q=10, "\\"b\\"";q=5;w=1000'
    assert headers["RateLimit"] == '"default";r=9;t=1, "\\"b\\"";r=4;t=1000'
    assert "RateLimit" in requests.get(http_server.url_for("/app"), timeout=30).headers


def test_applications_answers_say_the_limit_too(http_server: HttpServer) -> None:
    http_server.mount(lambda environ, start: (start("200 OK", []), [b"app"])[1])
    http_server.limit(5, per=10)
    assert requests.get(http_server.url, timeout=30).headers["RateLimit"] == '"default";r=4;t=10'
    assert http_server.requests[0].response.headers["RateLimit"] == '"default";r=4;t=10'  # type: ignore[union-attr]


@pytest.mark.virtual_time
def test_the_window_goes_on_by_itself(http_server: HttpServer) -> None:
    http_server.when("/").reply(200)
    http_server.limit(1, per=600)
    assert statuses(http_server, "/", "/") == [200, 429]
    time.sleep(600)
    assert statuses(http_server, "/") == [200]


# Mail and files


def test_mail_beyond_the_limit_is_put_off(smtp_server: SmtpServer) -> None:
    limit = smtp_server.limit(1, per=LONG)
    with smtplib.SMTP(*smtp_server.address) as client:
        client.sendmail("a@b", ["c@d"], "Subject: 1\r\n\r\n")
        with pytest.raises(smtplib.SMTPSenderRefused, match=r"450, b'4\.7\.1 Error: too much mail"):
            client.sendmail("a@b", ["c@d"], "Subject: 2\r\n\r\n")
        limit.lift()
        client.sendmail("a@b", ["c@d"], "Subject: 3\r\n\r\n")
    assert [str(message["subject"]) for message in smtp_server.messages] == ["1", "3"]


def test_commands_of_mail_have_limits(smtp_server: SmtpServer) -> None:
    smtp_server.when("RCPT").limit(2, per=LONG, reply="452 4.5.3 Too many recipients")
    with smtplib.SMTP(*smtp_server.address) as client:
        refused = client.sendmail("a@b", ["c@d", "e@f", "g@h"], "Subject: y\r\n\r\n")
        assert refused == {"g@h": (452, b"4.5.3 Too many recipients")}
    assert len(smtp_server.messages) == 1


def test_messages_of_mail_have_limits(smtp_server: SmtpServer) -> None:
    smtp_server.when_message(subject="x").limit(1, per=LONG)
    with smtplib.SMTP(*smtp_server.address) as client:
        for subject in ("x", "y"):
            client.sendmail("a@b", ["c@d"], f"Subject: {subject}\r\n\r\n")
        with pytest.raises(smtplib.SMTPDataError, match=r"450, b'4\.7\.1"):
            client.sendmail("a@b", ["c@d"], "Subject: x\r\n\r\n")
    assert len(smtp_server.messages) == 2


def test_connections_beyond_the_limit_are_sent_away(smtp_server: SmtpServer, ftp_server: FtpServer) -> None:
    smtp_server.when_connected().limit(1, per=LONG)
    with smtplib.SMTP(*smtp_server.address), pytest.raises(smtplib.SMTPConnectError, match=r"421, b'4\.7\.0"):
        smtplib.SMTP(*smtp_server.address)
    ftp_server.limit(1, per=LONG)
    with ftplib.FTP() as first, ftplib.FTP() as second:
        first.connect(ftp_server.host, ftp_server.port)
        with pytest.raises(ftplib.error_temp, match="421 Too many connections"):
            second.connect(ftp_server.host, ftp_server.port)
    ftp_server.wait_for(lambda server: not server.open_connections)


def test_downloads_beyond_the_limit_are_put_off(ftp_server: FtpServer) -> None:
    (ftp_server.root / "a").write_bytes(b"data")
    ftp_server.when("RETR").limit(1, per=LONG)
    with ftplib.FTP() as client:
        client.connect(ftp_server.host, ftp_server.port)
        client.login()
        got: list[bytes] = []
        client.retrbinary("RETR a", got.append)
        with pytest.raises(ftplib.error_temp, match="450 Too many requests"):
            client.retrbinary("RETR a", got.append)
        client.storlines("STOR b", io.BytesIO(b"x"))
    assert got == [b"data"]
