"""The release checklist that `python3 run.py release --check` goes through. It looks and builds; it never uploads.

Each check is a function of a `Candidate` that returns what is wrong, a line each; nothing is right. All of them are
made, whatever the first say.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable

SCRIPTS = "Scripts" if os.name == "nt" else "bin"
SECTION = re.compile(r"^## (\S+)(?: - (\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)
PROJECTS_FILES = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "run.py",
    "release.py",
    "tox.ini",
]
FIRST_EXAMPLE = "start.md"


@dataclasses.dataclass(frozen=True)
class Candidate:
    """What is to be released: the checkout, and a folder for what is built."""

    root: pathlib.Path
    work: pathlib.Path
    tools: pathlib.Path
    """The folder of programs of an environment with the extras `docs` and `release`."""

    @functools.cached_property
    def version(self) -> str:
        """The version in pyproject.toml, which is the one that pip sees."""
        return str(tomllib.loads((self.root / "pyproject.toml").read_text())["project"]["version"])

    @functools.cached_property
    def changes(self) -> str:
        """The text of CHANGELOG.md."""
        return (self.root / "CHANGELOG.md").read_text()

    def section(self, name: str) -> str:
        """A section of the CHANGELOG, without its heading; empty if there is none."""
        parts = SECTION.split(self.changes)
        return dict(zip(parts[1::3], parts[3::3], strict=True)).get(name, "")

    def built(self, pattern: str) -> list[pathlib.Path]:
        """What the check of the build made."""
        return sorted((self.work / "dist").glob(pattern))

    def python(self, *arguments: str | pathlib.Path, cwd: pathlib.Path | None = None) -> list[str]:
        """Run the tools' Python; the last lines of what it says where it fails."""
        return failing([self.tools / "python", *arguments], cwd or self.root)


