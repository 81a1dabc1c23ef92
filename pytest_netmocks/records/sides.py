"""`Sides`: an exchange in words, what was asked and what was answered; each protocol's records give theirs."""

from __future__ import annotations

from typing import Any, NamedTuple


class Sides(NamedTuple):
    """Both sides of an exchange, each on one line."""

    asked: str
    """What the client said: `GET /x`. Empty for what the server said unasked."""
    answered: str = ""
    """What the server answered, without what a fault kept from going out; empty if it has not."""
    by: str = ""
    """The rule that answered, as it is written."""
    refuses: bool = False
    """Whether the answer is a no."""
    body: bytes | None = None
    """What the answer carries, of a protocol whose answers have a head and a body."""
    head_ends: bytes = b""
    """What is between the two."""
    code: str = ""
    """What the answer is known by: `503`."""
    size: int | None = None
    """Bytes of the answer, where the connection's between its beginning and its end are not its own."""


def sides_of(exchange: Any) -> Sides:
    """The sides of an exchange; of a record that has none, its one line."""
    try:
        tell = getattr(exchange, "sides", None)
        told: Sides = Sides(str(exchange)) if tell is None else tell()
    except Exception as error:  # noqa: BLE001  # it may be a user's, and whoever reports what went wrong must not fail
        told = Sides(f"{type(exchange).__name__}, whose text raised {type(error).__name__}: {error}")
    return told
