#!/usr/bin/env python3
"""The pictures in the documentation: makes them anew, or with `--check` says whether what they show is still so.

A picture cannot be compared, for times and ports are others each time. So each has words that it is there to show, and
they have to be on the page. Needs Chromium.
"""

from __future__ import annotations

import html
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent / "pictures"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

SUITE = """
import smtplib

import pytest
import requests

from pytest_netmocks.faults import Latency, Reset


def test_a_shop_that_breaks_off(http_server, smtp_server):
    http_server.when("GET", "/basket").reply(200, json={"items": [1, 2, 3]})
    http_server.when("POST", "/orders").reply(201, json={"id": 7, "note": "x" * 400}).inject(Reset(after_bytes=120))
    with requests.Session() as session:
        assert session.get(http_server.url_for("/basket"), timeout=5).json()["items"]
        with smtplib.SMTP(*smtp_server.address) as mail:
            mail.sendmail("shop@example.com", ["ada@example.com"], "Subject: thanks\\n\\nIt is on its way.\\n")
        session.post(http_server.url_for("/orders"), json={"items": [1, 2, 3]}, timeout=5).raise_for_status()


@pytest.mark.virtual_time
def test_a_server_that_takes_a_minute(http_server):
    http_server.when("/slow").reply(200, text="at last").inject(Latency(60))
    assert requests.get(http_server.url_for("/slow"), timeout=90).text == "not yet"


@pytest.mark.fault_sweep(Reset(direction="downstream"), limit=60)
def test_an_answer_that_ends_anywhere(http_server):
    http_server.when("/x").reply(200, text="there")
    assert requests.get(http_server.url_for("/x"), timeout=5).text == "there"


def test_all_is_well(http_server):
    http_server.when("/").reply(204)
    assert requests.get(http_server.url, timeout=5).status_code == 204
"""

SHOP = (
    "connection 1 of http_server was reset by Reset(after_bytes=120) in the body of the answer to POST /orders",
    "the client never came back",
    "GET /basket → 200",
    "POST /orders → 201",
    "MAIL FROM:<shop@example.com>",
    "a fault strikes",
    "3 failed",
)

PICTURES = {
    "report": ("test_a_shop_that_breaks_off", "1280,820", (), SHOP),
    "report_dark": (
        "test_a_shop_that_breaks_off",
        "1280,820",
        ("--blink-settings=preferredColorScheme=0",),
        SHOP,
    ),
    "virtual_time": ("test_a_server_that_takes_a_minute", "1280,620", (), ("GET /slow → 200", "held by a fault")),
    "sweep": (
        "test_an_answer_that_ends_anywhere",
        "1280,760",
        (),
        ("places tried", "not reached", "Enter opens its run"),
    ),
    "narrow": ("test_a_shop_that_breaks_off", "400,820", (), SHOP),
}
"""By name: the test that is open, the size, what else Chromium is told, and the words that are there to be seen."""


def page(folder: pathlib.Path) -> pathlib.Path:
    """The page of the suite."""
    (folder / "test_shop.py").write_text(SUITE)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--netmocks-seed=1"]
    subprocess.run([*command, "--netmocks-report=report.html"], cwd=folder, check=False, capture_output=True)
    return folder / "report.html"


def chromium(*arguments: str) -> str:
    """What Chromium prints."""
    assert CHROMIUM is not None
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=8000")
    environment = {**os.environ, "TZ": "UTC", "LANG": "en_US.UTF-8"}
    done = subprocess.run(
        [CHROMIUM, *options, *arguments], capture_output=True, text=True, timeout=120, check=True, env=environment
    )
    return done.stdout


def words(document: str) -> str:
    """What can be read on a page, in one line."""
    body = re.sub(r"(?s)<(script|style)\b.*?</\1>", "", document)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def main() -> int:
    """Make the pictures, or look whether they are true."""
    if CHROMIUM is None:
        print("there is no Chromium: the pictures stay as they are")
        return 0
    untrue = []
    with tempfile.TemporaryDirectory() as folder:
        report = page(pathlib.Path(folder))
        for name, (test, size, more, shows) in PICTURES.items():
            address = f"{report.as_uri()}#test=test_shop.py%3A%3A{test}"
            seen = words(chromium(*more, f"--window-size={size}", "--dump-dom", address))
            untrue += [f"{name} does not show {one!r}" for one in shows if one not in seen]
            if "--check" not in sys.argv:
                chromium(*more, f"--window-size={size}", f"--screenshot={HERE / f'{name}.png'}", address)
    print("\n".join(untrue), end="\n" if untrue else "")
    return 1 if untrue else 0


if __name__ == "__main__":
    sys.exit(main())
