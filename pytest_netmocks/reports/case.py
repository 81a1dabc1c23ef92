"""`Case`: all that is known of a failing test, for those who say what ended it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pytest_netmocks.reports.harm import Harm, called, harms
from pytest_netmocks.reports.seen import Seen
from pytest_netmocks.reports.story import Story, Talk, Turn


@dataclasses.dataclass
class Case:
    """The stories of its servers, what the test failed by, and the faults that were to strike."""

    stories: Sequence[Story]
    seen: Seen
    idle: Sequence[str] = ()
    """The faults that were expected to strike and have not, as they are written, each with its place."""
    unmet: str = ""
    """What was expected of clients and did not come, a line each."""

    def __post_init__(self) -> None:
        self.harms: list[Harm] = sorted(
            (harm for story in self.stories for harm in harms(story)),
            key=lambda harm: harm.struck.at,
        )

    @property
    def talks(self) -> list[tuple[Story, Talk]]:
        """Every connection, with its server's story."""
        return [(story, talk) for story in self.stories for talk in story.talks.values()]

    @property
    def turns(self) -> list[tuple[Story, Turn]]:
        """Every exchange but the single messages, in the order in which they began."""
        found = [(story, turn) for story in self.stories for turn in story.turns if not turn.is_message]
        return sorted(found, key=lambda pair: pair[1].began)

    @property
    def nobody_came(self) -> bool:
        """Whether no client came to any server."""
        return not any(story.talks for story in self.stories)

    def of(self, story: Story) -> str:
        """` of api`, where there is more than one server."""
        return f" of {story.name}" if len(self.stories) > 1 else ""

    def connection(self, story: Story, talk: Talk, turn: Turn | None = None) -> str:
        """`connection 2 of api`; `stream 3 of connection 2 of api` for one of several exchanges on it at a time."""
        stream = f"stream {turn.stream} of " if turn is not None and turn.is_one_of_several else ""
        return f"{stream}{called(talk)}{self.of(story)}"

    def place(self, story: Story) -> str:
        """A server and where it listens."""
        return f"{story.name} ({story.url})"

    @property
    def places(self) -> str:
        """All servers and where they listen."""
        return ", ".join(self.place(story) for story in self.stories)


def after(story: Story, at: float, talk: Talk) -> str:
    """Whether the client came back after that time."""
    # What a command on it opens, as those of FTP do, is no other try.
    others = [one for one in story.came if one is not talk and getattr(one.record, "control", one) is not talk.record]
    later = [other for other in others if other.opened is not None and other.opened.at > at]
    if not later:
        return "the client never came back"
    first = f"connection {later[0].number}"
    return f"the client came back on {first}" + (f" and {len(later) - 1} more" if len(later) > 1 else "")


def seconds(value: float) -> str:
    """A time that was waited: `0.31 s`, `31 ms`."""
    return f"{value * 1000:.0f} ms" if value < 0.1 else f"{value:.2f}".rstrip("0").rstrip(".") + " s"


def times(number: int) -> str:
    """`once`, `twice`, `4 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
