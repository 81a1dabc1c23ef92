"""The commands that a server has of its own, by name, and what they make of their words.

Each is a function of the client's engine and the words behind its name, and gives a Python value, or raises `Refusal`
with the text of the error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_netmocks.protocols.redis.library import Refusal
from pytest_netmocks.protocols.redis.resp import Status
from pytest_netmocks.protocols.redis.store import Own

OK = Status("OK")

OWN: dict[str, Own] = {}
"""All of them, by their names in small letters."""

Command = Callable[..., Any]


def own(name: str, least: int = 0, most: int | None = None, *, at_once: bool = False) -> Callable[[Command], Command]:
    """Name a command, and say how many words it takes."""

    def add(function: Command) -> Command:
        OWN[name] = Own(name, function, least, most, at_once)
        return function

    return add


def text(word: bytes) -> str:
    """A word as text."""
    return word.decode("utf-8", "surrogateescape")


def number(word: bytes, refusal: str = "ERR value is not an integer or out of range") -> int:
    """A word as a number."""
    try:
        return int(text(word)) if len(word) < 20 else _too_long(refusal)
    except ValueError:
        raise Refusal(refusal) from None


def _too_long(refusal: str) -> int:
    raise Refusal(refusal)


def seconds(word: bytes) -> float:
    """A time-out; 0 is none. Raises `Refusal`."""
    try:
        timeout = float(text(word))
    except ValueError:
        raise Refusal("ERR timeout is not a float or out of range") from None
    if not 0 <= timeout < 1e15:
        raise Refusal("ERR timeout is negative" if timeout < 0 else "ERR timeout is out of range")
    return timeout


def one_of(group: str, command: bytes, answers: Mapping[bytes, Any]) -> Any:
    """The answer to a subcommand. Raises `Refusal` for one that there is not."""
    if command.upper() not in answers:
        raise Refusal(f"ERR unknown subcommand '{text(command)[:128]}'. Try {group.upper()} HELP.")
    return answers[command.upper()]
