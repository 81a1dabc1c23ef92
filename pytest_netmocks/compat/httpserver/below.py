"""The server of ours that stands below one with pytest-httpserver's words."""

from __future__ import annotations

import ssl

from pytest_netmocks.encryption.offer import offer_of
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.servers.stream_front import StreamFront


class _WithContext(HttpServer):
    """An HTTP server whose TLS is that of a context which a user has made, and may still change."""

    always_secure = True

    def __init__(self, context: ssl.SSLContext, *, host: str, port: int, name: str) -> None:
        self._offer = offer_of(context)
        super().__init__(host=host, port=port, name=name)

    def _make_front(self) -> StreamFront:
        front = super()._make_front()
        front.contexts = self._offer
        return front


def below(host: str, port: int, context: ssl.SSLContext | None) -> HttpServer:
    """An HTTP server there, not started, with TLS if there is a context."""
    if context is None:
        return HttpServer(host=host, port=port, name="httpserver")
    return _WithContext(context, host=host, port=port, name="httpserver")
