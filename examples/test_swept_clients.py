"""Where does a client break? Each is tried with a fault at every place of its conversation.

The naive ones fail, as they are expected to, and the report says where; the repaired ones pass at every place.
"""

from __future__ import annotations

import http.client
import smtplib
import uuid

import pytest
import requests
import urllib3

from pytest_netmocks import HttpRequest, HttpServer, Netmocks, Response, SmtpServer
from pytest_netmocks.faults import Blackhole, Close, Reset, Stall

# An order that is placed twice


class NaiveShop:
    """Tries again whatever has happened."""

    def __init__(self, url: str) -> None:
        self.url = url

    def order(self, what: str) -> None:
        retry = urllib3.Retry(2, allowed_methods=None)
        with urllib3.PoolManager(retries=retry, timeout=5) as pool:
            pool.request("POST", f"{self.url}/orders", json={"what": what}, headers=self.headers())

    def headers(self) -> dict[str, str]:
        return {}


class Shop(NaiveShop):
    """Gives each order a key, so that the service knows it again (draft-ietf-httpapi-idempotency-key-header)."""

    def headers(self) -> dict[str, str]:
        return {"Idempotency-Key": str(uuid.uuid4())}


def place_an_order(http_server: HttpServer, netmocks: Netmocks, shop: NaiveShop) -> None:
    placed: list[str | None] = []

    def place(request: HttpRequest) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None or key not in placed:
            placed.append(key)
        return Response(201)

    http_server.when("POST", "/orders").reply(place)
    try:
        shop.order("tea")
    except urllib3.exceptions.HTTPError:
        assert netmocks.place is not None  # it may give up where something broke, not otherwise
    assert len(placed) <= 1


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="it orders twice where the answer is lost")
@pytest.mark.fault_sweep(Reset(), Close(), limit=100)
def test_a_naive_shop_orders_twice(http_server: HttpServer, netmocks: Netmocks) -> None:
    place_an_order(http_server, netmocks, NaiveShop(http_server.url))


@pytest.mark.fault_sweep(Reset(), Close(), limit=100)
def test_an_order_is_placed_once(http_server: HttpServer, netmocks: Netmocks) -> None:
    place_an_order(http_server, netmocks, Shop(http_server.url))


# A mail that is sent twice


def send_naively(address: tuple[str, int]) -> None:
    """Try three times."""
    for attempt in range(3):
        try:
            with smtplib.SMTP(*address, timeout=5) as client:
                client.sendmail("ada@example.com", ["bob@example.com"], "Subject: Hello\r\n\r\nHello, Bob")
            return
        except (smtplib.SMTPException, OSError):
            if attempt == 2:
                raise


class MaybeSentError(Exception):
    """The message went out, and nobody knows whether it was taken: a second copy might be one too many."""


def send(address: tuple[str, int]) -> None:
    """Try three times, but not again once the message itself may have been taken (RFC 5321, section 4.2.5)."""
    for attempt in range(3):
        client = smtplib.SMTP(timeout=5)
        client.local_hostname = "localhost"
        try:
            client.connect(*address)
            client.ehlo_or_helo_if_needed()
            if client.mail("ada@example.com")[0] == 250 and client.rcpt("bob@example.com")[0] == 250:
                break
        except (smtplib.SMTPException, OSError):
            if attempt == 2:
                raise
        client.close()
    try:
        code, text = client.data("Subject: Hello\r\n\r\nHello, Bob")
    except (smtplib.SMTPException, OSError) as error:
        raise MaybeSentError from error
    finally:
        client.close()
    if code != 250:
        raise smtplib.SMTPDataError(code, text)


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="it sends a second copy where the last answer is lost")
@pytest.mark.fault_sweep(Reset(), Close(), limit=100)
def test_a_naive_mailer_sends_two_copies(smtp_server: SmtpServer, netmocks: Netmocks) -> None:
    try:
        send_naively(smtp_server.address)
    except (smtplib.SMTPException, OSError):
        assert netmocks.place is not None
    assert len(smtp_server.messages) <= 1


@pytest.mark.fault_sweep(Reset(), Close(), limit=100)
def test_a_mail_is_sent_once(smtp_server: SmtpServer, netmocks: Netmocks) -> None:
    try:
        send(smtp_server.address)
    except (MaybeSentError, smtplib.SMTPException, OSError):
        assert netmocks.place is not None
    assert len(smtp_server.messages) <= 1


# A head that is cut short and taken for an empty answer


def names_naively(server: HttpServer) -> list[str]:
    """The names, a line each."""
    connection = http.client.HTTPConnection(*server.address, timeout=5)
    try:
        connection.request("GET", "/names")
        return connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()


def names(server: HttpServer) -> list[str]:
    """As above; an answer that does not say how long it is has lost a part of its head."""
    connection = http.client.HTTPConnection(*server.address, timeout=5)
    try:
        connection.request("GET", "/names")
        response = connection.getresponse()
        if response.length is None and not response.chunked:
            raise http.client.IncompleteRead(b"")
        return response.read().decode().splitlines()
    finally:
        connection.close()


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="http.client takes an end in the head for an answer")
@pytest.mark.fault_sweep(Close(direction="downstream"))
def test_a_naive_reader_finds_nobody(http_server: HttpServer, netmocks: Netmocks) -> None:
    http_server.when("/names").reply(text="Ada\nBob\n")
    try:
        assert names_naively(http_server) == ["Ada", "Bob"]
    except (http.client.HTTPException, OSError):
        assert netmocks.place is not None


@pytest.mark.fault_sweep(Close(direction="downstream"))
def test_what_was_cut_short_is_no_answer(http_server: HttpServer, netmocks: Netmocks) -> None:
    http_server.when("/names").reply(text="Ada\nBob\n")
    try:
        assert names(http_server) == ["Ada", "Bob"]
    except (http.client.HTTPException, OSError):
        assert netmocks.place is not None


# A client without a time-out; nobody waits for those of the others either


@pytest.mark.virtual_time
@pytest.mark.xfail(strict=True, reason="it waits for ever")
@pytest.mark.fault_sweep(Stall(), Blackhole(), limit=40)
def test_a_naive_client_waits_for_ever(http_server: HttpServer) -> None:
    http_server.when("/").reply(text="hello")
    assert requests.get(http_server.url).text == "hello"


@pytest.mark.virtual_time
@pytest.mark.fault_sweep(Stall(), Blackhole(), limit=40)
def test_a_client_with_a_time_out_gives_up(http_server: HttpServer, netmocks: Netmocks) -> None:
    http_server.when("/").reply(text="hello")
    try:
        assert requests.get(http_server.url, timeout=30).text == "hello"
    except requests.RequestException:
        assert netmocks.place is not None
