"""What can be mounted under a path of an HTTP server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from pytest_netmocks.protocols.web.paths import decoded, of_text
from pytest_netmocks.protocols.web.turn import RequestTurn
from pytest_netmocks.servers.ruled import Author


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
    async def serve(self, turn: RequestTurn) -> None:
        """Answer the request."""

    def begin_again(self) -> None:
        """The server is reset, and this stays."""

    def end(self) -> None:
        """In the thread that closes the server: let the application go."""
