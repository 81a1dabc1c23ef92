"""The page: all recordings of a run in one file of HTML that needs no network; its parts lie beside this file."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import pathlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pytest_netmocks.reports.page.blocks import SIZE, Blocks
from pytest_netmocks.reports.recording import Recording, packed

HERE = pathlib.Path(__file__).parent

SCRIPTS = (
    "dom",
    "unpack",
    "words",
    "story",
    "axis",
    "rows",
    "list",
    "waterfall",
    "bytes",
    "details",
    "sweep",
    "live",
    "app",
    "start",
)
"""The files of the page's script, in their order."""

GATHERED = 50
"""Recordings that are put on the page in one go: what is done in a row needs far less of the processor each time."""

CAUSE = 300
"""Characters of a cause in the list of tests."""


class Page:
    """Takes recordings as they come and writes the page last; what waits is in a file, all but the last."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.written = False
        self._index = Index()
        self._blocks = Blocks()
        self._gathered: list[tuple[Recording, str, Sequence[str]]] = []
        self._size = 0
        self._waiting = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115  # it is there as long as the run

    def add(self, recording: Recording, text: str = "", files: Sequence[str] = ()) -> None:
        """Put a recording on the page; `text` is its text, if at hand, `files` are where else it was written to."""
        self._gathered.append((recording, text, files))
        self._size += len(recording.written)
        # What was read takes far more room than what is written.
        if len(self._gathered) >= GATHERED or self._size > SIZE or not recording.written:
            self._put()

    def _put(self) -> None:
        folder = self.path.parent
        for recording, text, files in self._gathered:
            text = text or recording.text()  # noqa: PLW2901
            if not _is_in_head(text):
                recording.read()
            self._index.add(recording, [os.path.relpath(file, folder) for file in files])
            if made := self._blocks.add(text):
                self._waiting.write(made)
        self._gathered.clear()
        self._size = 0

    def write(self) -> None:
        """Write it. Raises `OSError` where that cannot be."""
        with self._waiting:
            self._put()
            self._waiting.write(self._blocks.rest())
            self._waiting.seek(0)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("w", encoding="utf-8", newline="\n") as page:
                page.writelines(_assembled(self._index.pack(self._blocks.firsts), self._waiting))
        self.written = True


def write(recordings: Sequence[Recording]) -> bytes:
    """The page of these recordings."""
    index, blocks = Index(), Blocks()
    made = []
    for recording in recordings:
        index.add(recording)
        made.append(blocks.add(recording.text()))
    made.append(blocks.rest())
    return "".join(_assembled(index.pack(blocks.firsts), made)).encode()


@functools.cache
def live() -> bytes:
    """The page without recordings: it gets them, as they come, from where it is served."""
    page = "".join(_assembled(Index().pack([]), ()))
    policy = "default-src 'none'; connect-src 'self'; img-src data:;"
    return (
        page.replace("default-src 'none';", policy, 1)
        .replace('<html lang="en">', '<html lang="en" data-live>', 1)
        .encode()
    )


class Index:
    """What the list of tests shows: a row for each recording."""

    def __init__(self) -> None:
        self._rows: list[list[Any]] = []
        self._names: dict[str, int] = {}

    def add(self, recording: Recording, files: Sequence[str] = ()) -> None:
        """Add a recording's row."""
        row = row_of(recording, files)
        for name in ("servers", "faults"):
            row[name] = self._numbers(row[name])
        self._rows.append(list(row.values()))

    def _numbers(self, names: Iterable[str]) -> list[int]:
        return [self._names.setdefault(name, len(self._names)) for name in names]

    def pack(self, firsts: list[int]) -> str:
        """All rows, and the first recordings of the blocks, compressed as those are."""
        index = {"names": list(self._names), "blocks": firsts, "rows": self._rows}
        return packed(json.dumps(index, separators=(",", ":")))


def row_of(recording: Recording, files: Sequence[str] = ()) -> dict[str, Any]:
    """What the list of tests has of a recording; `testsOf` of the page's script reads it in this order."""
    return {
        "title": recording.title,
        "outcome": recording.outcome,
        "seconds": round(recording.seconds, 6),
        "began": round(recording.began, 3),
        "place": recording.place,
        "cause": _cause(recording),
        "servers": [str(server["name"]) for server in recording.servers],
        "faults": sorted({fault.partition("(")[0] for fault in _faults(recording.events)}),
        "swept": _swept(recording.sweep),
        "files": list(files),
    }


OF_FAULTS = ("in_force", "struck")
"""The kinds of events whose faults the list names."""


def _faults(events: Iterable[dict[str, Any]]) -> Iterator[str]:
    for event in events:
        if event.get("event") in OF_FAULTS and isinstance(fault := event.get("fault"), str):
            yield fault


def _is_in_head(text: str) -> bool:
    """Whether all that the list has of a recording of that text is in its head: no event is of a fault."""
    return not any(f'"event":"{kind}"' in text for kind in OF_FAULTS)


def _cause(recording: Recording) -> str:
    """What ended it; where nobody has said, the first line that pytest shows of the error."""
    if recording.cause or not recording.error:
        return recording.cause[:CAUSE]
    lines = [line[1:].strip() for line in recording.error.splitlines() if line.startswith("E ")]
    return (lines or recording.error.strip().splitlines() or [""])[0][:CAUSE]


def _swept(sweep: dict[str, Any] | None) -> str:
    return f"{sweep['failed']} of {sweep['tried']} places failed" if sweep else ""


def _assembled(index: str, blocks: Iterable[str]) -> Iterator[str]:
    """The page's parts: the list comes before the recordings, so that it is shown before they have all been read."""
    parts = {**_static(), "index": index}
    # The template alone is looked through for places, never what was put there.
    for place, text in re.findall(r"\{\{(\w+)\}\}|((?:(?!\{\{\w+\}\}).)+)", _read("page.html"), re.DOTALL):
        if text:
            yield text
        elif place == "recordings":
            yield from blocks
        else:
            yield parts[place]


@functools.cache
def _static() -> dict[str, str]:
    style = _read("page.css")
    script = "\n".join(_read(f"{name}.js") for name in SCRIPTS)
    script = f'\n(() => {{\n"use strict";\n{script}}})();\n'
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; {REST}"
    return {"style": style, "script": script, "policy": policy}


REST = "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
"""The rest of the Content-Security-Policy: with it a text that became a script or HTML would be an error."""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
