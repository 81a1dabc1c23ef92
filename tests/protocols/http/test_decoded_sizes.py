"""A small body that unpacks to a large one has the server's limit too."""

from __future__ import annotations

import gzip
import tracemalloc
from typing import Any

import pytest
import requests

from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols.web import codings

MANY = 1000


@pytest.mark.parametrize("coding", codings.available())
@pytest.mark.parametrize("criterion", [{"json": {}}, {"body": "x"}, {"form": {"a": "b"}}], ids=str)
def test_a_body_that_unpacks_to_more_than_the_limit_is_no_match(
    netmocks: Netmocks, coding: str, criterion: dict[str, Any]
) -> None:
    server = netmocks.http(max_body=MANY)
    server.when("POST", "/", **criterion).reply(200)
    packed = codings.encode(coding, b" " * MANY + b"{}")
    headers = {"Content-Encoding": coding, "Content-Type": "application/x-www-form-urlencoded"}
    assert requests.post(server.url, data=packed, headers=headers, timeout=10).status_code == 404
    (request,) = server.requests
    for look in (request.json, lambda: request.text, lambda: request.form):
        with pytest.raises(ValueError, match=r"longer than 1000 bytes when decoded"):
            look()


def test_one_that_unpacks_to_just_the_limit_is_read(netmocks: Netmocks) -> None:
    server = netmocks.http(max_body=MANY)
    server.when("POST", "/", json={}).reply(200)
    packed = gzip.compress(b" " * (MANY - 2) + b"{}")
    assert requests.post(server.url, data=packed, headers={"Content-Encoding": "gzip"}, timeout=10).ok


def test_what_is_unpacked_takes_no_more_memory_than_the_limit(netmocks: Netmocks) -> None:
    server = netmocks.http(max_body=1 << 20)
    server.when("POST", "/", json={}).reply(200)
    packed = gzip.compress(bytes(200 << 20), 1)
    tracemalloc.start()
    try:
        answer = requests.post(server.url, data=packed, headers={"Content-Encoding": "gzip"}, timeout=30)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status_code == 404
    assert peak < 20 << 20
