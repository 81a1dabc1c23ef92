"""The reference has all that is public, at its public path, and nothing else."""

from __future__ import annotations

import dataclasses
import inspect
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_netmocks import elsewhere, events, faults, strategies, types
from pytest_netmocks.plugin import fixtures
from pytest_netmocks.protocols import known

DOCS = pathlib.Path(__file__).parent.parent / "docs"
sys.path.insert(0, str(DOCS))

import reference  # noqa: E402  # the documentation's own
from reference_words import INTERNAL, ONLY  # noqa: E402

PAGES = "\n".join(page.read_text() for page in sorted(DOCS.glob("reference*.md")))
TEXT = reference.filled(PAGES)
MODULES = ("faults", "strategies", "types", "events", "compat.httpserver")
CLASSES = [path for path, found in reference.everything().items() if inspect.isclass(found)]


def names() -> Iterator[str]:
    """The public names of the package and of its public modules."""
    yield from (f"pytest_netmocks.{name}" for name in {*elsewhere.ELSEWHERE, *known.NAMES} - {"Kinds"})
    yield from (
        f"pytest_netmocks.faults.{name}" for name in {*faults.registry, "Profile", "parse", "from_json", "to_json"}
    )
    yield from (f"pytest_netmocks.strategies.{name}" for name in ("fault", "faults", "scripts"))
    yield from (f"pytest_netmocks.types.{name}" for name in dir(types))
    yield from (f"pytest_netmocks.events.{name}" for name, value in vars(events).items() if inspect.isclass(value))


def rows(path: str) -> dict[str, tuple[str, str]]:
    """Type and text of every field in the entry of a class."""
    entry = re.search(rf"^### `{re.escape(path)}`$(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert entry is not None, path
    found = re.findall(r"^\| `(\w+): (.*?)` \| (.*) \|$", entry[1], re.MULTILINE)
    return {name: (form, text) for name, form, text in found}


def test_every_place_of_the_pages_is_filled_and_every_part_has_one() -> None:
    places = re.findall(r"<!-- netmocks: (\w+) -->", PAGES)
    assert sorted(places) == sorted(reference.SECTIONS)
    assert "<!--" not in TEXT


def test_every_public_name_has_one_entry_and_no_other_has() -> None:
    assert sorted(re.findall(r"^### `(pytest_netmocks[\w.]+)`$", TEXT, re.MULTILINE)) == sorted(names())


def test_nothing_is_named_by_a_path_within_the_house() -> None:
    kinds = {*known.TABLE, *elsewhere.ELSEWHERE, *known.NAMES}
    for path in re.findall(r"pytest_netmocks\.([a-z_0-9]+(?:\.[a-z_]+)*|\w+)", TEXT):
        assert path in kinds or path.startswith(MODULES), path


def test_it_has_every_fixture_context_and_kind() -> None:
    for name in fixtures.__all__:
        assert re.search(rf"^\| `{name}` \|", TEXT, re.MULTILINE), name
    for name, line in known.TABLE.items():
        assert f"with pytest_netmocks.{name}(" in TEXT
        assert f"`{line.path.partition(':')[2]}`" in TEXT


def test_it_has_every_option_setting_and_marker(pytestconfig: pytest.Config) -> None:
    parser: Any = pytestconfig._parser
    options = [name for group in parser._groups for option in group.options for name in option.names()]
    for option in filter(re.compile("--netmocks").match, options):
        assert re.search(rf"^\| `{option}[=`]", TEXT, re.MULTILINE), option
    for setting in filter(re.compile("netmocks_").match, parser._inidict):
        assert f"| `{setting}` |" in TEXT
    ours = [line for line in pytestconfig.getini("markers") if re.match(r"(faults|fault_sweep|virtual_time)\(", line)]
    assert len(ours) == 3
    for marker in ours:
        assert f"`@pytest.mark.{marker.partition('):')[0]})`" in TEXT


@pytest.mark.parametrize("path", CLASSES)
def test_every_field_has_its_type_and_says_what_it_is(path: str) -> None:
    for name, (form, text) in rows(path).items() if path != "pytest_netmocks.Kinds" else ():
        assert form, name
        assert text, f"{path}.{name} has no docstring, and the class's own text does not name it"


def declared(kind: type) -> set[str]:
    """The fields that a record has when it is there, as Python knows them."""
    found = {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
    found |= {*getattr(kind, "_fields", ())} if issubclass(kind, tuple) else set()
    for base in kind.__mro__:
        if base.__module__.startswith("pytest_netmocks"):
            slots = vars(base).get("__slots__", ())
            found |= {slots} if isinstance(slots, str) else {*slots}
    return {name for name in found if not name.startswith("_")}


@pytest.mark.parametrize("path", [path for path in CLASSES if reference.section_of(path) in ("records", "events")])
def test_a_record_has_all_of_its_fields_there(path: str) -> None:
    kind = reference.everything()[path]
    there = set(rows(path)) if path != "pytest_netmocks.Kinds" else set()
    above = reference.parent(kind)
    while above is not None:
        there |= {name for found, one in reference.everything().items() if one is above for name in rows(found)}
        above = reference.parent(above)
    missing = {name for name in declared(kind) - there if reference.is_for_users(kind, name)}
    assert not missing


@pytest.mark.parametrize("path", CLASSES)
def test_a_fraction_says_of_what(path: str) -> None:
    for name, (form, text) in rows(path).items() if path != "pytest_netmocks.Kinds" else ():
        if re.match(r"float\b", form):
            said = f"{path}.{name}: {text}".lower()
            assert re.search("second|chance|probability|bytes", said), said


def test_what_is_not_for_users_is_there_at_all() -> None:
    known_names = {base.__name__: base for path in CLASSES for base in reference.families(reference.everything()[path])}
    for table in (ONLY, INTERNAL):
        for owner in filter(None, table):
            assert owner in known_names or owner == "Fault", owner


def test_strategies_are_those_that_the_module_has() -> None:
    own = [name for name, value in vars(strategies).items() if getattr(value, "__module__", "") == strategies.__name__]
    assert {name for name in own if not name.startswith("_")} == {"fault", "faults", "scripts"}


def test_a_public_module_has_what_it_says() -> None:
    for name in dir(types):
        assert getattr(types, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'HttpRul'"):
        types.HttpRul  # type: ignore[attr-defined]  # noqa: B018
