"""Where rules match in a stream of bytes: the earliest match first, and not the whole stream again for every one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

from pytest_netmocks.rules.bytes import ByteRule

R = TypeVar("R", bound=ByteRule[Any])


class ByteSearch(Generic[R]):
    """The bytes that nobody has taken yet, and what the rules find in them."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        # A literal is where it is, wherever the search begins; a pattern may look at what is before it.
        self._literal: dict[R, int] = {}

    def __len__(self) -> int:
        return len(self._data) - self._at

    @property
    def head(self) -> bytes:
        """The first of them, to be shown."""
        return self._data[self._at : self._at + 64]

    def add(self, data: bytes) -> None:
        """More has come."""
        self._data = self._data[self._at :] + data
        self._at = 0
        self._literal.clear()

    def cut(self, size: int) -> bytes:
        """Keep the first `size` bytes; gives what was behind them."""
        behind = self._data[self._at + size :]
        self._data = self._data[: self._at + size]
        self._literal.clear()
        return behind

    def skip(self, size: int) -> None:
        """The first `size` bytes are dealt with."""
        self._at += size

    def earliest(self, rules: Sequence[R]) -> tuple[int, list[tuple[R, re.Match[bytes]]]] | None:
        """How many bytes are before the match to take, and the rules that match there, in the given order.

        That is the earliest. If no rule that matches there has an answer, one that matches in the same bytes is asked
        before they fall to the echo, and those that only strike do so all the same.
        """
        found = [(rule, at) for rule in rules if (at := self._find(rule)) is not None]
        if not found:
            return None
        start = min(at for _, at in found)
        matching = self._matches(found, start)
        if not any(rule.answers for rule, _ in matching):
            end = start + max(match.end() - match.start() for _, match in matching)
            inside = [at for rule, at in found if rule.answers and at < end]
            if inside:
                start = min(inside)
                # Those that only strike, and those of the answer's place.
                matches = dict([*matching, *self._matches(found, start)])
                matching = [(rule, matches[rule]) for rule in rules if rule in matches and not rule.used_up]
        return start - self._at, matching

    def _matches(self, found: list[tuple[R, int]], start: int) -> list[tuple[R, re.Match[bytes]]]:
        here = [(rule, self._search(rule)) for rule, at in found if at == start]
        return [(rule, match) for rule, match in here if match is not None]

    def _find(self, rule: R) -> int | None:
        """Where the rule's first match begins in the data."""
        if rule.literal is None:
            match = self._search(rule)
            return None if match is None else self._at + match.start()
        at = self._literal.get(rule, 0)
        if 0 <= at < self._at or rule not in self._literal:
            at = self._literal[rule] = self._data.find(rule.literal, self._at)
        return at if at >= 0 else None

    def _search(self, rule: R) -> re.Match[bytes] | None:
        assert rule.pattern is not None
        view: Any = memoryview(self._data)[self._at :]  # a pattern's ^ is the first byte that nobody has taken
        found: Iterator[re.Match[bytes]] = rule.pattern.finditer(view)
        return next((match for match in found if match.end() > match.start()), None)
