"""`Answer`: another answer than the one that was due."""

from __future__ import annotations

import base64
import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from pytest_netmocks.faults.base import AnswerFault

_JSON = (str, int, float, bool, type(None))


@dataclasses.dataclass(frozen=True, repr=False, init=False, eq=False)
class Answer(AnswerFault):
    """This answer in place of the one that was due; it takes what `reply` of the server's rules takes.

        http_server.inject(Answer(503, headers={"Retry-After": "1"}), probability=0.3)
        smtp_server.inject(Answer("451 4.3.0 try later"), nth=3)

    It is what the newest rule of all would reply: no function of another rule runs, and no answer of a sequence is used
    up. On a server it strikes rules, mounted applications, directories and what nothing matches alike; on a rule its
    exchanges. The protocol checks it when it is injected. Raises `TypeError` for `times=`: selectors say how often.
    """

    answer: tuple[Any, ...] = ()
    """What `reply` takes by position."""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What `reply` takes by name."""

    def __init__(self, *answer: Any, **options: Any) -> None:
        if not answer and options.keys() == {"answer", "options"}:  # the fields, as from JSON or a copy
            answer, options = tuple(options["answer"]), dict(options["options"])
        if "times" in options:
            raise TypeError("Answer: times= has no place: first=, nth=, every= or probability= of inject say how often")
        object.__setattr__(self, "answer", tuple(map(_own, answer)))
        object.__setattr__(self, "options", {name: _own(value) for name, value in options.items()})

    def __repr__(self) -> str:
        given = [*map(repr, self.answer), *(f"{name}={value!r}" for name, value in self.options.items())]
        return f"{self.name}({', '.join(given)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Answer):
            return NotImplemented
        return bool(_comparable([self.answer, self.options]) == _comparable([other.answer, other.options]))

    def __hash__(self) -> int:
        return hash((_hashable(self.answer), _hashable(self.options)))

    def to_json(self) -> dict[str, Any]:
        """Its arguments for `json.dumps`. Raises `TypeError` for what has no form in JSON: a function, a stream."""
        options = {name: _plain(f"{name}=", value) for name, value in self.options.items()}
        return {"answer": [_plain("", value) for value in self.answer], "options": options}

    @classmethod
    def from_json(cls, arguments: Mapping[str, Any]) -> Answer:
        """The fault with the arguments that `to_json` gave. Raises `TypeError` for what are none."""
        answer, options = arguments.get("answer", []), arguments.get("options", {})
        unknown = sorted(arguments.keys() - {"answer", "options"})
        if unknown or not isinstance(answer, list) or not isinstance(options, Mapping):
            raise TypeError(f'Answer: "answer" must be a list and "options" an object, and no more: {arguments!r}')
        return cls(
            *map(_given, answer),
            **{name: value if name == "json" else _given(value) for name, value in options.items()},
        )


def _own(value: Any) -> Any:
    """The value as it is now: what has parts that can be changed is copied."""
    return copy.deepcopy(value) if isinstance(value, (Mapping, list, tuple, bytearray)) else value


def _comparable(value: Any) -> Any:
    """The value with tuples as lists, which is how they come back from JSON."""
    if isinstance(value, Mapping):
        return {name: _comparable(one) for name, one in value.items()}
    return list(map(_comparable, value)) if isinstance(value, (list, tuple)) else value


def _hashable(value: Any) -> object:
    if isinstance(value, Mapping):
        return frozenset((name, _hashable(one)) for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(_hashable, value))
    try:
        hash(value)
    except TypeError:
        return type(value).__name__
    return value


def _plain(where: str, value: Any) -> Any:
    """What JSON has. Bytes are in base64, for text would come back as text; the value of `json=` is JSON already."""
    if isinstance(value, bytes) and where != "json=":
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [_plain(where, one) for one in value]
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        if where == "json=" or value.keys() != {"base64"}:
            return {name: _plain(where, one) for name, one in value.items()}
    elif isinstance(value, _JSON):
        return value
    raise TypeError(f"Answer: {where}{value!r} has no form in JSON")


def _given(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value.keys() == {"base64"}:
            try:
                return base64.b64decode(value["base64"], validate=True)
            except (TypeError, ValueError) as error:
                raise TypeError(f"Answer: {dict(value)!r} is no base64: {error}") from None
        return {name: _given(one) for name, one in value.items()}
    return [_given(one) for one in value] if isinstance(value, list) else value
