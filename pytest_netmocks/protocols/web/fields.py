"""`Headers` and `Query`: names with values, in order and repeated where the client repeated them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import unquote_plus

Pairs = Iterable[tuple[str | bytes, str | bytes]]
Given = Mapping[str, str | int | None] | Iterable[tuple[str | bytes, str | bytes | int | None]]
D = TypeVar("D")


def text_of(value: object) -> str:
    """A name or value as text: bytes are Latin-1 (RFC 9110, section 5.5)."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _plain(text: str) -> str:
    """A name or value of a query without its encoding; there may be thousands, most of them without any."""
    return unquote_plus(text) if "%" in text or "+" in text else text


class Query(Mapping[str, str]):
    """Names with values: `query["q"]` is the last value, `query.get_all("q")` are all, `query.pairs` everything."""

    __slots__ = ("_given", "_index")

    def __init__(self, pairs: Pairs = ()) -> None:
        # A list is taken as it is: most messages are never looked at, and records keep them all.
        self._given = pairs if isinstance(pairs, list) else list(pairs)
        self._index: dict[str, list[str]] | None = None

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names and values in order."""
        return [(text_of(name), text_of(value)) for name, value in self._given]

    def add(self, name: str | bytes, value: str | bytes) -> None:
        """Add a value at the end."""
        self._given.append((name, value))
        self._index = None

    @property
    def _values(self) -> dict[str, list[str]]:
        """The values by the names' keys: made when somebody asks, which for most messages nobody does."""
        if self._index is None:
            index: dict[str, list[str]] = {}
            for name, value in self._given:
                index.setdefault(self._key(text_of(name)), []).append(text_of(value))
            self._index = index
        return self._index

    @classmethod
    def of(cls, text: str) -> Query:
        """The fields of a query string or of a form (`application/x-www-form-urlencoded`)."""
        pairs = [(name, value) for name, _, value in [part.partition("=") for part in text.split("&") if part]]
        if "%" in text or "+" in text:
            pairs = [(_plain(name), _plain(value)) for name, value in pairs]
        return cls(pairs)

    def _key(self, name: str) -> str:
        return name

    def get_all(self, name: str) -> list[str]:
        """Every value of the name, in order; none is an empty list."""
        return list(self._values.get(self._key(name), ()))

    def __getitem__(self, name: str) -> str:
        return self._values[self._key(name)][-1]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._key(name) in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Query):
            return self.pairs == other.pairs
        return isinstance(other, Mapping) and dict(self) == {self._key(str(name)): other[name] for name in other}

    def __hash__(self) -> int:
        return hash(tuple(self.pairs))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.pairs!r})"


class Headers(Query):
    """As `Query`, but names are the same in any case, and a repeated field's values are one, joined by commas.

    See RFC 9110, section 5.2; `get_all` gives them apart, which Set-Cookie needs.
    """

    __slots__ = ()

    def _key(self, name: str) -> str:
        return name.lower()

    def __getitem__(self, name: str) -> str:
        values = self._values[name.lower()]
        return values[0] if len(values) == 1 else ", ".join(values)


def pairs_of(given: Given | None) -> list[tuple[str | bytes, str | bytes]]:
    """The fields as a list, from a mapping or from pairs; raises `TypeError` or `ValueError` for anything else."""
    if given is None:
        return []
    try:
        pairs = list(given.items()) if isinstance(given, Mapping) else [(name, value) for name, value in given]
    except (TypeError, ValueError):
        raise TypeError(f"headers must be a mapping or (name, value) pairs, not {given!r}") from None
    checked: list[tuple[str | bytes, str | bytes]] = []
    for name, value in pairs:
        if isinstance(value, int):
            value = str(value)  # noqa: PLW2901  # a Content-Length or Retry-After is written as a number
        if not isinstance(name, (str, bytes)) or not isinstance(value, (str, bytes)):
            raise TypeError(f"headers must have names and values of text or bytes, not {name!r}: {value!r}")
        for part in (name, value):
            if any(end in part for end in (("\r", "\n") if isinstance(part, str) else (b"\r", b"\n"))):  # type: ignore[operator]
                raise ValueError(f"headers must not have line breaks, not {part!r}: use raw= for a broken answer")
        checked.append((name, value))
    return checked


def left_out(given: Given | None) -> tuple[Given | None, frozenset[str]]:
    """The fields that are given, and the names, in lower case, of those whose value is `None`: they stay away."""
    if given is None or isinstance(given, (str, bytes)):
        return given, frozenset()
    pairs = list(given.items() if isinstance(given, Mapping) else given)
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
        return pairs, frozenset()  # which `pairs_of` refuses
    names = frozenset(text_of(name).lower() for name, value in pairs if value is None)
    return [pair for pair in pairs if pair[1] is not None], names
