"""Content codings: each is undone by whatever library is there, within a bound, or refused in words."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
import requests
import zstandard

from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.web import codings

pytestmark = pytest.mark.in_memory

PLAIN = b"hello " * 1000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": gzip.compress(PLAIN),
    "x-gzip": gzip.compress(PLAIN[:600]) + gzip.compress(PLAIN[600:]) + b"\0\0",
    "deflate": zlib.compress(PLAIN),
    "deflate, identity,": raw_deflate(PLAIN),
    "br": brotli.compress(PLAIN),
    "zstd": zstandard.compress(PLAIN[:600]) + zstandard.compress(PLAIN[600:]),
    "ZSTD, gzip": gzip.compress(zstandard.compress(PLAIN)),
}

LIBRARIES = [name for names in codings._LIBRARIES.values() for name in names if codings._is_there(name)]


@pytest.fixture(params=LIBRARIES)
def coding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A coding for which there is one library and no other."""
    (coding,) = (coding for coding, names in codings._LIBRARIES.items() if request.param in names)
    monkeypatch.setattr(codings, "_LIBRARIES", {**codings._LIBRARIES, coding: (request.param,)})
    return coding


@pytest.mark.on_sockets
@pytest.mark.parametrize("header", PACKED)
def test_what_a_client_encodes_is_decoded(http_server: HttpServer, header: str) -> None:
    http_server.when("/", body=PLAIN.decode()).reply(204)
    sent = requests.post(http_server.url, data=PACKED[header], headers={"Content-Encoding": header}, timeout=30)
    assert sent.status_code == 204
    assert http_server.requests[0].body == PACKED[header]


@pytest.mark.parametrize("limit", [None, len(PLAIN)])
def test_each_library_will_do(coding: str, limit: int | None) -> None:
    assert codings.decode(coding, codings.encode(coding, PLAIN), limit) == PLAIN


@pytest.mark.parametrize("limit", [None, 100_000])
def test_each_library_knows_what_is_broken(coding: str, limit: int | None) -> None:
    packed = codings.encode(coding, PLAIN)
    for broken in (packed[:-1], packed[:2], b"hello", packed + b"junk"):
        with pytest.raises(ValueError, match=f"the body is no {coding}: "):
            codings.decode(coding, broken, limit)


def test_each_library_stops_at_the_limit(coding: str) -> None:
    with pytest.raises(codings.TooLongError, match="longer than 5999 bytes when decoded"):
        codings.decode(coding, codings.encode(coding, PLAIN), len(PLAIN) - 1)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_pythons_own_codings_know_both_too(coding: str) -> None:
    packed = codings.encode(coding, PLAIN)
    assert codings.decode(coding, packed, len(PLAIN)) == PLAIN
    for broken in (packed[:-1], packed[:9], b"hello", packed + b"junk"):
        with pytest.raises(ValueError, match=f"the body is no {coding}: "):
            codings.decode(coding, broken)
    with pytest.raises(codings.TooLongError):
        codings.decode(coding, packed, len(PLAIN) - 1)


def test_a_brotli_without_a_bound_of_its_own_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    newer: Any = brotli.Decompressor

    class Older:
        def __init__(self) -> None:
            self._decoder = newer()
            self.is_finished = self._decoder.is_finished

        def process(self, data: bytes) -> Any:
            return self._decoder.process(data)

    packed = brotli.compress(PLAIN)
    monkeypatch.setattr(brotli, "Decompressor", Older)
    assert codings.decode("br", packed, len(PLAIN)) == PLAIN
    with pytest.raises(codings.TooLongError):
        codings.decode("br", packed, len(PLAIN) - 1)


@pytest.mark.on_sockets
@pytest.mark.parametrize("header", ["compress", "rot13", "gzip, aes128gcm"])
def test_a_coding_that_nobody_knows_is_no_text(http_server: HttpServer, header: str) -> None:
    http_server.when("/", json={}).reply(204)
    sent = requests.post(http_server.url, data=b"{}", headers={"Content-Encoding": header}, timeout=30)
    assert "json: expected {}, got no JSON: the body is '" in sent.text
    request = http_server.requests[0]
    with pytest.raises(ValueError, match="which nobody here can decode"):
        request.text  # noqa: B018
    with pytest.raises(ValueError, match="which nobody here can decode"):
        request.json()


def test_a_coding_without_its_library_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codings, "_is_there", lambda name: False)
    with pytest.raises(ValueError, match=r"zstd, .* needs one of compression.zstd, backports.zstd, zstandard"):
        codings.decode("zstd", b"x")
    with pytest.raises(ImportError, match="brotli, brotlicffi"):
        codings.encode("br", b"x")


def test_nothing_is_nothing_in_any_coding() -> None:
    assert codings.decode_all("gzip, br", b"") == b""


@pytest.mark.on_sockets
def test_answers_are_compressed_with_what_is_there(http_server: HttpServer) -> None:
    http_server.when("/").reply(body=PLAIN, compress=True)
    for name in codings.available():
        answer = requests.get(http_server.url, headers={"Accept-Encoding": name}, timeout=30, stream=True)
        assert codings.decode(answer.headers["Content-Encoding"], answer.raw.read(decode_content=False)) == PLAIN
    assert codings.available()[:2] == ("gzip", "deflate")
