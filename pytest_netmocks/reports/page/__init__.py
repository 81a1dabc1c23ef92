"""The page: all recordings of a run in one file of HTML that needs no network."""

from __future__ import annotations

import html
import pathlib
import tempfile

from pytest_netmocks.reports.recording import Recording


class Page:
    """Takes recordings as they come and writes the page last; what waits is in a file of its own, not in memory."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.written = False
        self._waiting = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  # it is there as long as the run

    def add(self, recording: Recording, packed: str) -> None:
        """Put a recording on the page; `packed` is the same."""
        title = html.escape(f"{recording.outcome} {recording.title} {recording.place}")
        self._waiting.write(f"<h2>{title}</h2><script type='application/x-netmocks'>{packed}</script>\n")

    def write(self) -> None:
        """Write it."""
        self._waiting.seek(0)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("w", encoding="utf-8") as page:
            page.write("<!doctype html><meta charset=utf-8><title>netmocks</title>\n")
            for line in self._waiting:
                page.write(line)
        self.written = True
