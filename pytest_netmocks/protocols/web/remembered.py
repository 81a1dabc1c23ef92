"""`remembered`: a property that is worked out once, whether it gives a value or raises `ValueError`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class remembered(Generic[T]):  # noqa: N801  # it is used as `functools.cached_property` is
    """As `functools.cached_property`, but what cannot be read is not tried again, which may take as long."""

    def __init__(self, function: Callable[[Any], T]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"{name} remembered"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        known = instance.__dict__
        if self._name not in known:
            try:
                known[self._name] = self._function(instance), None
            except ValueError as error:
                known[self._name] = None, error.with_traceback(None)
        value, failure = known[self._name]
        if failure is not None:
            raise failure.with_traceback(None)
        result: T = value
        return result


def forget(instance: object) -> None:
    """Work out everything anew when it is asked for."""
    known = instance.__dict__
    for name in [name for name in known if name.endswith(" remembered")]:
        del known[name]
