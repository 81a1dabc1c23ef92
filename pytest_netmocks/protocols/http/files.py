"""A directory that is served: its files, `index.html` for a folder, and no way out."""

from __future__ import annotations

import errno
import os
import pathlib

from pytest_netmocks import check
from pytest_netmocks.protocols.http.mounts import Mount
from pytest_netmocks.protocols.web.paths import SLASH
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.protocols.web.sender import respond
from pytest_netmocks.protocols.web.turn import RequestTurn

LONGEST = 4096
"""Bytes of a path that the kernel takes (PATH_MAX, limits.h)."""


class FilesMount(Mount):
    """The files below a directory."""

    def __init__(self, at: str, directory: str | os.PathLike[str]) -> None:
        super().__init__(at)
        check.instance("directory", directory, (str, os.PathLike), "a path")
        self.root = pathlib.Path(directory).resolve()
        if not self.root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "directory: no such directory", str(directory))

    async def serve(self, turn: RequestTurn) -> None:
        await respond(turn, self._response(turn.request))

    def _response(self, request: HttpRequest) -> Response:
        if request.method not in ("GET", "HEAD"):
            return Response(405, text="only GET and HEAD\n", headers={"Allow": "GET, HEAD"})
        # No name of a file has a slash.
        found = self.find(request.path.removeprefix(self.at)) if SLASH not in request.route else None
        if found is None:
            return Response(404, text=f"{request.path} is not here\n")
        if found.is_dir():
            if not request.path.endswith("/"):
                return Response(301, redirect=request.target.partition("?")[0] + "/")
            found = self.find(request.path.removeprefix(self.at) + "index.html")
            if found is None or not found.is_file():
                return Response(404, text=f"{request.path} has no index.html\n")
        if not found.is_file():  # a pipe or a device would be waited for
            return Response(404, text=f"{request.path} is no file\n")
        try:
            with found.open("rb"):
                pass
        except OSError as error:
            return Response(403, text=f"{request.path}: {error.strerror}\n")
        return Response(file=found)

    def find(self, path: str) -> pathlib.Path | None:
        """What the path leads to, if that is below the root after all its links and dots."""
        if "\0" in path or "\\" in path:
            return None
        try:
            if len(os.fsencode(path)) > LONGEST:
                return None
            found = self.root / path.lstrip("/")
            found.stat()  # one look for the kernel; what is not there needs no name by name of ours
            found = found.resolve()
            return found if found.is_relative_to(self.root) else None
        except (OSError, ValueError, RuntimeError):
            return None
