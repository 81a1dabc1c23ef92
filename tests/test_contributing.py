"""CONTRIBUTING.md, followed: its fault is put into a copy of the package, and the tests that it names pass there."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

from helpers import FEW_PLUGINS

ROOT = pathlib.Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
STEP = re.compile(r"^`([^`\n]+)`[^\n]*:\n\n```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


TESTS = ["tests/faults/test_shorten.py", "tests/faults/test_values.py", "tests/test_strategies.py"]


def changed(text: str, change: str) -> str:
    """What a diff without line numbers makes of a text: its lines without `+` stand there, in one place."""
    lines = change.splitlines()
    before = "\n".join(line[1:] for line in lines if not line.startswith("+"))
    assert text.count(before) == 1, before
    return text.replace(before, "\n".join(line[1:] for line in lines))


def test_the_first_fault_passes_the_laws_of_all_faults(tmp_path: pathlib.Path) -> None:
    shutil.copytree(
        ROOT / "pytest_netmocks", tmp_path / "pytest_netmocks", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(
        ROOT / "tests" / "faults", tmp_path / "tests" / "faults", ignore=shutil.ignore_patterns("__pycache__")
    )
    for file in (*(ROOT / "tests").glob("*.py"), ROOT / "pyproject.toml"):
        shutil.copy(file, tmp_path / file.relative_to(ROOT))
    steps = STEP.findall(PAGE)
    assert [language for _, language, _ in steps].count("diff") == 3
    for name, language, text in steps:
        path = tmp_path / name
        path.write_text(changed(path.read_text(), text) if language == "diff" else text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *FEW_PLUGINS, *TESTS, "-k", "horten"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
