"""Pictures of what a terminal shows: the report of a failing test, its capture in tshark, its archive and events.

Each is drawn (SVG) from the output of the real program. Times and ports are others each time, so a picture is true if
the words that it is there to show are on it, and in the output of today.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from html import escape, unescape

from rich.console import Console
from rich.text import Text

HERE = pathlib.Path(__file__).parent / "pictures"
WIDTH = 100
"""Columns of the terminal."""

LETTER, LINE, EDGE = 8.0, 18, 12
COLOURS = {1: "#f38ba8", 2: "#a6e3a1", 3: "#f9e2af", 4: "#89b4fa", 5: "#f5c2e7", 6: "#94e2d5"}
"""What a terminal's red, green, yellow, blue, magenta and cyan are here: light enough for the ground."""

STRUCK = "Reset(after_bytes=120) strikes"
SHOWS = {
    "ladder": (
        "connection 1 of http_server was reset by Reset(after_bytes=120) in the body of the answer to POST /orders",
        f"! {STRUCK}: 234 of 535 B delivered, 301 lost",
        "RST by the fault",
        "MAIL FROM:<shop@example.com>",
        "Reset(after_bytes=120) on when('POST', '/orders'): 1 hit",
    ),
    "har": ('"method": "POST"', '"status": 201', '"_netmocks"', "Reset(after_bytes=120)"),
    "tshark": ("POST /orders HTTP/1.1", STRUCK, "301 B withheld from the client by Reset(after_bytes=120)", "[RST"),
    "events": ('"event":"opened"', '"event":"struck","connection":1,"fault":"Reset(after_bytes=120)"', '"by":"fault"'),
}
"""By name: the words that are there to be seen."""


def drawn(text: Text, title: str) -> str:
    """A terminal with that text, as SVG of its own: no font and no style from elsewhere."""
    console = Console(width=WIDTH, force_terminal=True, color_system="standard")
    rows = []
    lines = text.wrap(console, WIDTH)
    for number, line in enumerate(lines):
        spans, left = [], 0
        for part in line.render(console, end=""):
            colour = (part.style.color.number or 0) % 8 if part.style and part.style.color else 0
            weight = ' font-weight="bold"' if part.style and part.style.bold else ""
            fill = f' fill="{COLOURS[colour]}"' if colour in COLOURS else ""
            spans.append(f'<tspan x="{EDGE + left * LETTER:g}"{fill}{weight}>{escape(part.text)}</tspan>')
            left += part.cell_length
        rows.append(f'<text y="{EDGE + LINE * (number + 1)}">{"".join(spans)}</text>')
    width, height = WIDTH * LETTER + 2 * EDGE, LINE * (len(lines) + 1) + EDGE
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            "<style>text{font:13.3px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
            "white-space:pre;fill:#cdd6f4}</style>",
            f'<rect width="{width:g}" height="{height}" rx="8" fill="#1e1e2e"/>',
            *rows,
            "</svg>\n",
        ]
    )


def words(picture: str) -> str:
    """What a drawn terminal shows."""
    lines = re.findall("<text .*?</text>", picture)
    return " ".join(" ".join(unescape(re.sub("<.*?>", "", line)) for line in lines).split())


def report(folder: pathlib.Path) -> str:
    """The end of the report of the failing test, in colours; its capture and its events are in the folder then."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "-W", "ignore"]
    files = [f"--netmocks-{kind}={folder}" for kind in ("capture", "events", "har")]
    test = ["--netmocks-seed=1", "--color=yes", "test_shop.py::test_a_shop_that_breaks_off"]
    terminal = {**os.environ, "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    done = subprocess.run(
        [*command, *files, *test], cwd=folder, check=False, capture_output=True, text=True, env=terminal
    )
    return done.stdout[done.stdout.index("netmocks: what ended it") :].partition("netmocks files")[0]


def pictures(folder: pathlib.Path) -> dict[str, Text]:
    """What each picture shows today; that of a program that is not there is left out."""
    text = Text.from_ansi(report(folder))
    found = {"ladder": Text("\n").join(list(text.split("\n"))[1:-1])}  # between the rules that name its sections
    (capture,), (events,) = folder.glob("*breaks_off.pcapng"), folder.glob("*breaks_off.jsonl")
    lines = events.read_text().splitlines()[1:]
    shown = [line for line in lines if '"server":1' in line and '"event":"wire' not in line]
    found["events"] = Text("\n".join(line if len(line) < WIDTH else f"{line[: WIDTH - 3]}..." for line in shown))
    (archive,) = folder.glob("*breaks_off.har")
    exchange = json.loads(archive.read_text())["log"]["entries"][-1]
    for side, names in (("request", ("method", "url")), ("response", ("status", "bodySize"))):
        exchange[side] = {name: exchange[side][name] for name in names} | {"...": "..."}
    found["har"] = Text(json.dumps(exchange, indent=2))
    if tshark := shutil.which("tshark"):
        columns = '"No.","%m","Time","%t","Protocol","%p","Info","%i","Comment","%Cus:frame.comment"'
        command = [tshark, "-o", f"gui.column.format:{columns}", "-Y", "http or frame.comment or tcp.flags.reset == 1"]
        done = subprocess.run([*command, "-r", str(capture)], check=True, capture_output=True, text=True)
        found["tshark"] = Text(done.stdout.rstrip())
    return found


def untrue(folder: pathlib.Path) -> list[str]:
    """Draw the pictures anew unless they are only looked at; what is not on them, or is not so any more."""
    wrong = []
    for name, text in pictures(folder).items():
        file = HERE / f"{name}.svg"
        if "--check" not in sys.argv:
            file.write_text(drawn(text, f"A terminal: {name}"))
        for where, seen in (("the picture", words(file.read_text())), ("today's output", words(drawn(text, name)))):
            wrong += [f"{name}: {where} has no {one!r}" for one in SHOWS[name] if one not in seen]
    return wrong
