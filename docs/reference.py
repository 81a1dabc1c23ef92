"""The reference, made of the source when the documentation is built: public names at the paths where users find them.

A page says `<!-- netmocks: records -->` where `SECTIONS["records"]` is to stand.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from reference_words import ALIKE, INTERNAL, OF_EVENTS, ONLY

import pytest_netmocks
from pytest_netmocks import elsewhere, events, faults, plugin, strategies, types
from pytest_netmocks.faults import Fault
from pytest_netmocks.plugin import fixtures, settings
from pytest_netmocks.protocols import known
from pytest_netmocks.servers.server import Server

HERE = "pytest_netmocks"


class Member(NamedTuple):
    """A field, property or method, as the reference says it."""

    name: str
    form: str
    """The type of a field, the signature of a method."""
    text: str
    is_field: bool


def flat(text: str | None) -> str:
    """A docstring as one paragraph, to stand in a table."""
    return re.sub(r"\s+", " ", text or "").strip()


def clean(form: str) -> str:
    """A type as users write it."""
    form = re.sub(r"Unpack\[(\w+)\]|ClassVar\[(.*)\]$", lambda match: match[1] or match[2], form)
    form = re.sub(r"^Option\[(.*)\]$", r"\1", form)
    if form.startswith("LiveOption["):  # an attribute that can be set: to what it takes
        (line,) = ast.parse(form).body
        assert isinstance(line, ast.Expr) and isinstance(line.value, ast.Subscript)
        assert isinstance(line.value.slice, ast.Tuple)
        form = ast.unparse(line.value.slice.elts[1])
    return form


def families(kind: type) -> list[type]:
    """The class and those of ours that it derives from, the nearest first."""
    return [base for base in kind.__mro__ if base.__module__.startswith(HERE)]


def is_for_users(kind: type, name: str) -> bool:
    """Whether a name of a class is any business of users."""
    bases = [base.__name__ for base in families(kind)]
    only = next((ONLY[base] for base in bases if base in ONLY), None)
    if only is not None and not (dataclasses.is_dataclass(kind) and Fault in kind.__mro__):
        return name in only.split()
    if Fault in kind.__mro__:
        return name in inspect.signature(kind).parameters  # what it is made of
    return name[0] != "_" and not any(name in INTERNAL.get(base, "").split() for base in [*bases, ""])


@functools.cache
def parsed(kind: type) -> ast.ClassDef:
    """The source of a class."""
    try:
        text = textwrap.dedent(inspect.getsource(kind))
    except OSError:  # it says that it is the package's, where its source is not
        text = f"class {kind.__name__}:\n    pass\n"
    (found,) = ast.parse(text).body
    assert isinstance(found, ast.ClassDef)
    return found


def sentences(kind: type, name: str) -> str:
    """What the text of a class, or of one that it derives from, says of a field."""
    for base in families(kind):
        parts = re.split(r"(?<=[.:;]) (?=[A-Z`])", flat(base.__doc__))
        found = [part for part in parts if re.search(f"`{name}[`=]", part)]
        if found:
            return " ".join(found).rstrip(":;")
    return ""


def documented(body: list[ast.stmt], place: int) -> str:
    """The text under an assignment, if there is one."""
    match body[place + 1 : place + 2]:
        case [ast.Expr(ast.Constant(str(text)))]:
            return flat(text)
    return ""


def assigned(body: list[ast.stmt], given: dict[str, str], of: str) -> Iterator[tuple[str, str, str]]:
    """Fields by name, type and text: what a class or its `__init__` assigns."""
    for place, line in enumerate(body):
        match line:
            case ast.AnnAssign(target=target, annotation=annotation):
                form = ast.unparse(annotation)
            case ast.Assign(targets=[target], value=ast.Name(id=source)):
                form = given.get(source, "")
            case ast.Assign(targets=[target], value=ast.Constant(value=value)):
                form = type(value).__name__
            case ast.Assign(targets=[target], value=ast.Call(func=ast.Name(id=called))):
                form = called
            case _:
                continue
        owner, _, name = ast.unparse(target).rpartition(".")
        if owner == of:
            yield name, form, documented(body, place)


def signature(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> str:
    """A function as it is called: without `self`, with types."""
    arguments = ast.unparse(node.args)
    arguments = re.sub(r"^(self|cls)(, /)?(, )?", "", arguments)
    gives = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    return clean(f"{name}({arguments}){gives}")


def own(kind: type) -> Iterator[Member]:
    """What a class itself has for users, in the order of its source."""
    node = parsed(kind)
    makers = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name in ("__init__", "_prepare")]
    fields = [*assigned(node.body, {}, "")]
    for maker in makers:
        everything = [*maker.args.posonlyargs, *maker.args.args, *maker.args.kwonlyargs]
        given = {one.arg: ast.unparse(one.annotation) for one in everything if one.annotation is not None}
        fields += assigned(maker.body, given, "self")
    for name, form, text in fields:
        yield Member(name, spelled(clean(form), kind), text, True)
    for part in node.body:
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
            marks = " ".join(map(ast.unparse, part.decorator_list))
            text = flat(ast.get_docstring(part))
            if "property" in marks:
                yield Member(part.name, clean(ast.unparse(part.returns or ast.Constant(None))), text, True)
            elif "overload" not in marks and "setter" not in marks:
                yield Member(part.name, signature(part, part.name), text, False)


def spelled(form: str, owner: type) -> str:
    """A type with the short names written out that stand for a few words or numbers."""

    def of(name: re.Match[str]) -> str:
        stands_for = vars(sys.modules[owner.__module__]).get(name[0])
        full = str(stands_for).replace("typing.", "")
        return full if full.startswith("Literal[") and len(full) < 80 else name[0]

    return re.sub(r"(?<![\w.'])[A-Z]\w+", of, form)


def members(kind: type) -> list[Member]:
    """What users find on it, once each, but for what they find on the public class that it derives from."""
    found: dict[str, Member] = {}
    below = parent(kind)
    above = families(below) if below else []
    inherited = {member.name for base in above for member in own(base)}
    for base in families(kind):
        for member in own(base) if base not in above else ():
            before = found.get(member.name)
            if before is None or (before.is_field and not before.text):
                found[member.name] = member._replace(form=(before and before.form) or member.form)
    given = arguments(kind)
    said = []
    for name, member in found.items():
        alike = ALIKE | OF_EVENTS if kind.__module__ == events.Note.__module__ else ALIKE
        text = member.text or sentences(kind, name) or ("" if name in inherited else alike.get(name, ""))
        form = given[name][0] if member.form in ("Option", "") and name in given else member.form
        said.append(member._replace(form=form, text=text))
    # What a method or attribute overrides has been told of where it comes from.
    told = [member for member in said if member.text or (member.is_field and member.name not in inherited)]
    return [member for member in told if is_for_users(kind, member.name) and not member.text.startswith("In the loop")]


@functools.cache
def parent(kind: type) -> type | None:
    """The nearest public class that it derives from."""
    classes = [found for found in everything().values() if inspect.isclass(found)]
    return next((base for base in kind.__mro__[1:] if base in classes), None)


def arguments(kind: type) -> dict[str, tuple[str, str]]:
    """The arguments that make one: type and default of each."""
    found: dict[str, tuple[str, str]] = {}
    for maker in [vars(base)["__init__"] for base in families(kind) if "__init__" in vars(base)]:
        for name, parameter in inspect.signature(maker).parameters.items():
            if name != "self" and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
                found.setdefault(name, (clean(str(parameter.annotation)), default))
    return found


def made_with(kind: type) -> str:
    """The arguments that make one, but for those of the class that it derives from."""
    above = parent(kind)
    theirs = arguments(above) if above else {}
    mine = {name: how for name, how in arguments(kind).items() if name not in theirs}
    return ", ".join(f"{name}: {form}{default}" for name, (form, default) in mine.items())


def cell(text: str) -> str:
    """Text that can stand in a table."""
    return text.replace("|", "\\|")


def about(path: str, kind: type) -> str:
    """The entry of a class."""
    lines = [f"### `{path}`", "", textwrap.dedent(inspect.cleandoc(kind.__doc__ or "")), ""]
    above = parent(kind)
    if above is not None:
        lines += [f"Has all that `{above.__name__}` has.", ""]
    if section_of(path) in ("faults", "servers") and made_with(kind):
        lines += [f"Made with `{made_with(kind)}`.", ""]
    found = members(kind)
    fields = [member for member in found if member.is_field]
    if fields:
        lines += ["| field | what it is |", "|---|---|"]
        lines += [f"| `{one.name}: {cell(one.form)}` | {cell(one.text)} |" for one in fields]
        lines.append("")
    for one in found:
        if not one.is_field:
            lines += [f"`{one.form}`", f": {one.text}", ""]
    return "\n".join(lines)


def function(path: str, found: Callable[..., Any]) -> str:
    """The entry of a function."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(found))).body
    assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    return f"### `{path}`\n\n`{signature(node, found.__name__)}`\n\n{inspect.cleandoc(found.__doc__ or '')}\n"


