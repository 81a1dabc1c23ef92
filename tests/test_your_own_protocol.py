"""`docs/your_own_protocol.md`, followed from scratch: the package is written, installed by pip, and its tests run."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest
from helpers import once_a_run

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "your_own_protocol.md"

FILE = re.compile(r"^`([^`\n]+)`[^\n]*:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder of installed packages that has the page's."""
    return once_a_run(tmp_path_factory, "netmocks-nut", install) / "site"


def install(project: pathlib.Path) -> None:
    for name, text in FILE.findall(PAGE.read_text()):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    (project / "netmocks_nut" / "__init__.py").touch()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps"]
    subprocess.run([*pip, "--target", project / "site", project], check=True, timeout=300)


def run(site: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    known = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=site.parent / "tests",
        env={**os.environ, "PYTHONPATH": known},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_package_that_the_page_makes_passes_its_tests(site: pathlib.Path) -> None:
    (site.parent / "tests" / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    done = run(site, "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "-W", "error")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b8 passed in", done.stdout)


def test_the_command_line_knows_it(site: pathlib.Path) -> None:
    listed = run(site, "pytest_netmocks", "list").stdout
    summary = "Network UPS Tools (RFC 9271): variables of power supplies, rules over commands"
    assert f"server\tnut\t{summary} (netmocks-nut 1.0)\n" in listed
