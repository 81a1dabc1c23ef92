"""The ladder: client on the left, server on the right, a line a row, in as many columns as there are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_netmocks.records.words import columns, cut, safe, wrapped
from pytest_netmocks.reports.rows import Row, rows
from pytest_netmocks.reports.story import Story

LINES = 60
"""Lines at most; of more a third from the beginning and the others from the end."""

BEFORE = 17
"""Columns before the client's: the time, and the connection."""

NARROWEST = 50
"""Columns between client and server at least; who has a narrower window turns it."""

FOLLOWING = 6
"""Further lines of one row at most, unless all is to be shown."""

HEAD = f"{'seconds':>9}  {'conn':>4}  "


def ladder(story: Story, width: int, *, whole: bool = False) -> list[str]:
    """The title, and the lines of a server, at most `width` columns each.

    Unless `whole`, what repeats is counted, the usual beginnings and ends of connections are left out, and so is the
    middle of many lines.
    """
    told = [row for row in rows(story) if whole or _is_eventful(story, row)]
    title = f"{story.name}  {story.url}"
    if not told:
        return [title, f"{'-':>9}  nothing happened"]
    lines = [f"{'...':>9}  {story.dropped} earlier events are not kept"] if story.dropped else []
    draw = _Drawer(told, width, whole=whole)
    if whole:
        lines += [line for row in told for line in draw.lines(row)]
    else:
        lines += _folded(told, draw)
    if not whole and len(lines) > LINES:
        gap = len(lines) - LINES
        lines[LINES // 3 : LINES // 3 + gap] = [f"{'...':>9}  {gap} lines, -v shows all"]
    return [title, draw.head, *lines]


def _is_eventful(story: Story, row: Row) -> bool:
    """Whether a row is worth a line: the usual is where a fault struck, or nothing else is."""
    if not row.ordinary:
        return True
    if row.ordinary == "bytes" or row.connection is None:
        return False
    talk = story.talks[row.connection]
    return bool(talk.struck) or not talk.turns


def _folded(told: Sequence[Row], draw: _Drawer) -> list[str]:
    """The lines, where what one connection did again is counted."""
    blocks = _blocks(told)
    keys = [[row.key for row in block] for block in blocks]
    lines: list[str] = []
    index = 0
    while index < len(blocks):
        same = index + 1
        while same < len(blocks) and keys[same] == keys[index]:
            same += 1
        lines += [line for row in blocks[index] for line in draw.lines(row)]
        times = same - index - 1
        if times:
            last = blocks[same - 1][0].connection
            to = f", the last on connection {last}" if last != blocks[index][0].connection else ""
            lines.append(f"{'...':>9}  {'the same once more' if times == 1 else f'the same {times} times more'}{to}")
        index = same
    return lines


def _blocks(told: Sequence[Row]) -> list[list[Row]]:
    """What one connection did before another had its turn, or its next exchange began."""
    blocks: list[list[Row]] = []
    for row in told:
        if not blocks or blocks[-1][0].connection != row.connection or row.begins:
            blocks.append([])
        blocks[-1].append(row)
    return blocks


class _Drawer:
    """Draws rows between two rails."""

    def __init__(self, told: Sequence[Row], width: int, *, whole: bool) -> None:
        room = max(NARROWEST, width - BEFORE - 2)
        longest = max((columns(line) for row in told for line in row.told.splitlines()), default=0)
        self._inside = min(room, max(NARROWEST, longest + 10))
        self._whole = whole
        self.head = f"{HEAD}client{'server'.rjust(self._inside - 4)}"

    def lines(self, row: Row) -> list[str]:
        """The lines of a row."""
        number = "" if row.connection is None else str(row.connection)
        before = f"{row.at:9.4f}  {number:>4}  "
        texts = row.told.splitlines() or [""]
        if row.form in ("up", "down"):
            first, *more = self._fitting(texts, self._inside - 10)
            drawn = [self._arrow(row, first), *(f"|   {self._padded(text, 3)}|" for text in more)]
        else:
            mark = {"fault": "!", "wrong": "?", "note": " "}[row.form]
            first, *more = self._all_of(texts, self._inside - 6)
            drawn = [f"|  {mark} {self._padded(first, 5)} |", *(f"|    {self._padded(text, 5)} |" for text in more)]
        return [f"{before if number == 0 else ' ' * len(before)}{line}" for number, line in enumerate(drawn)]

    def _fitting(self, texts: Sequence[str], room: int) -> list[str]:
        """What an arrow says: one line, unless all is to be shown."""
        if self._whole:
            return self._all_of(texts, room)
        return [cut(safe(texts[0]) + ("..." if len(texts) > 1 else ""), room)]

    def _all_of(self, texts: Sequence[str], room: int) -> list[str]:
        found: list[str] = []
        for text in texts:
            indent = text[: len(text) - len(text.lstrip(" "))][: room // 2]
            found += [f"{indent}{line}" for line in wrapped(safe(text.strip()), room - len(indent))]
        if len(found) > FOLLOWING + 1 and not self._whole:
            found[FOLLOWING:] = [f"... {len(found) - FOLLOWING} lines more"]
        return found

    def _padded(self, text: str, taken: int) -> str:
        return text + " " * max(0, self._inside - taken - columns(text))

    def _arrow(self, row: Row, text: str) -> str:
        dashes = self._inside - columns(text)
        if row.form == "up":
            # |-- text ------->|  |-- text ----X   |
            end = {"whole": ">", "part": "X-->", "none": "X   "}[row.way]
            return f"|-- {text} {'-' * (dashes - 4 - len(end))}{end}|"
        # |<-- text -------|  |<-- text -X-----|  |    text X-----|
        begin = {"whole": "<--", "part": "<--", "none": "   "}[row.way]
        middle = "" if row.way == "whole" else "X"
        return f"|{begin} {text} {middle}{'-' * (dashes - 5 - len(middle))}|"


_LINE = re.compile(r"^(?: *[\d.]+ {2}.{4} {2}| {17,})\|(.*)\|?$")


def colour(line: str) -> dict[str, bool]:
    """How pytest's writer is to mark a line of a ladder up: what was said, struck and went wrong at a glance."""
    if not line.startswith(" "):
        return {"cyan": True, "bold": True} if line else {}
    found = _LINE.match(line)
    if found is None:
        return {"light": True}
    inside = found[1]
    if inside.startswith("  ! ") or " X-" in inside[-6:] or re.search(r" X-+\|$| -+X(?:-->|   )\|$", inside):
        return {"red": True, "bold": True}
    if inside.startswith("  ? "):
        return {"yellow": True, "bold": True}
    if inside.startswith("-- "):
        return {"green": True}
    if inside.startswith("<-- "):
        return {"blue": True}
    return {}
