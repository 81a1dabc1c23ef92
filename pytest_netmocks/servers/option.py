"""`Option`: a server's option that a test may set later, with its type and what refuses a wrong value in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class Option(Generic[T]):
    """Declares an option in the body of a server's class; `accept` refuses a wrong value, or gives what is kept of it.

    The value is an attribute of the server's own, in front of this one; the class's `accepts` has the check.
    """

    def __init__(self, accept: Callable[[str, Any], T]) -> None:
        self.accept = accept

    def __set_name__(self, owner: Any, name: str) -> None:
        self._name = name
        owner.accepts = {**owner.accepts, name: self.accept}

    @overload
    def __get__(self, server: None, owner: type) -> Self: ...
    @overload
    def __get__(self, server: object, owner: type) -> T: ...
    def __get__(self, server: object | None, owner: type) -> T | Self:
        if server is None:
            return self
        raise AttributeError(f"{owner.__name__} has no {self._name} yet: its maker has not taken its options")
