"""Other systems, played on this one: without what only Linux has, and with sockets that do as theirs do."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).with_name("elsewhere_script.py")


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_servers_serve_stop_and_start_without_what_only_linux_has(system: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", SCRIPT, system], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "all of it\n", "")
