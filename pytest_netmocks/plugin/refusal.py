"""Wrong markers: what is said of one, at the collection or where the test begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, TypeVar

import pytest

Read = TypeVar("Read")


def refuse(text: str) -> NoReturn:
    """Fail with that line and nothing else: where it is raised tells a user nothing."""
    __tracebackhide__ = True
    pytest.fail(text, pytrace=False)


def checked(where: str, read: Callable[[], Read]) -> Read:
    """What `read` makes of a marker; its `ValueError` or `TypeError` is refused, with `where` before it."""
    __tracebackhide__ = True
    try:
        return read()
    except (ValueError, TypeError) as error:
        text = f"{where}: {error}"
    refuse(text)  # not while the error is handled: it would be shown as the reason


def only_one(node: pytest.Item, name: str) -> None:
    """Raise `ValueError` if the test function has several markers of that name: one alone would count."""
    mine = [mark for mark in node.own_markers if mark.name == name]
    if len(mine) > 1:
        raise ValueError(f"there are {len(mine)} markers, and one alone counts: give it all arguments")
