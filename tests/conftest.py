"""What all tests share: helpers are in `helpers`, `virtual` and `packets`."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import FEW_PLUGINS, Suite
from hypothesis import settings
from playbook import Stage, staged

from pytest_netmocks.link import loop

pytest_plugins = ["pytester"]

# What tests start finds the package compiled, and leaves nothing of files that a test writes more than once.
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

# Found examples belong into the tests as tests; a run does not depend on luck or on a quiet machine.
settings.register_profile("netmocks", deadline=None, derandomize=True, database=None)
settings.load_profile("netmocks")

# Hypothesis takes constants of all loaded modules that are ours into its draws: they would be others behind other
# tests. The name is private and not in every version; whether it does what it should is seen in `test_examples`.
providers: Any = sys.modules.get("hypothesis.internal.conjecture.providers")
if hasattr(providers, "_get_local_constants"):
    providers._get_local_constants = lambda: providers._local_constants

# Who settles does not go on before the servers' loop is idle, however slow the machine is.
loop.CALM = 60.0

ECHO = """
import socket

def echo(server, data=b"hello"):
    with socket.create_connection(server.address, timeout=30) as sock:
        sock.sendall(data)
        return sock.recv(100)
"""


@pytest.fixture(autouse=True)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage | None]:
    """In memory and in virtual time, for tests that are marked so: see `playbook`."""
    marked = request.node.get_closest_marker
    if marked("in_memory") is None or marked("on_sockets") is not None:
        yield None
        return
    with staged(Stage()) as stage:
        yield stage


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    for name in ("CI", "BUILD_NUMBER"):  # where they are set pytest's summary repeats whole errors
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(helpers=ECHO)
    pytester.syspathinsert()

    def run(source: str, *args: str, **ini: str) -> pytest.RunResult:
        ini.setdefault("asyncio_default_fixture_loop_scope", "function")
        pytester.makeini("[pytest]\n" + "\n".join(f"{key} = {value}" for key, value in ini.items()))
        pytester.makepyfile(test_it="from helpers import echo\n" + textwrap.dedent(source))
        return pytester.runpytest_subprocess(*FEW_PLUGINS, *args)

    return run
