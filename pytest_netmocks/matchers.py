"""`Not`, `AnyOf` and `Partial`: what a rule asks for where one exact value does not say it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pytest_netmocks import check

ANY_PATH = "/{rest:path}"
"""Every path of an HTTP server; what follows the slash is `request.path_params["rest"]`."""


@dataclasses.dataclass(frozen=True)
class Not:
    """Anything but that: `Not("a")`, `Not(re.compile("^a"))`, `Not(AnyOf("a", "b"))`; `Not(None)` is there at all."""

    wanted: Any
    """What must not be there."""

    def __repr__(self) -> str:
        return f"Not({self.wanted!r})"


@dataclasses.dataclass(frozen=True, init=False)
class AnyOf:
    """One of these: `AnyOf("GET", "POST")`, `AnyOf("en", re.compile("^de"), None)`. Raises `ValueError` for none."""

    wanted: tuple[Any, ...]
    """The values of which one has to be there."""

    def __init__(self, *wanted: Any) -> None:
        if not wanted:
            raise ValueError("AnyOf() takes at least one value to choose from")
        object.__setattr__(self, "wanted", wanted)

    def __repr__(self) -> str:
        return f"AnyOf({', '.join(map(repr, self.wanted))})"


@dataclasses.dataclass(frozen=True)
class Partial:
    """JSON that has at least this: of objects the names that are given, at every depth.

    A list has as many elements, each with at least what is given. Compiled patterns, `Not`, `AnyOf` and what compares
    equal to everything (`unittest.mock.ANY`) may stand for values.
    """

    wanted: Any
    """What has to be there at least."""

    def __repr__(self) -> str:
        return f"Partial({self.wanted!r})"


def holds(wanted: Any, fits: Callable[[Any], bool]) -> bool:
    """Whether what is wanted holds, where `fits` says so of each value in it."""
    if isinstance(wanted, Not):
        return not holds(wanted.wanted, fits)
    if isinstance(wanted, AnyOf):
        return any(holds(one, fits) for one in wanted.wanted)
    return fits(wanted)


def leaves(wanted: Any) -> Iterator[Any]:
    """The values in what is wanted, without the words around them."""
    if isinstance(wanted, Not):
        yield from leaves(wanted.wanted)
    elif isinstance(wanted, AnyOf):
        for one in wanted.wanted:
            yield from leaves(one)
    else:
        yield wanted


def check_leaves(name: str, wanted: Any, kinds: tuple[type, ...], accepted: str) -> None:
    """Refuse values that are not of these kinds, whatever words are around them; patterns have to be of text."""
    for leaf in leaves(wanted):
        if isinstance(leaf, Partial):
            raise TypeError(f"{name} must be {accepted}, not {wanted!r}: Partial is for json=")
        check.instance(name, leaf, kinds, accepted)
        if isinstance(leaf, re.Pattern) and not isinstance(leaf.pattern, str):
            raise TypeError(f"{name} must be {accepted}, not {leaf!r}: a pattern has to be of text")


def fits_text(wanted: Any, *forms: str | None) -> bool:
    """Whether a text that has several forms, one of them at least, is what is wanted; `None` is one that is not there.

    A compiled pattern is searched for, a number is compared as it is written.
    """

    def fits(leaf: Any) -> bool:
        if leaf is None:
            return all(form is None for form in forms)
        if isinstance(leaf, re.Pattern):
            return any(form is not None and leaf.search(form) is not None for form in forms)
        return str(leaf) in forms

    return holds(wanted, fits)


def check_json(name: str, wanted: Any) -> None:
    """Refuse what no JSON can be; words, patterns and objects that compare in a way of their own may be in it."""
    if isinstance(wanted, (Not, Partial)):
        check_json(name, wanted.wanted)
    elif isinstance(wanted, (Mapping, list, tuple, AnyOf)):
        parts = wanted.wanted if isinstance(wanted, AnyOf) else wanted
        for part in parts.values() if isinstance(parts, Mapping) else parts:
            check_json(name, part)
    elif isinstance(wanted, (set, frozenset, bytes, bytearray, memoryview)):
        raise TypeError(f"{name} must be what json.dumps() takes, not {wanted!r}")


def fits_json(wanted: Any, got: Any, *, partly: bool = False) -> bool:
    """Whether a value that was JSON is what is wanted."""

    def fits(leaf: Any) -> bool:
        if isinstance(leaf, Partial):
            return fits_json(leaf.wanted, got, partly=True)
        if isinstance(leaf, re.Pattern):
            return isinstance(got, str) and leaf.search(got) is not None
        if isinstance(leaf, Mapping) and isinstance(got, Mapping):
            names = set(leaf) <= set(got) if partly else set(leaf) == set(got)
            return names and all(fits_json(one, got[name], partly=partly) for name, one in leaf.items())
        if isinstance(leaf, (list, tuple)) and isinstance(got, list):
            same = len(leaf) == len(got)
            return same and all(fits_json(one, other, partly=partly) for one, other in zip(leaf, got, strict=True))
        return bool(leaf == got)

    return holds(wanted, fits)
