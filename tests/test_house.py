"""The house itself: which way the stairs go, what is public, what every server answers to."""

from __future__ import annotations

import ast
import graphlib
import inspect
import pathlib
import re

import pytest
from helpers import needed

import pytest_netmocks
from pytest_netmocks import faults, plugin, types
from pytest_netmocks.plugin import fixtures, wider
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols import known
from pytest_netmocks.protocols.known import TABLE
from pytest_netmocks.protocols.table import Kinds
from pytest_netmocks.servers.server import Server

PACKAGE = pathlib.Path(pytest_netmocks.__file__).parent

# Each floor may use itself and those below it; the first is the ground.
FLOORS = [
    {"charsets", "check", "clock", "elsewhere", "limits", "matchers", "modules", "strict", "usercode", "warned"},
    {"records", "engine"},
    {"faults"},
    {"injections", "scope"},
    {"reports"},
    {"link"},
    {"rules", "encryption"},
    {"servers"},
    {"protocols", "virtual", "names"},
    {"sweeps"},
    {"plugin", "cli", "compat", "strategies", "events", "types", "__init__", "__main__"},
]


def floor(module: str) -> int:
    room = module.split(".", maxsplit=1)[0]
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def runtime_imports(path: pathlib.Path) -> set[str]:
    """The modules of the package that a file imports when it runs, not only for the type checker."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pytest_netmocks"):
            rest = node.module.removeprefix("pytest_netmocks").lstrip(".")
            names = [rest] if rest else [alias.name for alias in node.names if not alias.name.startswith("__")]
            found.update(names)
        elif isinstance(node, ast.Import):
            found.update(a.name.partition(".")[2] for a in node.names if a.name.startswith("pytest_netmocks."))
    return found


MODULES = sorted(PACKAGE.rglob("*.py"))


def test_imports_go_down_only() -> None:
    for path in MODULES:
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        upward = {name for name in runtime_imports(path) if floor(name) > floor(module)}
        assert not upward, f"{module} imports {upward} from a floor above it"


NAMES = {
    ".".join(part for part in path.relative_to(PACKAGE).with_suffix("").parts if part != "__init__"): path
    for path in MODULES
}


def all_imports(path: pathlib.Path) -> set[str]:
    """The modules of the package that a file names at all: when it runs, later, or for the type checker only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pytest_netmocks"):
            module = node.module.partition(".")[2]
            for alias in node.names:
                inner = f"{module}.{alias.name}".lstrip(".")
                found.add(inner if inner in NAMES else module)
        elif isinstance(node, ast.Import):
            found.update(a.name.partition(".")[2] for a in node.names if a.name.startswith("pytest_netmocks."))
    return found


def test_no_modules_import_each_other_in_a_circle_not_even_for_the_type_checker() -> None:
    arrows = {name: all_imports(path) - {name} for name, path in NAMES.items()}
    try:
        graphlib.TopologicalSorter(arrows).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


# Who of those that share a matter may know whom: each only those after it.
STAIRS = {"httpbin": "http ws web", "badssl": "http ws web", "http": "ws web", "ws": "web", "web": ""}


@pytest.mark.parametrize("folder", STAIRS)
def test_protocols_over_http_know_only_those_below(folder: str) -> None:
    for path in (PACKAGE / "protocols" / folder).glob("*.py"):
        known = {name.split(".")[1] for name in all_imports(path) if name.startswith("protocols.")} & STAIRS.keys()
        assert known <= {folder, *STAIRS[folder].split()}, path


def test_no_session_knows_its_server() -> None:
    for path in (PACKAGE / "protocols").glob("*/session.py"):
        assert path.parent.name + ".server" not in {name.partition(".")[2] for name in all_imports(path)}, path


OF_TUPLES = {"_asdict", "_fields", "_make", "_replace"}  # public names that begin so lest they be fields


