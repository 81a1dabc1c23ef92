"""How clients that are not told come to trust the authority for the time of a test.

Most ask the environment when they connect. Some have made up their mind before: what they keep in a module is replaced
for the test, and made anew after it if they came by the authority meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from pytest_netmocks.encryption.authority import Authority

ENVIRONMENT = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "HTTPLIB2_CA_CERTS",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "WEBSOCKET_CLIENT_CA_BUNDLE",
)


def _aiohttp(authority: Authority) -> object:
    """The one context of every session that was given none; it offers HTTP/1.1 alone."""
    import ssl  # as the module that is asked for it has done

    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _nobody(authority: Authority) -> object:
    """Whoever needs the next makes it."""
    return None


def _certifi(authority: Authority) -> object:
    return lambda: authority.cert_file


KEEPERS: dict[tuple[str, str], Callable[[Authority], object]] = {
    ("aiohttp.connector", "_SSL_CONTEXT_VERIFIED"): _aiohttp,
    ("urllib.request", "_opener"): _nobody,
    ("certifi", "where"): _certifi,
}
"""A module and the name in it that keeps trust, with what is to stand there during the test."""


def _kept() -> Iterator[tuple[ModuleType, str, Callable[[Authority], Any]]]:
    for (module_name, name), make in KEEPERS.items():
        module = sys.modules.get(module_name)
        if module is not None and hasattr(module, name):
            yield module, name, make


def trusted(authority: Authority) -> Iterator[Authority]:
    """Trust it until the generator is closed."""
    before = {id(module) for module, _, _ in _kept()}
    with pytest.MonkeyPatch.context() as patch:
        for name in ENVIRONMENT:
            patch.setenv(name, authority.cert_file)
        for module, name, make in _kept():
            patch.setattr(module, name, make(authority))
        yield authority
    for module, name, make in _kept():
        if id(module) not in before and make is not _certifi:
            setattr(module, name, make(authority))
