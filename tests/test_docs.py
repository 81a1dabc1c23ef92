"""Every snippet of the README and the documentation runs."""

from __future__ import annotations

import pathlib
import re
import shlex
import tempfile

import pytest
import websockets.version
from _pytest.mark import ParameterSet
from helpers import FEW_PLUGINS

from pytest_netmocks.cli import _parser

ROOT = pathlib.Path(__file__).parent.parent
FOLLOWED = "your_own_protocol.md"  # by a test of its own
PAGES = [
    ROOT / "README.md",
    *sorted(
        page
        for page in (ROOT / "docs").glob("*.md")
        if page.name != FOLLOWED and not page.name.startswith("migrate_")  # which `test_migration.py` runs in one go
    ),
]


def blocks(page: pathlib.Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


NEEDS = {
    "recipes_databases.md": {"/usr/lib/postgresql": "postgresql", "/usr/sbin/mariadbd": "mariadb-server-core"},
    "recipes_brokers.md": {"/usr/lib/rabbitmq": "rabbitmq-server"},
}
"""The servers of other projects that a page's tests start: where they are, and Debian's packages of them."""


def runnable(page: pathlib.Path) -> ParameterSet:
    for there, package in NEEDS.get(page.name, {}).items():
        if not pathlib.Path(there).exists():
            return pytest.param(page, marks=pytest.mark.skip(reason=f"Debian's {package} is not installed"))
    old = pytest.mark.skipif(
        page.name in ("websocket.md", "clients.md") and int(websockets.version.version.partition(".")[0]) < 17,
        reason="the page's clients are those of websockets 17",
    )
    return pytest.param(page, marks=old)


@pytest.mark.parametrize(
    "page", [runnable(page) for page in PAGES if blocks(page, "python")], ids=lambda page: page.name
)
def test_the_python_runs(page: pathlib.Path, pytester: pytest.Pytester) -> None:
    snippets = blocks(page, "python")
    for number, snippet in enumerate(snippets):
        assert "def test_" in snippet, f"a snippet that is no test proves nothing:\n{snippet}"
        pytester.makepyfile(**{f"test_snippet_{number}": snippet})
    for proto in blocks(page, "proto"):
        (pytester.path / proto.splitlines()[0].removeprefix("// ")).write_text(proto)
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    text = "".join(snippets)
    # What a reader copies leaves no socket open; but kombu and pika leave theirs to the collector, in any order.
    careful: tuple[str, ...] = ("-W", "error::ResourceWarning", "-W", "error::pytest.PytestUnraisableExceptionWarning")
    if "celery" in text or "import pika" in text:
        careful = ()
    # Which places a sweep with a limit draws is chance.
    wanted = [plugin for library, plugin in (("anyio", "anyio"), ("hypothesis", "hypothesispytest")) if library in text]
    fixed = (*FEW_PLUGINS, *(part for plugin in wanted for part in ("-p", plugin)), "--netmocks-seed=1")
    # A reader's tmp_path is short enough for a UNIX socket; one below ours is not.
    with tempfile.TemporaryDirectory() as folder:
        result = pytester.runpytest_subprocess(*fixed, f"--basetemp={folder}/base", "-q", *careful, timeout=300)
    assert result.ret == 0
    outcomes = result.parseoutcomes()  # what a page shows to fail is expected to
    assert outcomes.get("passed", 0) + outcomes.get("xfailed", 0) >= len(snippets)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "console")], ids=lambda page: page.name)
def test_the_command_lines_are_accepted(page: pathlib.Path) -> None:
    for block in blocks(page, "console"):
        for line in block.splitlines():
            program, *arguments = shlex.split(line)
            assert program in ("netmocks", "pip", "python3")
            if program == "netmocks":
                _parser().parse_args(arguments)
