"""The pages for who comes from another library: each pair of tests passes, theirs on their own servers and mocks."""

from __future__ import annotations

import os
import pathlib
import re
import sys

import pytest
from helpers import FEW_PLUGINS

DOCS = pathlib.Path(__file__).parent.parent / "docs"
PAIRS = {
    page.stem: re.findall(r"^```python\n(.*?)^```", text.partition("## Pairs")[2] or text, re.MULTILINE | re.DOTALL)
    for page in sorted(DOCS.glob("migrate_*.md"))
    if (text := page.read_text())
}
PLUGINS = ("localftpserver", "localserver", "pytest_httpserver", "pytest_httpx", "respx", "smtpd")
BESIDE = pathlib.Path(sys.prefix, "peers")
NO_SERVER_HERE = {"migrate_toxiproxy"}  # what it speaks to is a program of its own, as the page says


def test_every_block_has_the_test_as_it_was_and_as_it_is() -> None:
    for page, blocks in PAIRS.items():
        assert blocks, page
        for block in blocks if page not in NO_SERVER_HERE else ():
            tests = re.findall(r"^def (test_\w+)", block, re.MULTILINE)
            assert tests == ["test_theirs", "test_ours"], f"{page}:\n{block}"


@pytest.mark.skipif(not BESIDE.is_dir(), reason=f"what tests/peers.txt names is not in {BESIDE}")
def test_all_pairs_pass_with_the_peers_themselves(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    for page, blocks in PAIRS.items():
        folder = pytester.mkdir(page)
        for number, block in enumerate(blocks):
            (folder / f"test_{page}_{number}.py").write_text(block)
    # Two plugins have a fixture `httpserver`.
    conftest = pytester.path / "migrate_localserver" / "conftest.py"
    conftest.write_text("from pytest_localserver.plugin import httpserver\n")
    plugins = [part for name in PLUGINS for part in ("-p", name)]
    known = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [known, str(BESIDE)])))
    careful = ("-W", "error::ResourceWarning", "-W", "error::pytest.PytestUnraisableExceptionWarning")
    result = pytester.runpytest_subprocess(*FEW_PLUGINS, *plugins, *careful, "-q", "--netmocks-seed=1", timeout=120)
    result.assert_outcomes(passed=sum(len(re.findall(r"^def test_", b, re.M)) for p in PAIRS.values() for b in p))
