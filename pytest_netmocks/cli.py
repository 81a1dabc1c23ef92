"""`netmocks`: the servers from the command line, with faults, a profile and a live log of what happens."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_netmocks import __version__, scope
from pytest_netmocks.faults.base import Fault
from pytest_netmocks.faults.forms import parse
from pytest_netmocks.faults.profile import Part, profiles
from pytest_netmocks.faults.selection import SelectorOptions
from pytest_netmocks.faults.table import registry
from pytest_netmocks.protocols import known
from pytest_netmocks.protocols.known import TABLE

if TYPE_CHECKING:
    from pytest_netmocks.records.events import Event
    from pytest_netmocks.records.subscription import Subscription
    from pytest_netmocks.records.timeline import Line
    from pytest_netmocks.reports.live.door import Door
    from pytest_netmocks.servers.server import Server

BEHIND = 10_000
"""Events that wait to be shown at most: a slow terminal holds up no server."""


def _fault(text: str) -> tuple[Fault, SelectorOptions]:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _upstream(text: str) -> tuple[str, int] | str:
    if text.startswith("unix:"):
        return text
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or not host:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no upstream: write host:port, for example 127.0.0.1:5432, or unix:/path"
        )
    return host.strip("[]"), int(port)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 (any free one) to 65535")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    common.add_argument("--port", type=_port, help="port to listen on (default: any free one)")
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
    common.add_argument(
        "--inspect",
        type=_port,
        nargs="?",
        const=0,
        metavar="PORT",
        help="show what happens in a page for the browser, and take faults from there",
    )
    common.add_argument("--seed", type=int, help="the same faults again: the number that an earlier run printed")

    secure = argparse.ArgumentParser(add_help=False)
    secure.add_argument("--path", metavar="PATH", help="a UNIX socket to listen on in place of a port")
    limits = secure.add_argument_group("limits")
    limits.add_argument(
        "--allow", action="append", metavar="NETWORK", help="where clients may come from, and no others"
    )
    limits.add_argument("--deny", action="append", metavar="NETWORK", help="where they may not come from")
    limits.add_argument("--max-connections", type=int, metavar="N", help="how many may be connected at once")
    limits.add_argument("--over-limit", choices=["wait", "reset", "close"], help="what becomes of one more")
    limits.add_argument("--idle-timeout", type=float, metavar="SECONDS", help="end who is silent for so long")
    limits.add_argument(
        "--max-requests", type=int, metavar="N", help="end a connection behind the answer to its n-th request"
    )
    limits.add_argument("--ban-after", type=int, metavar="N", help="turn away who failed to log in so often")
    tls = secure.add_argument_group("TLS")
    tls.add_argument("--tls", action="store_true", help="speak TLS from the first byte")
    tls.add_argument("--cert", metavar="FILE", help="the certificate and its chain, PEM (default: one of its own)")
    tls.add_argument("--key", metavar="FILE", help="the certificate's private key, PEM")
    tls.add_argument("--client-cert", choices=["required", "optional"], help="ask clients for a certificate")
    tls.add_argument("--min-version", metavar="VERSION", help="TLSv1.2, for example")
    tls.add_argument("--max-version", metavar="VERSION", help="TLSv1.3, for example")
    tls.add_argument("--alpn", action="append", metavar="PROTOCOL", help="a protocol to offer; may be given again")
    tls.add_argument("--ciphers", help="a list in OpenSSL's notation, for TLS 1.2 and older")
    tls.add_argument("--key-log", metavar="FILE", help="write the secrets for captures there (NSS key log format)")

    parser = argparse.ArgumentParser("netmocks", description="Real servers with faults, and a log of what happens.")
    parser.add_argument("--version", action="version", version=f"netmocks {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, entry in TABLE.items():
        if entry.takes != "upstream":
            parents = [common, secure] if entry.stream else [common]
            command = commands.add_parser(name, parents=parents, help=entry.summary, description=entry.summary)
            if entry.takes is not None:
                command.add_argument(entry.takes, metavar=entry.takes.upper())
            if entry.serves is not None:
                command.add_argument("--root", metavar="DIR", help="the directory to serve")
            if name in HTTP:
                command.add_argument(
                    "--http-version", choices=["1.1", "2"], help="speak this one alone (default: both)"
                )
    for name, whose in known.others().items():
        commands.add_parser(name, parents=[common, secure], help=f"of {whose}")
    proxy = commands.add_parser("proxy", parents=[common, secure], help="faults in front of anything that listens")
    proxy.add_argument("upstream", type=_upstream, metavar="HOST:PORT", help="where connections are passed on to")
    proxy.add_argument("--udp", action="store_true", help="pass on datagrams instead of connections")
    proxy.add_argument("--upstream-tls", action="store_true", help="speak TLS to the upstream")
    report = commands.add_parser("report", help="show what is in captures, archives and events as a page")
    report.add_argument("files", nargs="+", metavar="FILE", help="a file of pytest's or of server.save()")
    report.add_argument("-o", "--output", default="report.html", metavar="PATH", help="where to (default: %(default)s)")
    commands.add_parser("list", help="show the servers, faults and profiles that there are")
    return parser


TLS = ("tls", "client_cert", "min_version", "max_version", "alpn", "ciphers", "key_log", "upstream_tls")
"""The keyword arguments that have an option of their name."""


PLACE = ("host", "port", "path")
"""Those about where it listens."""

LIMITS = ("allow", "deny", "max_connections", "over_limit", "idle_timeout", "max_requests", "ban_after")
"""Those about who may connect, and how long."""

HTTP = ("http", "https", "httpbin")
"""The commands whose servers speak more than one version of HTTP."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0 for a clean end, 1 for a server that cannot start, 2 for bad usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    ends = [signal.SIGTERM, signal.SIGINT]
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:  # nohup(1)
        ends.append(hangup)  # the terminal was closed
    before = {number: signal.signal(number, _interrupt) for number in ends}
    try:
        if options.command == "list":
            _list()
            return 0
        if options.command == "report":
            from pytest_netmocks.reports.command import report  # only where it is asked for

            return report(options.files, options.output)
        return _serve(parser, options)
    except BrokenPipeError:
        # Whoever read our output has gone. Python flushes once more at exit, see "Note on SIGPIPE" in signal's docs.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        if arguments is not None:  # somebody's program goes on after us
            for number, handler in before.items():
                signal.signal(number, handler)


