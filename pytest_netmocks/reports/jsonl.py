"""JSON lines: a head and then the events of each recording, one object a line; `docs/events.md` is the schema."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_netmocks.reports.recording import Recording


def write(recordings: Sequence[Recording]) -> bytes:
    """The lines of all recordings, one behind the other."""
    return "".join(f"{line}\n" for recording in recordings for line in recording.lines()).encode()
