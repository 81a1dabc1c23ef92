"""The forms in which a fault leaves Python and comes back: JSON for tools, text for the command line.

Nothing is evaluated: the text is read as a syntax tree in which only calls of known faults with literals are allowed.
"""

from __future__ import annotations

import ast
import base64
import dataclasses
from collections.abc import Mapping
from typing import Any

from pytest_netmocks import check
from pytest_netmocks.faults.answer import Answer
from pytest_netmocks.faults.base import Fault, check_fault
from pytest_netmocks.faults.selection import SelectorOptions
from pytest_netmocks.faults.table import registry


def to_json(fault: Fault) -> dict[str, Any]:
    """The fault as an object for `json.dumps`: its name under `"fault"`, then each argument that is not the default.

    Raises `TypeError` for an `Answer` with what JSON does not have, such as a function.
    """
    check_fault(fault)
    if isinstance(fault, Answer):
        return {"fault": fault.name, **fault.to_json()}
    arguments = {
        field.name: _plain(getattr(fault, field.name))
        for field in dataclasses.fields(fault)  # type: ignore[arg-type]  # every concrete fault is a dataclass
        if field.default is dataclasses.MISSING or getattr(fault, field.name) != field.default
    }
    return {"fault": fault.name, **arguments}


def _plain(value: object) -> object:
    """Bytes as the text that they are in UTF-8, or in base64."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _given(value: object) -> object:
    if isinstance(value, Mapping) and set(value) == {"base64"} and isinstance(value["base64"], str):
        try:
            return base64.b64decode(value["base64"], validate=True)
        except ValueError as error:
            raise ValueError(f"{dict(value)!r} is no base64: {error}") from None
    return value


def from_json(obj: Mapping[str, Any]) -> Fault:
    """The fault that `to_json` made the object of.

    Raises `TypeError` if it is no object and `ValueError` if its fault or one of its arguments is unknown or wrong.
    """
    check.instance("obj", obj, Mapping, 'an object such as {"fault": "Latency", "seconds": 0.1}')
    for name in obj:
        check.instance("obj's names", name, str, "the names of arguments")
    if obj.get("fault") == Answer.__name__:
        try:
            return Answer.from_json({name: value for name, value in obj.items() if name != "fault"})
        except TypeError as error:
            raise ValueError(str(error)) from None
    arguments = {name: _given(value) for name, value in obj.items()}
    return _build(arguments.pop("fault", None), [], arguments)


def parse(text: str) -> tuple[Fault, SelectorOptions]:
    """A fault and its selectors from text: `Reset(after_bytes=100), first=2`.

    Raises `ValueError` that names what is wrong with the text.
    """
    check.instance("text", text, str, "a fault in text form")
    refusal = f"{text!r} is no fault: write it as in Python, for example 'Reset(after_bytes=100), first=2'"
    try:
        tree = ast.parse(f"f({text})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(refusal) from None
    if not (isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and len(tree.args) == 1):
        raise ValueError(refusal)
    call = tree.args[0]
    if isinstance(call, ast.Name):
        call = ast.Call(func=call, args=[], keywords=[])
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
        raise ValueError(refusal)
    fault = _build(call.func.id, [_literal(text, node) for node in call.args], _keywords(text, call))
    options = _keywords(text, tree)
    known = SelectorOptions.__annotations__.keys() - {"where"}  # a function is no literal
    for name in options:
        if name not in known:
            raise ValueError(f"{text!r} has an unknown selector {name!r}{check.nearest(name, known)}")
    selectors: SelectorOptions = {}
    selectors.update(options)  # type: ignore[typeddict-item]  # the names were checked just above
    return fault, selectors


def _keywords(text: str, call: ast.Call) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise ValueError(f"{text!r} has a '**': write the arguments out")
        if keyword.arg in found:
            raise ValueError(f"{text!r} has {keyword.arg!r} twice")
        found[keyword.arg] = _literal(text, keyword.value)
    return found


def _literal(text: str, node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError):
        raise ValueError(
            f"{text!r} has {ast.unparse(node)!r} where only a number, a string or None may stand"
        ) from None


def _build(name: Any, positional: list[Any], keywords: dict[str, Any]) -> Fault:
    kind = registry.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"{name!r} is no known fault{check.nearest(str(name), registry)}")
    fields = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]  # as above
    for argument in keywords:
        if argument not in fields and kind is not Answer:
            raise ValueError(f"{name} has no argument {argument!r}{check.nearest(argument, fields)}")
    try:
        return kind(*positional, **keywords)
    except TypeError as error:
        text = str(error)
        raise ValueError(text if text.startswith(f"{name}: ") else f"{name}: {text}") from None
