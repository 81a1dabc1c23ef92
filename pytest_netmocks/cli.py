"""`netmocks`: the servers from the command line, with faults, a profile and a live log of what happens."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from pytest_netmocks import __version__, scope
from pytest_netmocks.faults.base import Fault
from pytest_netmocks.faults.forms import parse
from pytest_netmocks.faults.profiles import profiles
from pytest_netmocks.faults.selector import SelectorOptions
from pytest_netmocks.faults.table import registry
from pytest_netmocks.servers import TABLE

if TYPE_CHECKING:
    from pytest_netmocks.records.timeline import Event
    from pytest_netmocks.servers.base import Server

LOOK = 0.2
"""Seconds after which the log looks for news of its own accord; otherwise it is woken."""


def _fault(text: str) -> tuple[Fault, SelectorOptions]:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _upstream(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not host:
        raise argparse.ArgumentTypeError(f"{text!r} is no upstream: write host:port, for example 127.0.0.1:5432")
    return host.strip("[]"), int(port)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 (any free one) to 65535")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    common.add_argument("--port", type=_port, default=0, help="port to listen on (default: any free one)")
    common.add_argument("--name", help="what the log calls it")
    common.add_argument(
        "--fault",
        action="append",
        type=_fault,
        default=[],
        dest="faults",
        metavar="FAULT",
        help="a fault and its selectors, for example 'Reset(after_bytes=100), first=2'; may be given again",
    )
    common.add_argument("--profile", choices=sorted(profiles), help="the link that the server is put behind")
    common.add_argument("--seed", type=int, help="the same faults again: the number that an earlier run printed")

    parser = argparse.ArgumentParser("netmocks", description="Real servers with faults, and a log of what happens.")
    parser.add_argument("--version", action="version", version=f"netmocks {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, entry in TABLE.items():
        if not name.endswith("_proxy"):
            commands.add_parser(name, parents=[common], help=entry.summary, description=entry.summary)
    proxy = commands.add_parser("proxy", parents=[common], help="faults in front of anything that listens")
    proxy.add_argument("upstream", type=_upstream, metavar="HOST:PORT", help="where connections are passed on to")
    proxy.add_argument("--udp", action="store_true", help="pass on datagrams instead of connections")
    commands.add_parser("list", help="show the servers, faults and profiles that there are")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0 for a clean end, 1 for a server that cannot start, 2 for bad usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.command == "list":
            _list()
            return 0
        return _serve(parser, options)
    except BrokenPipeError:
        # Whoever read our output has gone. Python flushes once more at exit, see "Note on SIGPIPE" in signal's docs.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _serve(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if options.seed is not None:
        scope.current = scope.Scope(options.seed)
    if options.profile:
        scope.current.link_faults = profiles[options.profile].parts
    keywords = {"host": options.host, "port": options.port, "name": options.name or options.command}
    with contextlib.suppress(KeyboardInterrupt):
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            if options.command == "proxy":
                kind = "udp_proxy" if options.udp else "tcp_proxy"
                server = TABLE[kind].make(options.upstream, **keywords)
            else:
                server = TABLE[options.command].make(**keywords)
            for fault, selectors in options.faults:
                server.inject(fault, **selectors)
            server.start()
        except (ValueError, TypeError) as error:
            parser.error(str(error))
        except OSError as error:
            print(f"netmocks: {error}", file=sys.stderr)
            return 1
        with server:
            print(f"{server.name} listens on {server.url} (seed {scope.current.seed}; Ctrl-C ends it)", flush=True)
            _follow(server, _printer())
    return 0


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _follow(server: Server, show: Callable[[Event], None]) -> None:
    """Show every event until the process is interrupted."""
    news = threading.Event()
    server.journal.watch(news.set)
    seen = 0
    while True:
        news.wait(LOOK)
        news.clear()
        events = server.run_in_loop(server.journal.timeline.cut, seen)
        seen += len(events)
        for event in events:
            show(event)


def _printer() -> Callable[[Event], None]:
    """One that colours on a terminal, else a plain one whose lines come at once."""
    if not sys.stdout.isatty():
        return lambda event: print(event, flush=True)
    from rich.console import Console  # only where it is used
    from rich.text import Text

    console = Console(highlight=False)
    styles = {"opened": "cyan", "received": "green", "sent": "blue", "fault": "bold red", "closed": "yellow"}
    return lambda event: console.print(Text(str(event), styles.get(event.kind, "")))


def _tables() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    yield "Servers", [(name, entry.summary) for name, entry in TABLE.items()]
    faults = [(name, (kind.__doc__ or "").split("\n")[0]) for name, kind in sorted(registry.items())]
    yield "Faults", faults
    yield "Profiles", [(name, ", ".join(repr(part.fault) for part in p.parts)) for name, p in profiles.items()]


def _list() -> None:
    if not sys.stdout.isatty():
        for title, rows in _tables():
            for name, text in rows:
                print(f"{title.lower().removesuffix('s')}\t{name}\t{text}")
        return
    from rich.console import Console  # only where it is used
    from rich.table import Table

    console = Console()
    for title, rows in _tables():
        table = Table("name", "what it is", title=title, title_justify="left", title_style="bold")
        for row in rows:
            table.add_row(*row)
        console.print(table)