@functools.cache
def everything() -> dict[str, Any]:
    """What is public, by its public path; the short names of the servers' kinds are in their table."""
    paths = {f"{HERE}.{name}": getattr(pytest_netmocks, name) for name in [*elsewhere.ELSEWHERE, *known.NAMES]}
    paths |= {f"{HERE}.faults.{name}": kind for name, kind in faults.registry.items()}
    paths |= {f"{HERE}.faults.{name}": getattr(faults, name) for name in ("Profile", "from_json", "parse", "to_json")}
    for module in (strategies, types, events):
        paths |= {f"{module.__name__}.{name}": getattr(module, name) for name in public(module)}
    return paths


def public(module: Any) -> list[str]:
    """The names that a module of users has."""
    if module is types:
        return list(types.WHERE)
    where = module.__name__ if module is strategies else f"{HERE}.records.events"
    return [
        name for name, value in vars(module).items() if name[0] != "_" and getattr(value, "__module__", "") == where
    ]


GIVEN = (
    *("Authority", "Certificate", "Folder", "GrpcReply", "JsonRpc", "Mailbox", "Netmocks"),
    *("RedisData", "RedisSortedSet", "RedisStream", "Response", "XmlRpc", "ws_frame"),
)
"""What servers are given, or ask."""

RULES = ("Rule", "WsRoute", "Limit", "Send", "Writer", "Banned", "Ports", "Names")


