"""The end of a test: handlers that raised, faults that never struck, rules that nobody met, what was on the wire."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from pytest_netmocks.plugin.rulings import rulings
from pytest_netmocks.plugin.settings import Settings
from pytest_netmocks.records.events import Unmatched
from pytest_netmocks.servers.errors import raise_all
from pytest_netmocks.servers.waiting import was_shown
from pytest_netmocks.warned import NetmocksWarning

if TYPE_CHECKING:
    from pytest_netmocks.injections.injection import Injection
    from pytest_netmocks.plugin.terminal import Look
    from pytest_netmocks.scope import Kept, Scope
    from pytest_netmocks.servers.server import Server


ENDED = "netmocks: what ended it"
TIMELINE = "netmocks timeline"


class Trial:
    """One test: its scope, its ledger, and how far the timelines of the servers that it shares were when it began."""

    def __init__(self, item: pytest.Item, scope: Scope, kept: Kept, settings: Settings, shared: list[Server]) -> None:
        self.item = item
        self.scope = scope
        self.kept = kept
        self.settings = settings
        self._shared = shared
        self._before = {id(server): server.journal.log.count for server in shared}
        self._unmatched_before = {id(server): server.journal.log.unmatched for server in shared}
        self._marked: set[int] = set()
        kept.shared_in_use = lambda: [server for server in shared if self._uses(server)]
        self._lift: list[Injection] = []
        self.ended = ""
        """What ended it, in one line, once a report of its failure was made."""

    @property
    def servers(self) -> list[Server]:
        """The servers of the test, and those it shares and uses, or on which something happened during it."""
        shared = [
            server for server in self._shared if server.journal.log.count > self._since(server) or self._uses(server)
        ]
        return [*shared, *self.kept.servers]

    @property
    def _tried(self) -> list[Server]:
        """Those of them that the test itself uses: what happens on others is not its doing."""
        return [*filter(self._uses, self._shared), *self.kept.servers]

    def _uses(self, server: Server) -> bool:
        """Whether the test asks for the fixture that made the server, as an argument or with `getfixturevalue`."""
        base, _, name = (server.shared_by or "").partition("[")[0].rpartition("::")
        known = getattr(getattr(self.item, "_fixtureinfo", None), "name2fixturedefs", {}).get(name, ())
        asked = getattr(getattr(self.item, "_request", None), "_fixture_defs", {}).get(name)
        return any(found.baseid == base for found in (*known, asked) if found is not None)

    def _since(self, server: Server) -> int:
        return self._before.get(id(server), 0)

    def begin(self) -> None:
        """Put the marker's faults, and a sweep's, before the wider servers that the test uses.

        Its own servers have them from the start.
        """
        for server in self._shared:
            if id(server) not in self._marked and self._uses(server):
                self._marked.add(id(server))
                self._lift += server.add_marked(self.scope)
                if self.scope.arm is not None:
                    self.scope.arm.meet(server)

    def end(self) -> None:
        """Lift what `begin` put in force."""
        for injection in self._lift:
            injection.lift()

    def after_teardown(self) -> None:
        """Raise what the end of the test's fixtures has made the handlers of wider servers raise."""
        __tracebackhide__ = True
        if any(self._uses(server) for server in self._shared):
            raise_all(self.take_errors())

    def judge(self) -> None:
        """Fail or warn, if the test itself passed."""
        __tracebackhide__ = True
        raise_all(self.take_errors())
        broken = self.scope.arm is not None and self.scope.arm.place is not None
        # A run that a sweep or drawn faults have broken is not expected to come to everything.
        told = [] if broken or self.scope.by_chance else self._left_to_say()
        unmet = self._unmet(self.servers)  # after the others: it is said once
        if unmet:
            pytest.fail(unmet, pytrace=False)
        wrong = [line for strict, line in told if strict == "error"]
        if wrong:
            pytest.fail("\n".join(wrong), pytrace=False)
        if told:
            self.item.warn(NetmocksWarning("\n".join(line for _, line in told)))

    def _left_to_say(self) -> list[tuple[str, str]]:
        """How strictly each line is meant, and the line."""
        settings = self.settings
        found = (
            (settings.strict, self._never_struck),
            (settings.unmatched, self._unmatched),
            (settings.unused, self._never_answered),
        )
        return [(strict, line) for strict, look in found if strict != "off" for line in look()]

    @staticmethod
    def _unmet(servers: list[Server]) -> str:
        """What the test expected of clients and did not come."""
        return "\n".join(f"{server.name}: {line}" for server in servers for line in server.unmet())

    def take_errors(self) -> list[BaseException]:
        """What handlers and the loop raised, once."""
        from pytest_netmocks.link import loop  # imports asyncio; here a server did that already

        tried = self._tried
        for server in tried:
            server.settle()
        return [error for server in tried for error in server.journal.take_errors()] + loop.take_errors()

    def _never_struck(self) -> list[str]:
        if not (self.kept.injections or self.kept.everywhere or self.scope.test_faults):
            return []  # by far the most
        met = {id(injection.part) for injection in self.kept.injections}
        lines = [
            f"netmocks: {part.fault!r} never struck, for the test has no server: it proves nothing about it"
            for part in self.scope.test_faults
            if id(part) not in met
        ]
        lines += [
            f"netmocks: {wide.text} never struck, for the test has no server on which it makes sense: "
            "it proves nothing about it"
            for wide in self.kept.everywhere
            if not wide.injections
        ]
        return lines + [f"netmocks: {what} never struck: the test proves nothing about it" for what in self._idle()]

    def _unmatched(self) -> list[str]:
        return [f"netmocks: {server.name}: {line}" for server in self._tried for line in self._unmatched_on(server)]

    def _unmatched_on(self, server: Server) -> list[str]:
        if not server.closed:
            server.tell_unmatched()
        if server.journal.log.unmatched == self._unmatched_before.get(id(server), 0):
            return []
        events = server.journal.log.since(self._since(server))
        lines = Counter(event.text.splitlines()[0] for event in events if isinstance(event, Unmatched))
        return [f"{line} ({times} times)" if times > 1 else line for line, times in lines.items()]

    def _never_answered(self) -> list[str]:
        return [
            f"netmocks: {rule.label} of {server.name} {rule.has_not_answered}"
            for server in [*self._shared, *self.kept.servers]
            for rule in server.all_rules
            if rule.is_idle and rule.by_a_test and not rule.built_in and rule.made_by == self.scope.test
        ]

    def sections(
        self, look: Look, *, failed: bool, error: BaseException | None = None, files: Sequence[str] = ()
    ) -> list[tuple[str, str]]:
        """What the report shows: of a failing test what ended it comes first, and `look` says how much more there is.

        `error` is what the test failed by: what is in its text is not shown again. `files` are lines about what was
        written.
        """
        servers = self.servers
        raised = self.take_errors() if failed and servers else []  # first: what clients have sent is dealt with
        if not servers or (self.scope.arm is not None and not self.scope.arm.is_told):
            return []
        from pytest_netmocks.reports import case, cause, ladder, seen, story  # not for tests of which nothing is shown

        stories = [
            story.Story(server, self._since(server), [rule.label for rule in server.all_rules]) for server in servers
        ]
        whole = not failed or self.settings.timeline or look.verbosity > 0
        shown = (
            []
            if failed and look.verbosity < 0
            else [
                [f"{told.name}  {told.url}", f"{'-':>9}  the error shows what happened"]
                if was_shown(error, server.journal) and not whole
                else ladder.ladder(told, look.width, whole=whole)
                for server, told in zip(servers, stories, strict=True)
            ]
        )
        if not failed:
            return [(TIMELINE, "\n".join(line for lines in shown for line in lines))]
        unmet = self._unmet(servers)
        self.ended = cause.cause(case.Case(stories, seen.Seen(error), self._idle(), unmet))
        found = [(ENDED, "\n".join([self.ended, *files]))]
        if look.verbosity < 0:
            return found
        seed = self.settings.seed
        lines = [f"seed {seed} (the same faults again: --netmocks-seed={seed})"]
        found.append((TIMELINE, "\n".join([*lines, *(line for lines in shown for line in lines)])))
        lines = [
            line
            for server in servers
            for line in rulings(server, self.scope.test, self.kept.injections, self._unmatched_on(server))
        ]
        if lines:
            found.append(("netmocks rules and faults", "\n".join(lines)))
        if unmet:
            found.append(("netmocks expectations", unmet))
        for one in raised:
            text = "".join(traceback.format_exception(one))
            found.append((f"netmocks handler raised {type(one).__name__}", text))
        return found

    def _idle(self) -> list[str]:
        """The faults that were expected to strike and have not."""
        struck = {id(injection.part) for injection in self.kept.injections if injection.part and injection.hits}
        return [
            f"{injection.text} on {injection.place}"
            for injection in self.kept.injections
            if injection.expected and not injection.hits and id(injection.part) not in struck
        ]