def reaches(path: pathlib.Path) -> list[str]:
    """The private names that a file takes from what is not `self`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and re.match("_[^_]", node.attr) and node.attr not in OF_TUPLES:
            of = ast.unparse(node.value)
            if of not in ("self", "cls", "super()"):
                found.append(f"{of}.{node.attr}")
    return found


def test_the_modules_that_are_loaded_are_looked_at_in_a_copy() -> None:
    """Another thread may import meanwhile; of a dictionary `copy` alone is one step, `list(...items())` is not."""
    looks = re.compile(r"(for [\w, ]+ in|list\() ?sys\.modules(?!\.copy\(\))")
    found = [path.name for path in PACKAGE.rglob("*.py") if looks.search(path.read_text())]
    assert found == []


def test_nobody_reaches_for_the_private_names_of_others() -> None:
    for path in MODULES:
        if path.name != "library.py":  # whose business a library's are
            assert not reaches(path), path


@pytest.mark.parametrize("folder", ["engine", "faults", "injections", "records"])
def test_the_engine_and_the_records_know_no_sockets_and_no_loop(folder: str) -> None:
    for path in (PACKAGE / folder).rglob("*.py"):
        imported = {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        forbidden = {"socket", "asyncio", "threading", "select", "selectors"} | (
            {"time"} if folder != "records" else set()
        )
        assert not imported & forbidden, path


def test_a_module_says_what_it_is_and_can_be_read_in_one_sitting() -> None:
    for path in MODULES:
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text)), path
        assert len(text.splitlines()) <= 450, path


def written_for_type_checkers(path: pathlib.Path) -> dict[str, str]:
    """The public names that a module has for type checkers only: what each is imported from, or stands for."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for line in node.body:
                if isinstance(line, ast.ImportFrom):
                    found.update({a.asname: f"{line.module}:{a.name}" for a in line.names if a.asname is not None})
                elif isinstance(line, ast.Assign):
                    found[ast.unparse(line.targets[0])] = ast.unparse(line.value)
    return found


def test_what_editors_are_told_of_a_protocol_is_what_its_line_says() -> None:
    aliases = {name: entry.path.partition(":")[2] for name, entry in TABLE.items()}
    assert written_for_type_checkers(PACKAGE / "protocols" / "table.py") == {**known.NAMES, **aliases}
    assert {name: form for name, form in Kinds.__annotations__.items() if name in TABLE} == {
        name: f"type[{kind}]" for name, kind in aliases.items()
    }
    forms = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(wider)))
        if isinstance(node, ast.FunctionDef) and "overload" in map(ast.unparse, node.decorator_list)
    ]
    kinds = [ast.unparse(form.args.posonlyargs[0]) for form in forms]
    assert kinds == [f"kind: Literal[{name!r}]" for name in TABLE] + ["kind: str"]


def test_every_public_name_is_what_the_table_says() -> None:
    for name, entry in TABLE.items():
        kind = entry.load()
        assert getattr(pytest_netmocks, name) is kind
        assert entry.summary
        assert kind.__doc__
    for name, path in known.NAMES.items():
        assert getattr(pytest_netmocks, name).__name__ == path.partition(":")[2]
    assert {*TABLE, *known.NAMES, *Kinds.__annotations__} <= set(dir(pytest_netmocks))


def test_what_editors_are_told_of_the_types_is_what_is_found_there() -> None:
    told = written_for_type_checkers(PACKAGE / "types.py")
    imported = {name: path.removeprefix("pytest_netmocks.") for name, path in told.items() if ":" in path}
    assert {**imported, **{name: types.WHERE[name] for name in told.keys() - imported.keys()}} == types.WHERE
    for name, kind in told.items():
        assert getattr(types, name).__name__ == (kind if name not in imported else kind.partition(":")[2])


OF_NO_SERVER = {"netmocks", "tls_ca", "tls_trust", "virtual_clock"}