def section_of(path: str) -> str:
    """Where the reference has it."""
    name, found = path.rpartition(".")[2], everything()[path]
    if path.startswith(f"{HERE}.events."):
        return "events"
    if path.startswith((f"{HERE}.faults.", f"{HERE}.strategies.")) or name in ("Injection", "Everywhere"):
        return "faults"
    if name in ("ANY_PATH", "AnyOf", "Not", "Partial", "Criteria"):
        return "words"
    if inspect.isclass(found) and Server in found.__mro__:
        return "servers"
    if name in GIVEN or (path.startswith(f"{HERE}.types.") and name.endswith(RULES)):
        return "servers"
    return "records" if inspect.isclass(found) else "functions"


def entry(path: str, found: Any) -> str:
    """The entry of a public name."""
    if path == f"{HERE}.Kinds":
        return ""
    if inspect.isclass(found):
        return about(path, found)
    if inspect.isroutine(found):
        return function(path, inspect.unwrap(found))
    return f"### `{path}`\n\n`{found!r}`\n"


def entries(section: str) -> str:
    """All of a section, by name but for what all servers have, which comes first."""
    first = (f"{HERE}.types.Server", f"{HERE}.types.StreamServer")
    paths = sorted(
        (path for path in everything() if section_of(path) == section),
        key=lambda one: (one not in first, one.rpartition(".")[2].lower()),
    )
    return "\n".join(filter(None, (entry(path, everything()[path]) for path in paths)))


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table of Markdown."""
    lines = [head, ("---",) * len(head), *(tuple(map(cell, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines) + "\n"


def kinds() -> str:
    """What servers there are, and how one comes by them."""
    rows = []
    for name, line in known.TABLE.items():
        needs = f"{line.takes}" if line.takes else ""
        fixture = f"`{line.fixture}`" if line.fixture else ""
        kind = line.path.partition(":")[2]
        rows.append((fixture, f"`with {HERE}.{name}({needs})`", f"`{kind}`", line.summary))
    return table(
        (
            "fixture",
            "context",
            "type",
            "what it is",
        ),
        rows,
    )


def other_fixtures() -> str:
    """The fixtures that are no servers."""
    servers = {line.fixture for line in known.TABLE.values()}
    return table(
        ("fixture", "what it is"),
        [(f"`{name}`", text_of_fixture(name)) for name in fixtures.__all__ if name not in servers],
    )


def text_of_fixture(name: str) -> str:
    """What a fixture says of itself."""
    found = getattr(fixtures, name)
    return flat(inspect.unwrap(getattr(found, "__wrapped__", found)).__doc__ or getattr(found, "__doc__", ""))


def declared() -> tuple[list[Any], dict[str, tuple[str, Any, Any]]]:
    """The options and ini values of the plugin."""
    parser = pytest.Parser(_ispytest=True)
    settings.add_options(parser)
    return parser.getgroup("netmocks").options, parser._inidict


def command_line() -> str:
    """The options of pytest."""
    rows = []
    for option in declared()[0]:
        attributes = option.attrs()
        meta = attributes.get("metavar")
        form = f"{option.names()[0]}={meta}" if meta else option.names()[0]
        rows.append((f"`{form}`", attributes["help"]))
    return table(("option", "what it does"), rows)


def ini() -> str:
    """The values in pytest's settings."""
    return table(("ini value", "what it says"), [(f"`{name}`", value[0]) for name, value in declared()[1].items()])


