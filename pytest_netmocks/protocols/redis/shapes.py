"""What the answers of some commands are like, and who may say some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_netmocks.protocols.redis import resp

NULL_ARRAYS = frozenset(b"BLPOP BRPOP BLMPOP BZPOPMIN BZPOPMAX BZMPOP EXEC XREAD XREADGROUP LMPOP ZMPOP GEOPOS".split())
"""Commands whose nothing is an array's in RESP2."""

SETS = frozenset(b"SMEMBERS SINTER SUNION SDIFF".split())
"""Commands whose array is a set in RESP3, as that of SPOP with a count."""

STRANGERS_MAY = frozenset(["auth", "hello", "quit", "reset"])
"""What a client may say that has to log in."""


def encoded(value: Any, words: Sequence[bytes], protocol: int) -> bytes:
    """What a command came to as its client gets it: nothing and arrays are not the same for all."""
    if value is None and protocol < 3:
        return b"*-1\r\n" if _is_of(words, NULL_ARRAYS, b"LPOP", b"RPOP") else b"$-1\r\n"
    if protocol >= 3 and type(value) is list and _is_of(words, SETS, b"SPOP"):
        value = resp.Unordered(value)
    return resp.encode(value, protocol)


def _is_of(words: Sequence[bytes], commands: frozenset[bytes], *with_count: bytes) -> bool:
    name = words[0].upper()
    return name in commands or (name in with_count and len(words) > 2)
