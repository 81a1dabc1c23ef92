"""`Strict`: an attribute that nobody knows cannot be set, so that a misspelt name says so where it stands.

And `Liftable`: that which is in force until it is lifted.
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pytest_netmocks import check


class _Sealing(ABCMeta):
    """Seals an object when it is made: what its maker did not set is no attribute of it.

    Until then it is one of a class of the same name where attributes are set without a question: a server has dozens.
    """

    if not TYPE_CHECKING:  # a type checker would take what this gives for what a call of the class gives

        def __call__(cls, *arguments: Any, **options: Any) -> Any:
            twin = vars(cls).get("_unsealed")
            if twin is None:
                body = {
                    "__setattr__": object.__setattr__,
                    "__module__": cls.__module__,
                    "__qualname__": cls.__qualname__,
                }
                twin = cls._unsealed = _Sealing(cls.__name__, (cls,), body)
            made = super(_Sealing, twin).__call__(*arguments, **options)
            # With the dictionary that the change of class leaves behind the interpreter would find attributes slowly.
            made.__dict__ = dict(vars(made))
            made.__class__ = cls
            return made


class Strict(metaclass=_Sealing):
    """Base of what a user gets hold of and could write to."""

    fixed: ClassVar[Mapping[str, str]] = {}
    """Attributes that make no difference once it is made, each with what does."""

    if not TYPE_CHECKING:  # a type checker would take this for a permission to set anything

        def __setattr__(self, name: str, value: object) -> None:
            if name[0] == "_":
                self.__dict__[name] = value  # what `object` does takes twice as long
            else:
                object.__setattr__(self, name, self._admit(name, value))

    def _admit(self, name: str, value: object) -> object:
        """What a public attribute is to be when it is set to this. Raises `AttributeError` if it cannot be."""
        if name not in self.__dict__ or name in self.fixed:
            _check(self, name)
        return value


class Liftable(Strict):
    """Base of what is in force until it is lifted: by `lift()`, or at the end of a `with` block."""

    @abstractmethod
    def lift(self) -> None:
        """End it; in force when this returns. Lifting twice is no error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lift()


def _check(thing: Strict, name: str) -> None:
    kind = type(thing)
    one = f"{'an' if kind.__name__[0] in 'AEIO' else 'a'} {kind.__name__}"
    if name in thing.fixed:
        raise AttributeError(f"{name} of {one} is what it was made with: {thing.fixed[name]}")
    known = getattr(kind, name, None)
    if isinstance(known, property) and known.fset is None:
        raise AttributeError(f"{name} of {one} cannot be set")
    if known is None and not hasattr(kind, name):
        settable = {mine for mine in vars(thing) if mine[:1] != "_"} - set(thing.fixed)
        settable |= {known for known in dir(kind) if isinstance(p := getattr(kind, known, None), property) and p.fset}
        settable |= set(getattr(kind, "accepts", ()))  # of options that nobody has given there is only a default
        raise AttributeError(f"{one} has no attribute {name!r} to set{check.nearest(name, settable)}")
