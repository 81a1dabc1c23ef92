"""The outputs in `docs/read_a_failing_test.md`: `python tests/shown.py` puts what is true today into the page."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import tempfile

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "read_a_failing_test.md"

BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n\n^```text\n(?P<shown>.*?)^```$", re.MULTILINE | re.DOTALL)

CHANCE = [
    (r"127\.0\.0\.1:\d{5}", "127.0.0.1:40123"),
    (r"seed \d+ (.*)=\d+\)", r"seed 1 \1=1)"),
    (r"^ {3}\d\.\d{4} ", "   0.0123 "),
    (r"after \d+ ms|after \d\.\d+ s", "after 0.2 s"),
]
"""What is another each time, and what stands for it."""


def output(code: str) -> str:
    """What pytest says of the test, from the line on that says what ended it."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--runxfail", "--tb=short"]
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "test_it.py").write_text(code)
        done = subprocess.run(
            [*command, "test_it.py"],
            env={**os.environ, "COLUMNS": "100"},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    found = re.search(r"^-+ netmocks: what ended it -+\n.*(?=^=+ short test summary)", done.stdout, re.M | re.S)
    assert found is not None, done.stdout + done.stderr
    return found[0]


def settled(text: str) -> str:
    """The text with the same ports and times each time."""
    for pattern, standing in CHANCE:
        text = re.sub(pattern, standing, text, flags=re.MULTILINE)
    return text


def renewed(page: str) -> str:
    """The page with the outputs of today."""
    return BLOCK.sub(
        lambda block: f"```python\n{block['code']}```\n\n```text\n{settled(output(block['code']))}```", page
    )


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
