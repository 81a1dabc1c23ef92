"""HAR 1.2 of the exchanges of HTTP and the messages of WebSocket (http://www.softwareishard.com/blog/har-12-spec/).

An archive is a client's view: what counts is what left for it, past the faults. What HAR has no place for is in
`_netmocks`, and messages are in `_webSocketMessages`, as Chromium writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_netmocks.reports.conversation import conversations
from pytest_netmocks.reports.har_entry import entry
from pytest_netmocks.reports.har_parts import iso
from pytest_netmocks.reports.recording import Recording, dumped
from pytest_netmocks.reports.redact import IN_ARCHIVES, masked, redacted
from pytest_netmocks.reports.turns import turns


def write(recordings: Sequence[Recording]) -> bytes:
    """One archive of all recordings: a page each, with its exchanges as entries, in the order of their beginnings."""
    from importlib.metadata import version

    recordings = redacted(recordings, IN_ARCHIVES)
    pages: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for number, recording in enumerate(recordings, 1):
        pages.append(_page(f"page_{number}", recording))
        made = [
            entry(conversation, turn, recording, first=first)
            for conversation in conversations(recording)
            for first, turn in zip([True] + [False] * len(conversation.exchanges), turns(conversation), strict=False)
        ]
        for _, one in sorted(made, key=lambda pair: pair[0]):
            content = one["response"]["content"]
            if "compression" in content and "encoding" not in content:
                content["text"] = masked(content["text"], IN_ARCHIVES)  # it was not to be read before
            entries.append({"pageref": f"page_{number}", **one})
    log = {
        "version": "1.2",
        "creator": {"name": "pytest-netmocks", "version": version("pytest-netmocks")},
        "pages": pages,
        "entries": entries,
        "comment": "Written by the servers: times and sizes are those of what they received and delivered.",
    }
    return dumped({"log": log}).encode()


def read(data: bytes) -> list[Recording]:
    """The recordings of an archive, of a browser's too. Raises `ValueError` where it is none."""
    from pytest_netmocks.reports.har_read import read as of_archive  # only where it is asked for

    return of_archive(data)


def _page(name: str, recording: Recording) -> dict[str, Any]:
    """A test."""
    facts = recording.head()
    del facts["began"], facts["seconds"], facts["title"]
    return {
        "startedDateTime": iso(recording.began),
        "id": name,
        "title": recording.title,
        "pageTimings": {"onContentLoad": -1, "onLoad": round(recording.seconds * 1000, 3)},
        "_netmocks": facts,
    }
