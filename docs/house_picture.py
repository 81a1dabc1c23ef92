#!/usr/bin/env python3
"""`pictures/house.svg`, made of the picture in words on the page "The house", which is the one that people edit."""

from __future__ import annotations

import pathlib
from html import escape

HERE = pathlib.Path(__file__).parent
PICTURE = HERE / "pictures" / "house.svg"
LEFT = 42
"""Columns of the picture in words that have names of rooms; what they are stands behind."""

FLOOR, GAP, ROOMS, LETTER = 38, 6, 440, 7.5
"""In pixels; a letter of the text is less in every usual font, so that all of it is to be seen."""

STYLE = (
    "text{font:14px system-ui,sans-serif}.name{font-weight:600;text-anchor:middle}.room{fill:#dbe9f6;stroke:#3b6ea5}"
)


def floors(page: str) -> list[tuple[list[str], str]]:
    """From the roof to the ground: the rooms of each floor and what they are, as the first picture of the page says."""
    found: list[tuple[list[str], str]] = []
    for line in page.split("```text\n")[1].partition("```")[0].splitlines():
        names, text = line[:LEFT].replace("|", " ").split(), line[LEFT:].strip()
        if names and text:
            found.append((names, text))
        elif names:
            found[-1][0].extend(names)
    return found


def drawn(page: str) -> str:
    """The picture, a row of boxes for each floor."""
    rows = []
    width = ROOMS + 5 * GAP + round(LETTER * max(len(text) for _, text in floors(page)))
    for number, (names, text) in enumerate(floors(page)):
        top = GAP + number * (FLOOR + GAP)
        share = (ROOMS - GAP * (len(names) - 1)) / len(names)
        for place, name in enumerate(names):
            left = GAP + place * (share + GAP)
            rows.append(
                f'<rect class="room" x="{left:.0f}" y="{top}" width="{share:.0f}" height="{FLOOR}" rx="4"/>'
                f'<text class="name" x="{left + share / 2:.0f}" y="{top + 24}">{escape(name)}</text>'
            )
        rows.append(f'<text x="{ROOMS + 4 * GAP}" y="{top + 24}">{escape(text)}</text>')
    height = GAP + len(floors(page)) * (FLOOR + GAP)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            f"<style>{STYLE}</style>",
            "<title>The rooms of the package: each may import those below it</title>",
            f'<rect width="{width}" height="{height}" rx="6" fill="#fff"/>',
            *rows,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    PICTURE.write_text(drawn((HERE / "house.md").read_text()))
