"""Bytes and text of others as one line that is safe to show: nothing in it moves a cursor or changes a colour."""

from __future__ import annotations

import re


def safe(text: str) -> str:
    """The text with everything that is not to be seen, line ends among it, written as Python writes it."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def quoted(data: bytes, most: int, size: int | None = None) -> str:
    """Bytes as Python writes them, as text where they are text; at most that many, and `...` if there are more."""
    size = len(data) if size is None else size
    data = data[:most]
    more = "..." if size > len(data) else ""
    return f"{_written(data, whole=not more)}{more}"


def quoted_lines(data: bytes, most: int, size: int | None = None) -> list[str]:
    """As `quoted`, a line of text for each line."""
    written = quoted(data, most, size)
    if written.startswith("b"):
        return [written]
    mark, end = written[0], len(written) - 1 - (3 if written.endswith("...") else 0)
    *lines, last = re.split(r"(?<=\\n)", re.sub(r"\\\\", "\0", written[1:end]))
    lines = [*lines, last] if last or not lines else lines
    found = [f"{mark}{line}{mark}".replace("\0", r"\\") for line in lines]
    found[-1] += written[end + 1 :]
    return found


def _written(data: bytes, *, whole: bool) -> str:
    if data.isascii() and b"\x1b" not in data:
        text = data.decode("ascii")
    else:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            if whole or error.start < len(data) - 3 or not error.start:
                return repr(data)
            text = data[: error.start].decode()  # cut in the middle of a character
    if all(character.isprintable() or character in "\r\n\t" for character in text):
        return safe(repr(text))
    return repr(data)


def counted(number: int, noun: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def columns(text: str) -> int:
    """How many columns of a terminal it takes."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    import unicodedata  # only for text that is not ASCII

    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """As much of it as fits into so many columns, with `...` for the rest."""
    return text if columns(text) <= width else f"{_first(text, max(0, width - 3))}..."


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most so many columns, broken at spaces where there are any."""
    lines = []
    while columns(text) > width:
        first = _first(text, width)
        at = first.rfind(" ")
        first = first[:at] if at > width // 2 else first or text[:1]
        lines.append(first)
        text = text[len(first) :].lstrip(" ")
    return [*lines, text]


def _first(text: str, width: int) -> str:
    """The beginning of it, up to so many columns."""
    if text.isascii():
        return text[:width]
    taken = 0
    for index, character in enumerate(text):
        taken += _columns(character)
        if taken > width:
            return text[:index]
    return text
