"""The release checklist: this tree passes what needs no build, and each check says what is wrong with another."""

from __future__ import annotations

import importlib.util
import pathlib
import subprocess
import sys
from types import ModuleType

import pytest

ROOT = pathlib.Path(__file__).parent.parent


def script(path: pathlib.Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


release = script(ROOT / "release.py")

CHANGES = """# Changelog

## 2.0 - 2026-11-27

### Upgrade notes

- Nothing to do.

### Added

- A thing.
"""


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    """A checkout of which everything that needs no build is right."""
    (tmp_path / "pytest_netmocks").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "2.0"\n')
    (tmp_path / "pytest_netmocks" / "__init__.py").write_text('__version__ = "2.0"\n')
    (tmp_path / "docs" / "versions.md").write_text("This documentation is of version `2.0`.\n")
    (tmp_path / "CHANGELOG.md").write_text(CHANGES)
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run(["git", *identity, "commit", "-q", "--no-verify", "-m", "All"], cwd=tmp_path, check=True)
    return tmp_path


QUICK = [release.version_agrees, release.changes_are_told, release.tree_is_clean]


def checked(root: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = release.check(release.Candidate(root, root / "work", root), QUICK)
    return code, capsys.readouterr().out


def test_a_tree_that_is_right_is_ready(tree: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = checked(tree, capsys)
    assert code == 0, said
    assert said.endswith("2.0: ready; nothing was uploaded\n")


@pytest.mark.parametrize(
    ("file", "old", "new", "wrong"),
    [
        ("pyproject.toml", "2.0", "2.1", "CHANGELOG.md has no section '## 2.1 - YYYY-MM-DD'"),
        ("pytest_netmocks/__init__.py", "2.0", "1.9", "pytest_netmocks.__version__ is '1.9', pyproject.toml has '2.0'"),
        ("docs/versions.md", "2.0", "1.9", "docs/versions.md is '1.9', pyproject.toml has '2.0'"),
        ("CHANGELOG.md", "2.0 -", "1.9 -", "the newest section of CHANGELOG.md is '1.9', pyproject.toml has '2.0'"),
        ("CHANGELOG.md", " - 2026-11-27", "", "the section 2.0 of CHANGELOG.md has no date"),
        (
            "CHANGELOG.md",
            "### Upgrade notes",
            "### Fixed",
            "the section 2.0 of CHANGELOG.md has no '### Upgrade notes'",
        ),
        ("CHANGELOG.md", "- Nothing to do.", "", "the section 2.0 of CHANGELOG.md has no '### Upgrade notes'"),
        ("CHANGELOG.md", "## 2.0", "## Unreleased\n\n- More.\n\n## 2.0", "CHANGELOG.md has entries under Unreleased"),
    ],
)
def test_what_is_wrong_with_a_tree_is_said(
    tree: pathlib.Path, capsys: pytest.CaptureFixture[str], file: str, old: str, new: str, wrong: str
) -> None:
    text = (tree / file).read_text()
    assert old in text
    (tree / file).write_text(text.replace(old, new, 1))
    code, said = checked(tree, capsys)
    assert code == 1
    assert wrong in said
    assert f" M {file}" in said  # and it is not committed


def test_an_empty_section_of_what_is_unreleased_does_no_harm(tree: pathlib.Path) -> None:
    (tree / "CHANGELOG.md").write_text(CHANGES.replace("## 2.0", "## Unreleased\n\n## 2.0"))
    assert release.changes_are_told(release.Candidate(tree, tree, tree)) == []


def test_a_check_that_has_nothing_to_look_at_has_failed_and_the_others_are_made(
    tree: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [release.sdist_is_whole, release.documentation_says_all_of_the_words, release.version_agrees]
    assert release.check(release.Candidate(tree, tree / "work", tree), checks) == 1
    lines = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line[:1].strip()]
    assert lines == ["FAILED", "FAILED", "ok", "2.0:"]


def test_this_tree_agrees_with_itself_on_its_version_and_tells_its_changes() -> None:
    here = release.Candidate(ROOT, ROOT, ROOT)
    assert release.version_agrees(here) == []
    later = "CHANGELOG.md has entries under Unreleased"  # which is wrong for a release only
    assert [wrong for wrong in release.changes_are_told(here) if not wrong.startswith(later)] == []


@pytest.mark.parametrize("arguments", [[], ["--upload"], ["--check", "--upload"]])
def test_there_is_no_way_to_upload(arguments: list[str]) -> None:
    assert release.main(ROOT, arguments) == 2


def test_the_picture_of_the_house_is_the_one_in_words() -> None:
    picture = script(ROOT / "docs" / "house_picture.py")
    page = (ROOT / "docs" / "house.md").read_text()
    assert picture.PICTURE.read_text() == picture.drawn(page), "run python docs/house_picture.py"