def _serve(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if options.seed is not None:
        scope.current = scope.Scope(options.seed)
    if options.profile:
        scope.current.run_faults = profiles[options.profile].parts
    from pytest_netmocks.servers.stream import StreamServer  # any server that is made now needs it

    keywords = {"name": options.name or options.command}
    keywords |= {name: value for name in PLACE if (value := getattr(options, name, None)) is not None}
    secure = _tls(parser, options)
    if secure and getattr(options, "udp", False):
        parser.error(f"--udp passes on datagrams, which have no TLS: leave {_option(next(iter(secure)))} out")
    limits = {name: value for name in LIMITS if (value := getattr(options, name, None)) is not None}
    if limits and getattr(options, "udp", False):
        parser.error(f"--udp passes on datagrams, of which there is no limit: leave {_option(next(iter(limits)))} out")
    keywords.update(secure | limits)
    if (version := getattr(options, "http_version", None)) is not None:
        keywords["http_version"] = version
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as leaving:
        try:
            if options.command == "proxy":
                kind = "udp_proxy" if options.udp else "tcp_proxy"
                server = TABLE[kind].make(options.upstream, **keywords)
            else:
                server = _make(options, keywords)
            door = leaving.enter_context(_inspected(server, options.inspect))
            for fault, selectors in options.faults:
                server.inject(fault, **selectors)
            server.start()
        except (ValueError, TypeError) as error:
            parser.error(_in_options(str(error)))
        except (OSError, ImportError) as error:
            print(f"netmocks: {error}", file=sys.stderr)
            return 1
        with server:
            print(f"{server.name} listens on {server.url} (seed {scope.current.seed}; Ctrl-C ends it)", flush=True)
            if isinstance(server, StreamServer) and server.offers_tls and not options.cert:
                print(f"{server.name} is trusted with {server.ca.cert_file}", flush=True)
            if door is not None:
                print(f"{server.name} is shown at {door.url}", flush=True)
            _follow(server, _printer())
    return 0


@contextlib.contextmanager
def _inspected(server: Server, port: int | None) -> Iterator[Door | None]:
    """The live page of that server, if it is asked for."""
    if port is None:
        yield None
        return
    from pytest_netmocks.reports.live.door import Door  # only where it is used
    from pytest_netmocks.reports.live.hub import Hub

    door = Door(Hub(), port)
    try:
        door.hub.begin(server.name, seed=scope.current.seed)
        door.hub.watch(server)
        yield door
    finally:
        door.close()


def _make(options: argparse.Namespace, keywords: dict[str, Any]) -> Server:
    entry = known.find(options.command)
    assert entry is not None
    root = getattr(options, "root", None)
    if root is not None and entry.serves == "root":
        keywords["root"] = root
    needed = entry.takes is not None and hasattr(options, entry.takes)
    arguments = [getattr(options, str(entry.takes))] if needed else []
    server = entry.make(*arguments, **keywords)
    if root is not None and entry.serves != "root":
        getattr(server, str(entry.serves))(root)
    return server


def _tls(parser: argparse.ArgumentParser, options: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments that the options about TLS come to, those that were given."""
    if bool(getattr(options, "cert", None)) != bool(getattr(options, "key", None)):
        parser.error("--cert and --key go together: a certificate and its private key")
    given = {name: value for name in TLS if (value := getattr(options, name, None))}
    if getattr(options, "cert", None):
        from pytest_netmocks.encryption.certificate import Certificate  # only where it is used

        given["certificate"] = Certificate(options.cert, options.key)
    return given


def _option(name: str) -> str:
    return "--" + {"certificate": "cert"}.get(name, name).replace("_", "-")


def _in_options(text: str) -> str:
    """What a server says of its keyword arguments, said of the options that stand for them."""
    for name in (*TLS, *PLACE, *LIMITS):
        text = text.replace(f"{name}=True", _option(name)).replace(f"{name}= ", f"{_option(name)} ")
    return text


def _interrupt(number: int, frame: object) -> NoReturn:
    # Whoever sends another one is not to tear the end of the servers.
    for ends in {signal.SIGTERM, signal.SIGINT, signal.Signals(number)}:
        signal.signal(ends, signal.SIG_IGN)
    raise KeyboardInterrupt


def _follow(server: Server, show: Callable[[Line], None]) -> None:
    """Show every event until the process is interrupted."""
    from pytest_netmocks.records.live import Live  # only where it is used

    live = Live()
    # Its waits can be interrupted: a signal in the middle of an event's, in Python, leaves that torn.
    waiting: SimpleQueue[Event] = SimpleQueue()
    lost = 0

    def hear(event: Event) -> None:
        nonlocal lost
        if waiting.qsize() < BEHIND:
            waiting.put(event)
        else:
            lost += 1

    def begin() -> Subscription:
        for event in server.journal.log.since(0):  # what happened before
            waiting.put(event)
        return server.subscribe(hear)

    with server.run_in_loop(begin):  # in whose thread nothing comes between the two
        while True:
            for told in live.lines(waiting.get()):
                show(told)
            if lost and waiting.empty():
                missed, lost = lost, 0
                print(f"... {missed} events came faster than they could be shown", flush=True)


def _printer() -> Callable[[Line], None]:
    """One that colours on a terminal, else a plain one whose lines come at once."""
    if not sys.stdout.isatty():
        return lambda event: print(event, flush=True)
    from rich.console import Console  # only where it is used
    from rich.text import Text

    console = Console(highlight=False)
    styles = {"opened": "cyan", "received": "green", "sent": "blue", "fault": "bold red", "closed": "yellow"}
    return lambda event: console.print(Text(str(event), styles.get(event.kind, "")))


def _tables() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    others = [(name, _of_another(name, whose)) for name, whose in known.others().items()]
    yield "Servers", [(name, entry.summary) for name, entry in TABLE.items()] + others
    faults = [(name, (kind.__doc__ or "").split("\n")[0]) for name, kind in sorted(registry.items())]
    yield "Faults", faults
    yield "Profiles", [(name, ", ".join(map(_part, p.parts))) for name, p in profiles.items()]


def _of_another(name: str, whose: str) -> str:
    """What a server of another package is, or what is wrong with it."""
    try:
        entry = known.find(name)
    except ImportError as error:
        return str(error)
    return f"{entry.summary if entry else ''} ({whose})"


def _part(part: Part) -> str:
    options = str(part.selector)
    return f"{part.fault!r}{f' ({options})' if options else ''}"


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
