"""Causes of those who waited: for an answer, for a free connection, for ever; and what was left open."""

from __future__ import annotations

from pytest_netmocks.reports.case import Case, seconds
from pytest_netmocks.reports.nearest import nearest
from pytest_netmocks.reports.story import Story, Talk, Turn


def after_asking(turn: Turn | None, talk: Talk, left: float) -> str:
    """How long a client waited that left at that time."""
    began = turn.began if turn is not None and turn.began < left else None
    if began is None:
        began = talk.opened.at if talk.opened is not None else None
    return f"after {seconds(left - began)}" if began is not None else "later"


def pool(case: Case) -> str | None:
    """The client's pool had no connection left."""
    if not (case.seen.is_a("PoolTimeout", "EmptyPoolError", "ClosedPoolError") or case.seen.says(r"QueuePool limit")):
        return None
    most = sum(_at_once(story) for story in case.stories)
    used = f", the latest for {case.turns[-1][1].asked}" if case.turns else ""
    noun = "connection was" if most == 1 else "connections were"
    return f"the client's pool had no free connection: {most} {noun} in use and not given back{used}"


def waited(case: Case) -> str | None:
    """Somebody waited in vain: for an answer that had not come, or for nothing at all."""
    forever = case.seen.forever
    if not (case.seen.timed_out or forever) or case.seen.text.startswith("the predicate was not true"):
        return None
    for story, talk in reversed(case.talks):
        told = _unanswered(case, story, talk)
        if told is not None:
            return f"{told}; {forever}" if forever else told
    if forever:
        came = "" if case.talks else f"; nothing connected to {case.places}"
        return f"a wait that nobody will end: {forever}{came}"
    return None


def _unanswered(case: Case, story: Story, talk: Talk) -> str | None:
    turn = talk.open_turn
    who = case.connection(story, talk, turn)
    left = talk.client_left
    if turn is not None and turn.answered is None and talk.unmatched:
        return None  # that it met no rule says more
    if turn is not None and turn.answered is not None and left is not None and left > turn.answered:
        patience = after_asking(turn, talk, left)
        return f"the answer to {turn.asked} was still coming on {who} when the client gave up {patience}"
    if turn is not None and turn.answered is None:
        if left is None or case.seen.forever:  # that wait has ended by virtual time, not by the client
            gave_up = "the client waits"
        else:
            gave_up = f"the client gave up {after_asking(turn, talk, left)}"
        return f"{turn.asked}{case.of(story)} was not answered on {who}: {gave_up}, and {_why(turn)}"
    told = [event.text for event in talk.unmatched] or [event.text for event in talk.notes]
    for text in reversed(told):
        if "no rule match" in text and ("waiting for more" in text or "the last" in text):
            what = text.splitlines()[0].partition(": waiting")[0]
            near = nearest(text, story.rules)
            return f"{story.name} waits for more on {who}: {what}{f'; {near}' if near else ''}"
    if talk.turns or talk.sent > 0 or talk.tls:
        return None
    if not talk.received:
        return f"the client connected and sent nothing on {who}, and {story.name} had nothing to say"
    return f"{story.name} did not answer the {talk.received} B that came on {who}"


def _why(turn: Turn) -> str:
    """Why there is no answer yet."""
    delay = _delay(turn)
    if delay:
        return f"{turn.sides.by or 'the rule'} answers after a delay of {delay:g} s"
    by = turn.sides.by
    return f"{by} had not answered yet" if by else "no rule had answered yet"


def _delay(turn: Turn) -> float:
    """Seconds that the answer is to take by its rule."""
    for rule in getattr(turn.exchange, "rules", ()):
        given = getattr(rule, "delays", None)
        if given is not None:
            return float(max(given, default=0.0))
    return 0.0


def left_open(case: Case) -> str | None:
    """The test looks at how many connections there are, and the client has left some open."""
    if not case.seen.is_assertion or not case.seen.says(r"open_connections|peak_connections"):
        return None
    for story in case.stories:
        opened = [talk for talk in story.talks.values() if talk.closed is None]
        if case.seen.says("open_connections") and opened:
            numbers = ", ".join(str(talk.number) for talk in opened[:5]) + (", ..." if len(opened) > 5 else "")
            noun = "connection" if len(opened) == 1 else "connections"
            idle = sum(talk.open_turn is None for talk in opened)
            rest = "idle, and the client has not closed " + ("it" if idle == 1 else "them")
            state = rest if idle == len(opened) else f"{idle} of them idle"
            return f"{len(opened)} {noun} to {story.name} ({numbers}) still open: {state}"
        most = _at_once(story)
        if most > 1:
            return f"{most} connections to {story.name} were open at once"
    return None


def _at_once(story: Story) -> int:
    """How many were open at one moment."""
    changes = [(talk.opened.at, 1) for talk in story.came if talk.opened is not None]
    changes += [(talk.closed.at, -1) for talk in story.talks.values() if talk.closed is not None]
    now = most = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most
