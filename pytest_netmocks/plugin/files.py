"""The files of a run: which are asked for, and what is written into them as tests end."""

from __future__ import annotations

import pathlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_netmocks.plugin.settings import Wanted
from pytest_netmocks.reports import writers
from pytest_netmocks.reports.page import Page
from pytest_netmocks.reports.recording import Recording, packed

if TYPE_CHECKING:
    from pytest_netmocks.reports.live.hub import Hub

LONGEST = 120
"""Characters of a file's name."""


class Files:
    """Writes what was asked for; what cannot be written is told, and ends no run."""

    def __init__(self, wanted: Wanted, hub: Hub | None = None) -> None:
        self._wanted = wanted
        self._hub = hub
        self._folders = {suffix: pathlib.Path(folder) for suffix, folder in wanted.folders.items()}
        self._page = Page(pathlib.Path(wanted.report)) if wanted.report else None
        self._written: Counter[str] = Counter()
        self._problems: list[str] = []
        self._names: Counter[str] = Counter()

    @property
    def captures(self) -> bool:
        """Whether the bytes on the wire are asked for."""
        return ".pcapng" in self._wanted.folders

    @property
    def page(self) -> pathlib.Path | None:
        """Where the page of the run will be, if it is asked for."""
        return self._page.path if self._page is not None else None

    def wants(self, *, failed: bool) -> bool:
        """Whether anything is to be written of a test that came to that."""
        return failed or self._wanted.keep == "all" or self._page is not None or self._wanted.inspect is not None

    def of(self, test: str, place: str = "") -> list[str]:
        """Where a failing test's files will be."""
        return [str(folder / f"{file_name(test, place)}{suffix}") for suffix, folder in self._folders.items()]

    def add(self, recording: Recording, text: str = "") -> None:
        """Write what is to be written of a run; `text` is the recording's, where it is at hand.

        Its events, which are most of it, are read only if somebody needs them.
        """
        if self._folders or self._wanted.redact or self._hub is not None:
            recording.read()
        if self._wanted.redact:
            from pytest_netmocks.reports.redact import redacted  # only where it is asked for

            (recording,) = redacted([recording], self._wanted.redact)
            text = ""
        written: list[str] = []
        if self._folders and (recording.outcome == "failed" or self._wanted.keep == "all"):
            name = file_name(recording.title, recording.place)
            self._names[name] += 1
            if self._names[name] > 1:  # another attempt at the same test
                name += f".{self._names[name]}"
            for suffix, folder in self._folders.items():
                path = folder / f"{name}{suffix}"
                if self._write(suffix, path, recording):
                    written.append(str(path))
        if self._page is not None:
            self._page.add(recording, text, written)
        if self._hub is not None:
            self._hub.done(recording, packed(text or recording.text()))

    def _write(self, suffix: str, path: pathlib.Path, recording: Recording) -> bool:
        try:
            writers.save(path, [recording])
        except OSError as error:
            self._problems.append(f"cannot write {path}: {error.strerror or error}")
            return False
        self._written[suffix] += 1
        return True

    def finish(self) -> None:
        """Write what is one file for all."""
        if self._page is not None:
            try:
                self._page.write()
            except OSError as error:
                self._problems.append(f"cannot write {self._wanted.report}: {error.strerror or error}")

    def lines(self) -> Iterator[str]:
        """What was written."""
        if self._page is not None and self._page.written:
            yield f"report in {self._page.path}"
        for suffix, number in self._written.items():
            yield f"{number} {suffix} {'file' if number == 1 else 'files'} in {self._folders[suffix]}"
        yield from self._problems[:5]
        if len(self._problems) > 5:
            yield f"{len(self._problems) - 5} more files could not be written"


def file_name(test: str, place: str = "") -> str:
    """What the files of a test are called, without their suffix."""
    name = test.replace("::", "--").replace("/", "-") + (f"@{place}" if place else "")
    name = re.sub(r"[^\w.\-\[\]=@]+", "_", name).lstrip(".")
    if len(name.encode()) <= LONGEST:
        return name
    import hashlib  # only for long names

    kept = name.encode()[: LONGEST - 17].decode(errors="ignore")
    return f"{kept}-{hashlib.sha256((test + place).encode()).hexdigest()[:16]}"
