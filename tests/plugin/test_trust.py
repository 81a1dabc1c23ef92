"""Clients that nobody tells of the authority: whom `tls_trust` reaches, and that it ends with the test."""

from __future__ import annotations

import contextlib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import aiohttp
import httpx
import pytest
from helpers import FEW_PLUGINS, shake

from pytest_netmocks import Authority
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.plugin.trust import trusted
from pytest_netmocks.protocols.http.server import HttpsServer
from pytest_netmocks.protocols.tcp.server import TlsServer


@pytest.fixture
def trust(tls_ca: Authority) -> Callable[[], AbstractContextManager[Authority]]:
    """What the fixture does, as often as a test likes."""
    return lambda: contextlib.contextmanager(trusted)(tls_ca)


@pytest.fixture
def site(netmocks: Netmocks) -> Iterator[str]:
    server = netmocks.https()
    server.when("/").reply(text="hello")
    yield f"https://localhost:{server.port}/"


Trust = Callable[[], AbstractContextManager[Authority]]


async def test_aiohttp_made_its_context_when_it_was_imported_and_is_reached(site: str, trust: Trust) -> None:
    async def fetch() -> str:
        async with aiohttp.ClientSession() as session, session.get(site) as response:
            return await response.text()

    for _ in range(2):
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await fetch()
        with trust():
            assert await fetch() == "hello"
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await fetch()


def test_urllib_keeps_its_opener_and_is_reached(site: str, trust: Trust) -> None:
    for _ in range(2):
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(site, timeout=10)
        with trust(), urllib.request.urlopen(site, timeout=10) as response:
            assert response.read() == b"hello"


def test_who_asks_certifi_is_reached_though_it_heeds_no_environment(site: str, trust: Trust) -> None:
    for _ in range(2):
        with pytest.raises(httpx.ConnectError), httpx.Client(trust_env=False) as client:
            client.get(site)
        with trust(), httpx.Client(trust_env=False) as client:
            assert client.get(site).text == "hello"


IMPORTED_MEANWHILE = """
import pytest

async def fetch(server):
    import aiohttp
    async with aiohttp.ClientSession() as session, session.get(f"https://localhost:{server.port}/") as response:
        return response.status

async def test_first(https_server, tls_trust):
    import sys
    assert "aiohttp" not in sys.modules
    assert await fetch(https_server) == 404

async def test_second(https_server):
    with pytest.raises(Exception, match="certificate verify failed"):
        await fetch(https_server)
"""


def test_who_is_imported_in_a_test_that_trusts_does_not_trust_for_ever(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(IMPORTED_MEANWHILE)
    done = pytester.runpytest_subprocess(*FEW_PLUGINS)
    done.assert_outcomes(passed=2)


def test_whom_it_cannot_reach_the_timeline_tells_what_to_do(tls_server: TlsServer, tls_trust: Authority) -> None:
    stubborn = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(tls_server, stubborn)
    tls_server.wait_for(lambda s: not s.open_connections)
    assert "alert unknown_ca received (the client does not know the authority: tls_ca.cert_file" in str(
        tls_server.timeline
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [({"expired": True}, "is its clock right?"), ({"wrong_host": True}, "alert bad_certificate received")],
)
def test_other_refusals_have_words_too(
    netmocks: Netmocks, tls_ca: Authority, options: dict[str, bool], words: str
) -> None:
    server = netmocks.tls(certificate=tls_ca.issue("localhost", **options))  # type: ignore[arg-type]
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server)
    server.wait_for(lambda s: not s.open_connections)
    assert words in str(server.timeline)


def test_a_site_needs_its_server(https_server: HttpsServer, tls_trust: Authority) -> None:
    with httpx.Client() as client:
        assert client.get(f"https://localhost:{https_server.port}/").status_code == 404
