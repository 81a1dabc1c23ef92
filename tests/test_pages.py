"""The documentation as its readers find it: every page has a place, says for whom it is, and leads on."""

from __future__ import annotations

import fnmatch
import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

import terminal  # noqa: E402  # the documentation's own

PAGES = sorted(DOCS.glob("*.md"))
OF_THE_PROJECT = [*sorted(ROOT.glob("*.md")), *PAGES]
PARTS = ("Tutorial", "How-to", "Explanation", "Reference")
NO_CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def contents() -> dict[str, list[str]]:
    """The tables of contents of the index, by their captions."""
    tables = re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL)
    return {
        re.search(":caption: (.*)", table)[1]: [line for line in table.splitlines() if line and line[0] != ":"]  # type: ignore[index]
        for table in tables
    }


def sections(page: pathlib.Path) -> dict[str, str]:
    """The sections of a page by what addresses name them, as GitHub and Sphinx do."""
    parts = re.split("^(?=#+ )", re.sub("^```.*?^```", "", page.read_text(), flags=re.M | re.S), flags=re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", part.partition("\n")[0].lstrip("# ").lower()).replace(" ", "-"): part for part in parts
    }


def test_the_index_has_the_four_parts_in_their_order() -> None:
    captions = [caption.partition(":")[0] for caption in contents()]
    assert list(dict.fromkeys(captions)) == list(PARTS)


def test_every_page_has_exactly_one_place_in_the_contents() -> None:
    patterns = [pattern for table in contents().values() for pattern in table]
    for page in PAGES:
        places = [pattern for pattern in patterns if fnmatch.fnmatchcase(page.stem, pattern)]
        assert len(places) == (page.stem != "index"), page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_first_for_whom_it_is(page: pathlib.Path) -> None:
    title, _, first = page.read_text().partition("\n\n")
    if page.stem not in ("index", "contributing"):
        assert title.startswith("# ")
        assert first.startswith("For "), first.partition("\n\n")[0]


@pytest.mark.parametrize("page", OF_THE_PROJECT, ids=lambda page: page.name)
def test_no_link_within_the_project_is_dead(page: pathlib.Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", NO_CODE.sub("", page.read_text())):
        if not re.match("[a-z]+:", target):
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            assert found.exists(), target
            assert not anchor or anchor in sections(found), target


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("postgres", "servers.md#proxies"),
        ("timeout", "virtual_time.md#virtual-time"),
        ("timeout", "which_fault.md#it-hangs-or-waits-too-long"),
        ("retry", "which_fault.md#retries-and-pools"),
        ("retry", "clients.md#clients-one-by-one"),
        ("flaky", "faults.md#profiles"),
        ("airplane mode", "faults.md#on-all-servers"),
    ],
)
def test_who_searches_for_a_word_finds_the_section_that_answers(word: str, answer: str) -> None:
    name, _, anchor = answer.partition("#")
    assert word in sections(DOCS / name)[anchor].lower()
    assert word in (DOCS / "index.md").read_text().lower(), "and the index leads there"


def test_every_picture_is_on_a_page() -> None:
    shown = {name for page in OF_THE_PROJECT for name in re.findall(r"pictures/([^)]+)\)", page.read_text())}
    assert shown == {picture.name for picture in (DOCS / "pictures").iterdir()}


@pytest.mark.parametrize("name", terminal.SHOWS)
def test_a_picture_of_a_terminal_shows_what_it_is_there_for(name: str) -> None:
    seen = terminal.words((DOCS / "pictures" / f"{name}.svg").read_text())
    for one in terminal.SHOWS[name]:
        assert one in seen
