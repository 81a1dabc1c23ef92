"""What the documentation shows of reports is what they say."""

from __future__ import annotations

from shown import BLOCK, PAGE, renewed


def test_the_page_on_failing_tests_shows_what_is_true_today() -> None:
    page = PAGE.read_text()
    assert len(BLOCK.findall(page)) == page.count("```text")
    assert renewed(page) == page
