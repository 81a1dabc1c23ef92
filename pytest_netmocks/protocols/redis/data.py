"""`RedisData`: a database as a mapping, whose values are Python's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from pytest_netmocks import check

Key = bytes | str
"""A key; text is UTF-8."""


class RedisSortedSet(dict[Any, float]):
    """A sorted set: scores by member, those of the lowest score first when it is read."""

    __slots__ = ()


class RedisStream(list[tuple[Any, Mapping[Any, Any]]]):
    """A stream: ids and the fields of entries, oldest first; `"*"` is the next id when it is stored."""

    __slots__ = ()


Run = Callable[[list[list[bytes]]], Any]
"""Executes commands one after another, nothing between; the answer to the last. Raises `ValueError` for an error."""

Heard = Callable[[int, bytes, Any, "float | None"], None]
"""Called with number, key, value (`None`: none any more) and seconds to live when a test has stored something."""


class RedisData(MutableMapping[Key, Any]):
    """The keys of one database, and their values as Python has them: a mapping of bytes, to which text is UTF-8.

    bytes                     a string; text and numbers are stored as such, too
    list, tuple               a list
    dict (any mapping)        a hash
    set, frozenset            a set
    RedisSortedSet            a sorted set
    RedisStream               a stream

    What is read is a copy, with bytes in it; what is assigned takes the place of what was there, and clients that wait
    for it get it. Of a type that only modules have (JSON, filters) what is read is `None`.
    """

    __slots__ = ("_db", "_heard", "_run", "db")

    def __init__(self, run: Run, db: int, heard: Heard) -> None:
        self._run = run
        self._heard = heard
        self._db = b"%d" % db
        self.db = db
        """Its number."""

    def _ask(self, *commands: Iterable[bytes]) -> Any:
        return self._run([[b"SELECT", self._db], *map(list, commands)])

    def __getitem__(self, key: Key) -> Any:
        name = _key(key)
        kind, *_ = found = self._read(name)
        if kind == "none":
            raise KeyError(key)
        return found[1]

    def _read(self, name: bytes) -> tuple[str, Any]:
        kind = self._ask([b"TYPE", name])
        how = _READ.get(kind)
        if how is None:
            return kind, None
        command, shape = how
        return kind, shape(self._ask([command[0], name, *command[1:]]))

    def __setitem__(self, key: Key, value: Any) -> None:
        self.set(key, value)

    def set(self, key: Key, value: Any, *, ttl: float | None = None) -> None:
        """Store a value, which is gone after `ttl` seconds; unless said, it stays.

        Raises `TypeError` or `ValueError` for what cannot be stored.
        """
        name = _key(key)
        writes = list(_writing(name, value))
        if ttl is not None:
            check.number("ttl", ttl, unit="seconds", above=0)
            writes.append([b"PEXPIRE", name, b"%d" % max(1, round(ttl * 1000))])
        self._ask([b"DEL", name], *writes)
        self._heard(self.db, name, value, ttl)

    def __delitem__(self, key: Key) -> None:
        name = _key(key)
        if not self._ask([b"DEL", name]):
            raise KeyError(key)
        self._heard(self.db, name, None, None)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes | str) and bool(self._ask([b"EXISTS", _key(key)]))

    def __iter__(self) -> Iterator[bytes]:
        return iter(sorted(self._ask([b"KEYS", b"*"])))

    def __len__(self) -> int:
        return int(self._ask([b"DBSIZE"]))

    def expire(self, key: Key, seconds: float) -> None:
        """Let a key be gone after that many seconds. Raises `KeyError` if it is not there."""
        check.number("seconds", seconds, unit="until the key is gone", above=0)
        if not self._ask([b"PEXPIRE", _key(key), b"%d" % max(1, round(seconds * 1000))]):
            raise KeyError(key)

    def ttl(self, key: Key) -> float | None:
        """In how many seconds a key is gone, `None` if it stays. Raises `KeyError` if it is not there."""
        left = int(self._ask([b"PTTL", _key(key)]))
        if left == -2:
            raise KeyError(key)
        return None if left < 0 else left / 1000

    def __repr__(self) -> str:
        return f"<RedisData {self.db}: {len(self)} keys>"


def _key(key: object) -> bytes:
    check.instance("key", key, (bytes, str), "bytes or text")
    return key if isinstance(key, bytes) else str(key).encode("utf-8", "surrogateescape")


def _scalar(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(f"what Redis stores must be bytes, text or a number, not {value!r}")
    return (value if isinstance(value, str) else repr(value)).encode("utf-8", "surrogateescape")


def _writing(name: bytes, value: Any) -> Iterator[list[bytes]]:
    """The commands that store a value under that key."""
    if isinstance(value, RedisStream):
        for entry, fields in value:
            pairs = [_scalar(one) for pair in fields.items() for one in pair]
            yield [b"XADD", name, _scalar(entry), *pairs]
    elif isinstance(value, RedisSortedSet):
        for score in value.values():
            check.instance("score", score, (int, float), "a number")
        yield [b"ZADD", name, *(one for member, score in value.items() for one in (b"%.17g" % score, _scalar(member)))]
    elif isinstance(value, Mapping):
        yield [b"HSET", name, *(_scalar(one) for pair in value.items() for one in pair)]
    elif isinstance(value, list | tuple):
        yield [b"RPUSH", name, *map(_scalar, value)]
    elif isinstance(value, set | frozenset):
        yield [b"SADD", name, *map(_scalar, value)]
    else:
        yield [b"SET", name, _scalar(value)]
        return
    if not value:
        raise ValueError(f"Redis stores nothing that is empty, and {name!r} would be {value!r}: delete the key")


def _stream(entries: list[Any]) -> RedisStream:
    return RedisStream((entry, dict(zip(fields[::2], fields[1::2], strict=True))) for entry, fields in entries)


_READ: dict[str, tuple[list[bytes], Callable[[Any], Any]]] = {
    "string": ([b"GET"], lambda value: value),
    "list": ([b"LRANGE", b"0", b"-1"], lambda value: value),
    "hash": ([b"HGETALL"], dict),
    "set": ([b"SMEMBERS"], set),
    "zset": ([b"ZRANGE", b"0", b"-1", b"WITHSCORES"], lambda pairs: RedisSortedSet(map(tuple, pairs))),
    "stream": ([b"XRANGE", b"-", b"+"], _stream),
}
"""By the type of a value how it is read, and what becomes of the answer in RESP3."""
