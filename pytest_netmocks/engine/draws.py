"""Chance that can be repeated: every draw has an address, and the address alone decides it.

A draw is a hash of its key and its number, so it does not matter how many others were made before, in which
order, or how the kernel cut the stream. Knows nothing of faults, tests or sockets.
"""

from __future__ import annotations

import hashlib
import random
from typing import ClassVar


class Draws:
    """A family of draws that share a key, for example (seed, test, server, injection)."""

    __slots__ = ("_key",)

    made: ClassVar[int] = 0
    """How many there have been in this process: whether a run depends on its seed."""

    def __init__(self, *key: object) -> None:
        self._key = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()

    def child(self, *key: object) -> Draws:
        """The family of one part: a connection, a direction, a datagram."""
        return Draws(self._key, *key)

    def _hash(self, number: int) -> int:
        Draws.made += 1
        digest = hashlib.blake2b(number.to_bytes(8, "big"), key=self._key, digest_size=8).digest()
        return int.from_bytes(digest, "big")

    def uniform(self, number: int) -> float:
        """The draw with that number, in [0, 1)."""
        return (self._hash(number) >> 11) * 2.0**-53

    def generator(self, number: int) -> random.Random:
        """A generator of its own for the block with that number."""
        return random.Random(self._hash(number))  # noqa: S311  # to be repeated, not to be secret
