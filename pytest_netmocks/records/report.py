"""A timeline for the report of a failing test: an exchange is one line, and what is the same is said once."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_netmocks.records.timeline import Line, Timeline

LINES = 60
"""Lines at most; of more a third from the beginning and the others from the end."""

_ORDINARY = {"opened", "received", "sent", "ended", "closed", "tls"}


def report(timeline: Timeline, since: int = 0) -> list[str]:
    """The title and the lines, after the first `since` events that ever were.

    Of a connection whose exchanges are described, and that no fault struck, its bytes, beginning and end are not shown.
    What repeats is counted.
    """
    events = timeline.since(since)
    blocks = _blocks(_telling(events))
    lines: list[str] = []
    index = 0
    while index < len(blocks):
        same = index + 1
        while same < len(blocks) and _key(blocks[same]) == _key(blocks[index]):
            same += 1
        lines += [line for event in blocks[index] for line in str(event).splitlines()]
        times = same - index - 1
        if times:
            last = blocks[same - 1][0].connection
            to = f", the last on connection {last}" if last != blocks[index][0].connection else ""
            lines.append(f"{'...':>9}  {'the same once more' if times == 1 else f'the same {times} times more'}{to}")
        index = same
    if len(lines) > LINES:
        gap = len(lines) - LINES
        lines[LINES // 3 : LINES // 3 + gap] = [f"{'...':>9}  {gap} lines, --netmocks-timeline shows all"]
    return [timeline.title, *(lines or [f"{'-':>9}  nothing happened"])]


def _telling(events: list[Line]) -> list[Line]:
    """Without the bytes, beginnings and ends of connections whose exchanges say all there is to say."""
    spoken = {event.connection for event in events if event.kind == "exchange"}
    struck = {event.connection for event in events if event.kind == "fault"}
    return [event for event in events if event.kind not in _ORDINARY or event.connection not in spoken - struck]


def _blocks(events: Iterable[Line]) -> list[list[Line]]:
    """What one connection did before another had its turn, or its next exchange began."""
    blocks: list[list[Line]] = []
    for event in events:
        if not blocks or blocks[-1][0].connection != event.connection or event.kind in ("opened", "exchange"):
            blocks.append([])
        blocks[-1].append(event)
    return blocks


def _key(block: list[Line]) -> list[str]:
    """What makes two blocks the same: not who the client was."""
    return [event.kind if event.kind == "opened" else event.describe() for event in block]
