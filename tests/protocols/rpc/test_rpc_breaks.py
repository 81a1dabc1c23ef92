"""Remote procedure calls at every place where their conversation can break, and late ones in virtual time."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import xmlrpc.client
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from xml.parsers.expat import ExpatError

import pytest

import pytest_netmocks
from pytest_netmocks import HttpServer, clock
from pytest_netmocks.faults import Answer, Blackhole, Close, Reset

METHODS = {"add": lambda x, y: x + y}
TIMEOUT = 60.0


class Patient(xmlrpc.client.Transport):
    """Has a time-out, which the standard library's has not."""

    def make_connection(self, host: Any) -> Any:
        connection = super().make_connection(host)
        connection.timeout = TIMEOUT
        return connection


def add_by_xml(server: HttpServer) -> object:
    with xmlrpc.client.ServerProxy(server.url_for("/RPC2"), Patient()) as proxy:
        return proxy.add(2, 3)


def add_by_json(server: HttpServer) -> object:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "add", "params": [2, 3]}).encode()
    request = urllib.request.Request(server.url_for("/rpc"), body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        return json.loads(answer.read())["result"]


def endpoint(server: HttpServer, add: Callable[[HttpServer], object]) -> None:
    if add is add_by_xml:
        server.xmlrpc(METHODS)
    else:
        server.jsonrpc(METHODS, at="/rpc")


ERRORS = (OSError, HTTPException, xmlrpc.client.Error, ExpatError, ValueError, EOFError)
"""What the clients raise: the standard library's own parser of XML tells of an answer that was cut."""
clients = pytest.mark.parametrize("add", [add_by_xml, add_by_json])

# What is given up while it is half open is closed by the collector.
pytestmark = pytest.mark.filterwarnings("ignore:.*:pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


@clients
def test_a_call_comes_to_its_result_or_to_an_error_wherever_it_breaks(add: Callable[[HttpServer], object]) -> None:
    def run() -> None:
        with pytest_netmocks.virtual_time(), pytest_netmocks.http() as server:
            endpoint(server, add)
            for _ in range(2):
                try:
                    assert add(server) == 5
                    break
                except ERRORS:
                    continue
            assert 1 <= len(server.requests) <= 4

    report = pytest_netmocks.sweep(run, Reset(), Close(), Blackhole(), Answer(503), limit=60)
    assert {place.direction for place in report.places} >= {"upstream", "downstream"}
    assert not report.failures, report


@pytest.mark.virtual_time
@clients
def test_a_late_answer_is_given_up_on_time_in_no_time(
    http_server: HttpServer, add: Callable[[HttpServer], object]
) -> None:
    endpoint(http_server, add)
    http_server.when("POST", "/{rest:path}").inject(Blackhole(), nth=1)
    began, real = time.monotonic(), clock.real_now()
    with pytest.raises((TimeoutError, urllib.error.URLError)):
        add(http_server)
    assert time.monotonic() - began >= TIMEOUT
    assert clock.real_now() - real < TIMEOUT / 2
    assert add(http_server) == 5
