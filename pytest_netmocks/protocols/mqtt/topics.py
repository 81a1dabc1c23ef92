"""Topics and topic filters (MQTT 5.0, section 4.7), and what is kept by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

DEEPEST = 200
"""Levels that a filter or a topic may have: one more for every step of a search."""


def wrong_topic(topic: str) -> str:
    """Why it names no topic; empty if it does."""
    if not topic:
        return "is empty"
    if "+" in topic or "#" in topic:
        return "has a wildcard"
    return _too_deep(topic)


def wrong_filter(name: str) -> str:
    """Why it is no topic filter; empty if it is one."""
    if not name:
        return "is empty"
    levels = name.split("/")
    if levels[0] == "$share" and (len(levels) < 3 or not levels[1] or set("+#") & set(levels[1]) or levels[2:] == [""]):
        return "is no shared subscription: $share/group/filter"
    for number, level in enumerate(levels):
        if "#" in level and (level != "#" or number < len(levels) - 1):
            return "has a # that is not its last level"
        if "+" in level and level != "+":
            return "has a + that is no level of its own"
    return _too_deep(name)


def _too_deep(name: str) -> str:
    return f"has more than {DEEPEST} levels" if name.count("/") >= DEEPEST else ""


def fits(name: str, topic: str) -> bool:
    """Whether a filter has that topic."""
    levels, wanted = topic.split("/"), name.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for number, level in enumerate(wanted):
        if level == "#":
            return True
        if number >= len(levels) or level not in ("+", levels[number]):
            return False
    return len(wanted) == len(levels)


class Tree(Generic[T]):
    """Values by topic filter, or by topic: a search goes along the levels, past what cannot fit."""

    __slots__ = ("below", "here")

    def __init__(self) -> None:
        self.below: dict[str, Tree[T]] = {}
        """What is one level further, by the name of that."""
        self.here: T | None = None
        """What is kept under the name that ends here."""

    def __setitem__(self, name: str, value: T) -> None:
        node = self
        for level in name.split("/"):
            node = node.below.setdefault(level, Tree())
        node.here = value

    def get(self, name: str) -> T | None:
        """What is there under that name."""
        node: Tree[T] | None = self
        for level in name.split("/"):
            node = node.below.get(level) if node is not None else None
        return node.here if node is not None else None

    def remove(self, name: str) -> None:
        """Nothing is there any more, nor are levels that nothing else needs."""
        path: list[tuple[Tree[T], str]] = []
        node = self
        for level in name.split("/"):
            if level not in node.below:
                return
            path.append((node, level))
            node = node.below[level]
        node.here = None
        for above, level in reversed(path):
            if above.below[level].here is None and not above.below[level].below:
                del above.below[level]

    def of_filters(self, topic: str) -> Iterator[T]:
        """Of values by filter those whose filter has the topic."""
        levels = topic.split("/")
        return self.fitting(levels, 0, wild=not topic.startswith("$"))

    def fitting(self, levels: list[str], at: int, *, wild: bool) -> Iterator[T]:
        rest = self.below.get("#") if wild else None
        if rest is not None and rest.here is not None:
            yield rest.here
        if at == len(levels):
            if self.here is not None:
                yield self.here
            return
        for level in (levels[at], "+") if wild else (levels[at],):
            below = self.below.get(level)
            if below is not None:
                yield from below.fitting(levels, at + 1, wild=True)

    def of_topics(self, name: str) -> Iterator[T]:
        """Of values by topic those whose topic the filter has."""
        return self.covered(name.split("/"), 0)

    def covered(self, levels: list[str], at: int) -> Iterator[T]:
        if at == len(levels):
            if self.here is not None:
                yield self.here
            return
        level = levels[at]
        if level == "#":
            yield from self.all(top=not at)
        elif level == "+":
            for name, below in self.below.items():
                if at or not name.startswith("$"):
                    yield from below.covered(levels, at + 1)
        elif level in self.below:
            yield from self.below[level].covered(levels, at + 1)

    def all(self, *, top: bool = False) -> Iterator[T]:
        if self.here is not None:
            yield self.here
        for name, below in self.below.items():
            if not (top and name.startswith("$")):
                yield from below.all()
