"""Checks of arguments, so that a wrong one fails at the call that has it.

Every message names the argument, what was given and what is accepted.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Accept = Callable[[str, Any], Any]
"""Refuses a wrong value of the argument of that name, or gives what is kept of it."""


def number(
    name: str,
    value: object,
    *,
    unit: str,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
) -> None:
    """Refuse what is no finite number within the bounds; `above` is exclusive."""
    wrong: type[TypeError | ValueError]
    if type(value) is bool or not isinstance(value, (int, float)):
        wrong = TypeError
    elif (
        not _is_finite(value)
        or (minimum is not None and value < minimum)
        or (above is not None and value <= above)
        or (maximum is not None and value > maximum)
    ):
        wrong = ValueError
    else:
        return
    if minimum is not None and maximum is not None:
        accepted = f"a number from {minimum:g} to {maximum:g} ({unit})"
    elif above is not None:
        accepted = f"a number above {above:g} ({unit})"
    else:
        accepted = f"a number of at least {minimum or 0:g} ({unit})"
    raise wrong(f"{name} must be {accepted}, not {value!r}")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def whole(name: str, value: object, *, unit: str, minimum: int, maximum: int | None = None) -> None:
    """Refuse what is no whole number within the bounds."""
    wrong: type[TypeError | ValueError]
    if type(value) is bool or not isinstance(value, int):
        wrong = TypeError
    elif value < minimum or (maximum is not None and value > maximum):
        wrong = ValueError
    else:
        return
    bounds = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
    raise wrong(f"{name} must be a whole number {bounds} ({unit}), not {value!r}")


def one_of(name: str, value: object, accepted: Iterable[str]) -> None:
    """Refuse what is not one of the accepted words."""
    words = list(accepted)
    if value not in words:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, words))}, not {value!r}")


def instance(name: str, value: object, kind: type | tuple[type, ...], accepted: str) -> None:
    """Refuse what is not of the kind; `accepted` says what is, in words."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {accepted}, not {value!r}")


def not_empty(name: str, value: str, accepted: str) -> None:
    """Refuse an empty string."""
    if not value:
        raise ValueError(f"{name} must be {accepted}, not {value!r}")


def passwords(name: str, value: object, accepted: str = "a mapping of names to passwords") -> dict[str, str]:
    """A mapping of names to text, or none."""
    if value is None:
        return {}
    instance(name, value, Mapping, accepted)
    given: dict[str, str] = dict(value)  # type: ignore[call-overload]  # it is a mapping
    for part in [*given, *given.values()]:
        instance(name, part, str, accepted)
    return given


def host_name(name: str, value: object) -> None:
    """Refuse what is not one word."""
    instance(name, value, str, "a host name")
    if str(value).split() != [value]:
        raise ValueError(f"{name} must be one word, not {value!r}")


def flag(name: str, value: object) -> bool:
    """`True` or `False`."""
    instance(name, value, bool, "True or False")
    return bool(value)


def kept(refuse: Callable[..., object], **bounds: Any) -> Accept:
    """One of the checks above, with its bounds, which gives the value back."""

    refuse = functools.partial(refuse, **bounds)

    def accept(name: str, value: Any) -> Any:
        refuse(name, value)
        return value

    return accept


def optional(refuse: Callable[..., object], **bounds: Any) -> Accept:
    """As `kept`, where `None` is accepted too."""
    accept = kept(refuse, **bounds)
    return lambda name, value: None if value is None else accept(name, value)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt word: the nearest known one and all there are."""
    words = sorted(known)
    import difflib  # only for a message

    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{hint}; known are {', '.join(words)}"
