"""What can be mounted under a path of an HTTP server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pytest_netmocks.protocols.http.paths import decoded, of_text
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.ruled import Author

if TYPE_CHECKING:
    from pytest_netmocks.protocols.http.session import HttpProtocol


class Mount(ABC):
    """Something that answers every path from `at` on."""

    streams: ClassVar[bool] = False
    """Whether it takes the body of a request as it comes."""

    def __init__(self, at: str) -> None:
        self.author: Author = "a test"
        self._route = of_text("at", at)
        self.at = decoded(self._route)

    def has(self, route: str) -> bool:
        """Whether the path, in the form that is compared, is below.

        The server as a whole (`OPTIONS *`) is what is mounted at its root.
        """
        return route == self._route or route.startswith(self._route + "/") or (route == "*" and not self._route)

    def begin(self) -> None:
        """Get ready to serve."""

    @abstractmethod
    async def serve(self, protocol: HttpProtocol, request: HttpRequest, exchange: Exchange) -> None:
        """Answer the request."""

    def end(self) -> None:
        """In the thread that closes the server: let the application go."""
