"""`Option`: a server's option that a test may set later, with its type and what refuses a wrong value in one line.

And `LiveOption`: one that has a default, and that a running server minds as soon as it is set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, Self, TypeVar, overload

T = TypeVar("T")
G = TypeVar("G")


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


class Minding(Protocol):
    """A server that such options are of."""

    def set_option(self, name: str, value: Any) -> None:
        """Keep it in the server's own attributes, and mind it. Raises `ValueError` for what makes no sense there."""


class LiveOption(Option[T], Generic[T, G]):
    """An option that costs nothing unless it is given: until then every server has the `default` of its class.

    What is kept of it is a `T`, what it may be set to a `G`.
    """

    def __init__(self, accept: Callable[[str, Any], T], default: T) -> None:
        super().__init__(accept)
        self._default = default

    @overload
    def __get__(self, server: None, owner: type) -> Self: ...
    @overload
    def __get__(self, server: object, owner: type) -> T: ...
    def __get__(self, server: object | None, owner: type) -> T | Self:
        if server is None:
            return self
        kept: T = vars(server).get(self._name, self._default)
        return kept

    def __set__(self, server: Minding, value: G) -> None:
        server.set_option(self._name, value)
