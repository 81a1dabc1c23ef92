"""What can be called: functions by name, or an object's public methods."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pytest_netmocks import usercode

Function = Callable[..., Any | Awaitable[Any]]
Methods = Mapping[str, Function] | object
"""Functions by the names they are called by, or an object whose public methods are called by their own."""


def functions(methods: Methods) -> Mapping[str, Function]:
    """The functions by name. Raises `TypeError` or `ValueError` for what cannot be called."""
    if not isinstance(methods, Mapping):
        if methods is None or isinstance(methods, (str, bytes, int, float, list, tuple, set)) or callable(methods):
            raise TypeError(f"methods must be functions by name or an object with public methods, not {methods!r}")
        return _OfObject(methods)
    for name, function in methods.items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"methods must have names that are text, not {name!r}")
        if not callable(function):
            raise TypeError(f"methods must be functions by name, and {name!r} is {function!r}")
    return methods


class _OfObject(Mapping[str, Function]):
    """The public methods of an object as it is when they are called; nothing behind a dot or an underscore."""

    def __init__(self, of: object) -> None:
        self._of = of

    def __getitem__(self, name: str) -> Function:
        if name.startswith("_") or not name.isidentifier():
            raise KeyError(name)
        # Looked at before it is asked for: what a property gives is made by the user's code, which may raise or block.
        plain = inspect.getattr_static(self._of, name, None)
        if isinstance(plain, property | type) or not (callable(plain) or isinstance(plain, classmethod | staticmethod)):
            raise KeyError(name)
        return getattr(self._of, name)  # type: ignore[no-any-return]

    def __iter__(self) -> Any:
        return (name for name in dir(self._of) if name in self)

    def __contains__(self, name: object) -> bool:
        try:
            self[str(name)]
        except KeyError:
            return False
        return True

    def __len__(self) -> int:
        return sum(1 for _ in self)


async def call(function: Function, args: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    """What the function gives. A plain one runs in a thread of its own and may block. Raises what it raises."""
    if usercode.is_coroutine_function(function):
        return await function(*args, **named)
    made = await usercode.in_a_thread(lambda: function(*args, **named))
    return await made if inspect.isawaitable(made) else made


def misfit(function: Function, args: tuple[Any, ...], named: Mapping[str, Any]) -> str | None:
    """Why the arguments are not the function's, `None` if they are, or if it does not tell what it takes."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*args, **named)
    except TypeError as error:
        return str(error)
    return None
