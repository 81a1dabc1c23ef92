"""JSON lines: a head and then the events of each recording, one object a line; `docs/events.md` is the schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_netmocks.reports.recording import Recording, dumped


def write(recordings: Sequence[Recording]) -> bytes:
    """The lines of all recordings, one behind the other."""
    return "".join(f"{line}\n" for recording in recordings for line in _lines(recording)).encode()


def _lines(recording: Recording) -> Iterator[str]:
    """As the recording's own, with the time of each event in seconds since 1970."""
    began = {server["id"]: float(server["began"]) for server in recording.servers}
    yield dumped(recording.head())
    for event in recording.events:
        time = began.get(event.get("server"), recording.began) + event["at"]
        yield dumped({**event, "time": round(time, 6)})


def read(data: bytes) -> list[Recording]:
    """The recordings of such lines. Raises `ValueError` where they are none."""
    found: list[list[str]] = []
    for line in data.decode().split("\n"):
        if line.startswith('{"netmocks":') or not found:
            found.append([])
        found[-1].append(line)
    return [Recording.of_lines(lines) for lines in found]