def test_every_fixture_of_the_table_is_the_plugins() -> None:
    made = {
        node.name
        for node in ast.parse(inspect.getsource(fixtures)).body
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(decorator).startswith("pytest.fixture") for decorator in node.decorator_list)
    }
    assert made == set(fixtures.__all__)
    assert {entry.fixture for entry in TABLE.values() if entry.fixture} == made - OF_NO_SERVER
    for name in made:
        assert getattr(plugin, name) is getattr(fixtures, name)


def test_the_page_on_the_house_shows_every_room_on_its_floor() -> None:
    """What stands higher up there is on a higher floor here; files that the page names exist."""
    page = (pathlib.Path(__file__).parent.parent / "docs" / "house.md").read_text()
    picture = page.split("```text\n")[1].split("```")[0]
    lines = [line[:42].replace("|", " ").split() for line in picture.splitlines() if not line.startswith(" " * 40)]
    shown = [name.partition("/")[0] for line in lines for name in line]
    assert set(shown) == {room for rooms in FLOORS for room in rooms if not room.startswith("__")}
    floors = [floor(name) for name in shown]
    assert floors == sorted(floors, reverse=True)
    for name in re.findall(r"`(\w+/[a-z_/]+\.py)`", page):
        if name.partition("/")[0] in shown:
            assert (PACKAGE / name).exists(), name


def test_a_protocol_is_known_to_the_table_the_types_and_the_fixtures_alone() -> None:
    """Outside of its folder no other file of the package names a module of its; `web` and `mail` are no protocols.

    Words of another library are about one protocol, as that is.
    """
    knows = {"plugin/fixtures.py", "plugin/wider.py", "types.py"}
    folders = {path.parent.name for path in (PACKAGE / "protocols").glob("*/__init__.py")} - {"web", "mail"}
    for path in MODULES:
        inside = path.relative_to(PACKAGE).as_posix()
        if inside.startswith(("protocols/", "compat/")) or inside in knows:
            continue
        named = set(re.findall(r"protocols\.(\w+)", path.read_text())) & folders
        assert not named, f"{inside} names {named}"


def test_bench_runs_every_benchmark() -> None:
    root = pathlib.Path(__file__).parent.parent
    programs = {path.name for path in root.glob("benchmarks/*.py") if '"__main__"' in path.read_text()}
    assert programs
    assert programs == set(re.findall(r'"benchmarks/(\w+\.py)"', (root / "run.py").read_text()))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="gopher"):
        pytest_netmocks.gopher  # type: ignore[attr-defined]  # noqa: B018


WORDS = [
    "inject",
    "script",
    "connections",
    "open_connections",
    "peak_connections",
    "requests",
    "timeline",
    "start",
    "stop",
    "close",
    "wait_for",
    "async_wait_for",
    "scheme",
    "host",
    "port",
    "address",
    "url",
    "name",
]


@pytest.mark.parametrize("name", TABLE)
def test_learn_one_server_and_you_know_them_all(name: str, netmocks: Netmocks) -> None:
    server: Server = getattr(netmocks, name)(*needed(name))
    for word in WORDS:
        assert hasattr(server, word), word
        member = inspect.getattr_static(type(server), word)
        if callable(member) or isinstance(member, property):
            assert inspect.getdoc(member), word
    assert server.address == (server.host, server.port)
    assert server.url == f"{server.scheme}://127.0.0.1:{server.port}"
    server.stop()
    server.start()
    assert repr(server).endswith("running>")


@pytest.mark.parametrize("name", TABLE)
async def test_outside_of_pytest_it_is_a_context_manager_of_both_kinds(name: str) -> None:
    kind = TABLE[name].load()
    arguments = needed(name)
    with kind(*arguments) as server:
        port = server.port
    assert server.closed
    async with kind(*arguments, port=port) as server:
        assert server.port == port


def test_public_objects_are_documented() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"


def test_the_registry_is_what_the_faults_module_offers() -> None:
    for name, kind in faults.registry.items():
        assert getattr(faults, name) is kind