def markers() -> str:
    """The markers."""
    parts = [marker.partition("): ") for marker in plugin.MARKERS]
    return table(("marker", "what it does"), [(f"`@pytest.mark.{name})`", flat(text)) for name, _, text in parts])


GROUPS = {
    "SelectorOptions": "faults.selection",
    "SweepOptions": "sweeps.plan",
    "ServerOptions": "servers.server",
    "TlsOptions": "encryption.settings",
    "LimitOptions": "servers.limited",
    "StreamOptions": "servers.stream",
    "WsServerOptions": "protocols.ws.server",
    "IssueOptions": "encryption.certificate",
    "ResponseOptions": "protocols.web.response",
    "GrpcReplyOptions": "protocols.grpc.reply",
}
"""Keyword arguments that several calls take, and where they are written."""


def groups() -> str:
    """The keyword arguments that signatures name by a group."""
    lines = []
    for name, module in GROUPS.items():
        group = getattr(importlib.import_module(f"{HERE}.{module}"), name)
        lines += [f"### `{name}`", "", inspect.cleandoc(group.__doc__ or ""), ""]
        forms = {
            one: form.__forward_arg__ if hasattr(form, "__forward_arg__") else form
            for one, form in group.__annotations__.items()
        }
        lines += [table(("argument", "type"), [(f"`{one}`", f"`{clean(str(form))}`") for one, form in forms.items()])]
    return "\n".join(lines)


SECTIONS: dict[str, Callable[[], str]] = {
    "kinds": kinds,
    "fixtures": other_fixtures,
    "options": command_line,
    "ini": ini,
    "markers": markers,
    "groups": groups,
    **{
        name: functools.partial(entries, name)
        for name in ("functions", "servers", "words", "faults", "records", "events")
    },
}


def filled(page: str) -> str:
    """A page with what the source says in its places."""
    return re.sub(r"<!-- netmocks: (\w+) -->", lambda place: SECTIONS[place[1]](), page)
