"""What is known of the commands of Redis without executing any: which there are, which write, where their keys are."""

from __future__ import annotations

import binascii
import functools
from collections.abc import Sequence

from fakeredis.model import get_all_commands_info, is_write_command

from pytest_netmocks.protocols.redis.library import COMMANDS
from pytest_netmocks.protocols.redis.registry import OWN

SLOTS = 16384
"""Into how many slots a cluster's keys are divided."""


def known_commands() -> set[str]:
    """The names of all commands that there are, in capitals, words after the first left out."""
    names = {name.upper() for name in COMMANDS} | {name.decode().upper() for name in get_all_commands_info()}
    return {name.partition(" ")[0] for name in names}


@functools.cache
def writes(name: str) -> bool:
    """Whether a command of that name (`"set"`, `"xgroup create"`) changes what is stored."""
    return is_write_command(name.encode()) or is_write_command(name.partition(" ")[0].encode())


def keys_in(words: Sequence[bytes]) -> list[bytes]:
    """The keys among a command's words."""
    info = get_all_commands_info().get(words[0].lower())
    if info is None or not info[3]:
        return _counted_keys(words)
    first, last, step = info[3:6]
    return list(words[first : (last if last >= 0 else len(words) + last) + 1 : step or 1])


_COUNTED = {b"EVAL": 2, b"EVALSHA": 2, b"FCALL": 2, b"LMPOP": 1, b"ZMPOP": 1, b"BLMPOP": 2, b"BZMPOP": 2}


def _counted_keys(words: Sequence[bytes]) -> list[bytes]:
    """The keys of a command that says how many there are, and those of the streams that are read."""
    name = words[0].upper()
    place = _COUNTED.get(name)
    if place is not None and len(words) > place and words[place].isdigit():
        return list(words[place + 1 : place + 1 + int(words[place][:9])])
    upper = [word.upper() for word in words]
    if name in (b"XREAD", b"XREADGROUP") and b"STREAMS" in upper:
        rest = words[upper.index(b"STREAMS") + 1 :]
        return list(rest[: len(rest) // 2])
    return []


def slot_of(key: bytes) -> int:
    """The slot of a key in a cluster: of what is in its first braces, if anything is."""
    start = key.find(b"{")
    end = key.find(b"}", start + 1)
    if 0 <= start < end - 1:
        key = key[start + 1 : end]
    return binascii.crc_hqx(key, 0) % SLOTS


def names() -> set[str]:
    """The first words of all commands that there are, in capitals."""
    return known_commands() | {name.partition(" ")[0].upper() for name in OWN}
