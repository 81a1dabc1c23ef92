"""The examples that Hypothesis draws are the same whatever was imported before."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

DRAWS = """
import importlib, sys
import conftest  # what all tests share
for name in sys.argv[1:]:
    importlib.import_module(name)
from hypothesis import given, settings, strategies as st

drawn = []

@settings(max_examples=300)
@given(st.text(), st.binary(), st.integers())
def draw(text, data, number):
    drawn.append((text, data, number))

draw()
print(ascii(drawn))
"""


def test_they_do_not_depend_on_the_modules_that_are_loaded(tmp_path: pathlib.Path) -> None:
    constants = "\n".join(f"a{n} = 'word {n}', b'data {n}', {1000 + n}" for n in range(1000))
    (tmp_path / "full_of_constants.py").write_text(constants)
    places = [str(pathlib.Path(__file__).parent), str(tmp_path), os.environ.get("PYTHONPATH")]
    known = os.pathsep.join(filter(None, places))

    def draws(*modules: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", DRAWS, *modules],
            env={**os.environ, "PYTHONPATH": known},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=120,
        ).stdout

    alone = draws()
    assert alone.count("(") >= 300
    assert draws("full_of_constants", "pytest_netmocks.protocols.httpbin.endpoints") == alone