def failing(command: list[str | pathlib.Path], cwd: pathlib.Path) -> list[str]:
    """Run a program that has to end with 0; else the last lines that it printed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
    done = subprocess.run(
        command, cwd=cwd, env=clean, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return [] if done.returncode == 0 else [*done.stdout.splitlines()[-20:], f"exit code {done.returncode}"]


def version_agrees(candidate: Candidate) -> list[str]:
    """pyproject.toml, the package, the newest section of the CHANGELOG and the page on versions name one version."""
    tree = ast.parse((candidate.root / "pytest_netmocks" / "__init__.py").read_text())
    said = {
        ast.unparse(node.targets[0]): ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
    }
    newest = [name for name, _ in SECTION.findall(candidate.changes) if name != "Unreleased"]
    page = re.search(r"is of version `([^`]+)`", (candidate.root / "docs" / "versions.md").read_text())
    names = {
        "pytest_netmocks.__version__": said.get("__version__"),
        "the newest section of CHANGELOG.md": newest[0] if newest else None,
        "docs/versions.md": page[1] if page else None,
    }
    return [
        f"{where} is {name!r}, pyproject.toml has {candidate.version!r}"
        for where, name in names.items()
        if name != candidate.version
    ]


def changes_are_told(candidate: Candidate) -> list[str]:
    """The version has a section with a date and upgrade notes, and nothing is left under Unreleased."""
    dates = dict(SECTION.findall(candidate.changes))
    wrong = []
    if candidate.version not in dates:
        return [f"CHANGELOG.md has no section '## {candidate.version} - YYYY-MM-DD'"]
    if not dates[candidate.version]:
        wrong.append(f"the section {candidate.version} of CHANGELOG.md has no date")
    notes = re.search(r"^### Upgrade notes\n(.*?)(?=^### |\Z)", candidate.section(candidate.version), re.M | re.S)
    if notes is None or not notes[1].strip():
        wrong.append(f"the section {candidate.version} of CHANGELOG.md has no '### Upgrade notes'")
    if candidate.section("Unreleased").strip():
        wrong.append("CHANGELOG.md has entries under Unreleased: they belong to this version")
    return wrong


def tree_is_clean(candidate: Candidate) -> list[str]:
    """What is built is what is committed."""
    command = ["git", "status", "--porcelain"]
    done = subprocess.run(command, cwd=candidate.root, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else done.stderr.splitlines()


def sdist_and_wheel_are_built(candidate: Candidate) -> list[str]:
    """The wheel is built from the sdist, so that the sdist is known to have what it takes."""
    wrong = candidate.python("-m", "build", "--outdir", candidate.work / "dist", candidate.root)
    return wrong or [
        f"{pattern} was not built"
        for pattern in ("*.whl", "*.tar.gz")
        if not candidate.built(f"*{candidate.version}{pattern}")
    ]


def sdist_is_whole(candidate: Candidate) -> list[str]:
    """The sdist has the tests, the documentation and what a contributor runs."""
    import tarfile

    with tarfile.open(candidate.built("*.tar.gz")[0]) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    wanted = [*PROJECTS_FILES, "tests/conftest.py", "docs/index.md", "examples/pytest.ini", "benchmarks/engine.py"]
    return [f"the sdist has no {name}" for name in wanted if name not in inside]


def twine_finds_nothing(candidate: Candidate) -> list[str]:
    """The metadata is what the index takes, and the README is shown there."""
    return candidate.python("-m", "twine", "check", "--strict", *candidate.built("*"))


def wheel_has_what_it_should(candidate: Candidate) -> list[str]:
    """Nothing but the package is in the wheel, and all of it."""
    package = candidate.root / "pytest_netmocks"
    return candidate.python("-m", "check_wheel_contents", "--package", package, *candidate.built("*.whl"))


def wheel_works_in_an_empty_environment(candidate: Candidate) -> list[str]:
    """Installed with its dependencies and no more, the first page's tests pass, and warnings are errors."""
    home = candidate.work / "empty"
    venv.create(home, with_pip=False)
    python = home / SCRIPTS / "python"
    wheel = candidate.built("*.whl")[0]
    wrong = candidate.python("-m", "pip", "--python", python, "--disable-pip-version-check", "install", "-q", wheel)
    if wrong:
        return wrong
    tests = candidate.work / "first"
    tests.mkdir()
    page = (candidate.root / "docs" / FIRST_EXAMPLE).read_text()
    for number, snippet in enumerate(re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)):
        (tests / f"test_first_{number}.py").write_text(snippet)
    return (
        candidate.python("-m", "pip", "--python", python, "check")
        or failing([python, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"], tests)
        or failing([home / SCRIPTS / "netmocks", "list"], tests)
    )


def documentation_is_built(candidate: Candidate) -> list[str]:
    """Warnings are errors, and the title of every page has the version."""
    out = candidate.work / "html"
    wrong = candidate.python("-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", out)
    if wrong:
        return wrong
    title = re.search(r"<title>(.*?)</title>", (out / "index.html").read_text(), re.S)
    return (
        []
        if title and candidate.version in title[1]
        else [f"the title of the documentation has no {candidate.version}"]
    )


SEARCHED = ["airplan", "flaki", "postgr", "retri", "timeout"]
"""Airplane mode, flaky, postgres, retry, timeout, as the search's index has them: without their ends."""


def documentation_says_all_of_the_words(candidate: Candidate) -> list[str]:
    """What a reader looks up is found by the full-text search of the pages."""
    index = (candidate.work / "html" / "searchindex.js").read_text()
    return [f"the search knows no word that begins with {word!r}" for word in SEARCHED if f'"{word}"' not in index]


CHECKS: list[Callable[[Candidate], list[str]]] = [
    version_agrees,
    changes_are_told,
    tree_is_clean,
    sdist_and_wheel_are_built,
    sdist_is_whole,
    twine_finds_nothing,
    wheel_has_what_it_should,
    wheel_works_in_an_empty_environment,
    documentation_is_built,
    documentation_says_all_of_the_words,
]


def check(candidate: Candidate, checks: list[Callable[[Candidate], list[str]]] = CHECKS) -> int:
    """Make all checks and print what each found; 1 if one of them found something."""
    wrong = 0
    for one in checks:
        try:
            found = one(candidate)
        except (OSError, LookupError, subprocess.SubprocessError) as error:  # as where an earlier check built nothing
            found = [f"{type(error).__name__}: {error}"]
        print(f"{'FAILED' if found else 'ok':<8}{one.__name__.replace('_', ' ')}", flush=True)
        for line in found:
            print(f"        {line}")
        wrong += bool(found)
    print(
        f"\n{candidate.version}: "
        + (f"{wrong} of {len(checks)} checks failed" if wrong else "ready; nothing was uploaded")
    )
    return 1 if wrong else 0


def main(root: pathlib.Path, arguments: list[str]) -> int:
    """`release --check`; there is no other form, since a person uploads."""
    import tempfile

    if arguments != ["--check"]:
        print("usage: python3 run.py release --check\n\nIt checks and builds, and uploads nothing.")
        return 2
    with tempfile.TemporaryDirectory(prefix="netmocks-release-") as folder:
        return check(Candidate(root, pathlib.Path(folder), pathlib.Path(sys.executable).parent))


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(__file__).resolve().parent, sys.argv[1:]))
