"""The rule that was nearest to what no rule matched, and why it was not it, of rules over bytes and text."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Sequence

RULES = 50
"""Rules that are compared at most."""

LIKE = 0.4
"""How alike two have to be for one to be worth a word."""

_LITERAL = re.compile(r"""b?'(?:[^'\\]|\\.)*'|b?"(?:[^"\\]|\\.)*\"""")


def nearest(text: str, labels: Sequence[str]) -> str:
    """`the nearest is when(b'PING\\n'): '\\n' is missing at the end`; empty where none is near, or the text has it.

    `text` says what met no rule, with it in quotes as Python writes it; `labels` are the rules as they are written.
    """
    first, *more = text.splitlines() or [""]
    came = _literal(first)
    if more or came is None:
        return ""
    best, score = "", LIKE
    for label in labels[:RULES]:
        wanted = _literal(label)
        if wanted is None or type(wanted) is not type(came) or not wanted:
            continue
        likeness = difflib.SequenceMatcher(None, wanted, came).ratio() if wanted != came else 0.0
        shorter = min(len(wanted), len(came))
        likeness = max(likeness, 0.9 if wanted[:shorter] == came[:shorter] else 0.0)
        if likeness > score:
            best, score = f"the nearest is {label}: {_difference(wanted, came)}", likeness
    return best


def _literal(text: str) -> bytes | str | None:
    found = _LITERAL.search(text)
    if found is None:
        return None
    try:
        value = ast.literal_eval(found[0])
    except (ValueError, SyntaxError):
        return None
    return value if isinstance(value, bytes | str) else None


def _difference(wanted: bytes | str, came: bytes | str) -> str:
    """Where they part."""
    pairs = zip(wanted, came, strict=False)
    at = next((index for index, (one, other) in enumerate(pairs) if one != other), None)
    if at is not None:
        return f"at {at} it has {wanted[at : at + 1]!r}, and {came[at : at + 1]!r} came"
    if len(came) < len(wanted):
        return f"{wanted[len(came) :]!r} is missing at the end"
    return f"{came[len(wanted) :]!r} is too much at the end"
