#!/usr/bin/env python3
"""The pictures in the documentation: makes them anew, or with `--check` says whether what they show is still so.

A picture cannot be compared, for times and ports are others each time. So each has words that it is there to show, and
they have to be on the page. Those of pages need Chromium, that of a capture needs tshark.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile

import requests

from pytest_netmocks import HttpServer
from pytest_netmocks.reports.live.door import Door
from pytest_netmocks.reports.live.hub import Hub

ROOT = pathlib.Path(__file__).parent.parent
HERE = ROOT / "docs" / "pictures"
sys.path.insert(0, str(ROOT / "tests"))

import terminal  # noqa: E402  # beside this file
from browser import CHROMIUM, Browser, browsing  # noqa: E402  # the tests' own

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
    "report": ("test_a_shop_that_breaks_off", (1280, 820), False, SHOP),
    "report_dark": ("test_a_shop_that_breaks_off", (1280, 820), True, SHOP),
    "virtual_time": ("test_a_server_that_takes_a_minute", (1280, 620), False, ("GET /slow → 200", "held by a fault")),
    "sweep": (
        "test_an_answer_that_ends_anywhere",
        (1280, 760),
        False,
        ("places tried", "not reached", "Enter opens its run"),
    ),
    "narrow": ("test_a_shop_that_breaks_off", (400, 820), False, SHOP),
}
"""By name: the test that is open, the size, whether it is dark, and the words that are there to be seen."""

LIVE = ("GET /basket → 200", "Latency(0.2)", "held by a fault", "live")
"""What is to be seen on the live page, on which a fault was put in force by hand."""


def page(folder: pathlib.Path) -> pathlib.Path:
    """The page of the suite."""
    (folder / "test_shop.py").write_text(SUITE)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--netmocks-seed=1"]
    subprocess.run([*command, "--netmocks-report=report.html"], cwd=folder, check=False, capture_output=True)
    return folder / "report.html"


def shot(browser: Browser, name: str, shows: tuple[str, ...]) -> list[str]:
    """Take the picture unless it is only looked at; what is not to be seen on it."""
    if "--check" not in sys.argv:
        browser.picture(HERE / f"{name}.png")
    seen = " ".join(browser.text("body").split())
    return [f"{name} does not show {one!r}" for one in shows if one not in seen]


def live(browser: Browser) -> list[str]:
    """The live page of a server, with a fault of the page's own."""
    door = Door(Hub())
    try:
        with HttpServer() as server:
            server.when("/basket").reply(json={"items": [1, 2, 3]})
            door.hub.begin("a shop, tried by hand", [server])
            browser.size(1280, 620)
            browser.open(door.url, "document.querySelector('.inject input')")
            with requests.Session() as session:
                session.get(server.url_for("/basket"), timeout=30)
                browser.click(".inject input")
                browser.type("Latency(0.2)")
                browser.press("Enter")
                server.wait_for(lambda server: server.in_force, timeout=30)
                session.get(server.url_for("/basket"), timeout=30)
            server.wait_for(lambda server: not server.open_connections, timeout=30)
            browser.until("document.querySelectorAll('.waterfall .row').length > 3")
            return shot(browser, "live", LIVE)
    finally:
        door.close()


def main() -> int:
    """Make the pictures, or look whether they are true."""
    os.environ |= {"TZ": "UTC", "LANG": "en_US.UTF-8"}
    with tempfile.TemporaryDirectory() as folder:
        report = page(pathlib.Path(folder))
        untrue = terminal.untrue(pathlib.Path(folder))
        if CHROMIUM is None:
            print("there is no Chromium: the pictures of pages stay as they are")
        else:
            untrue += of_pages(report)
    print("\n".join(untrue), end="\n" if untrue else "")
    return 1 if untrue else 0


def of_pages(report: pathlib.Path) -> list[str]:
    """What is not to be seen on the pictures of pages."""
    untrue = []
    with browsing() as browser:
        for name, (test, (width, height), dark, shows) in PICTURES.items():
            browser.size(width, height, dark=dark)
            address = f"{report.as_uri()}#test=test_shop.py%3A%3A{test}"
            browser.open(address, "document.querySelector('#test h2') && document.querySelector('#test .row, .strip')")
            untrue += shot(browser, name, shows)
        untrue += live(browser)
    return untrue


if __name__ == "__main__":
    sys.exit(main())
