"""Causes in what was answered: a no, no rule, no JSON, a goodbye; and that all went as told."""

from __future__ import annotations

import itertools
import json
import re

from pytest_netmocks.records.words import quoted
from pytest_netmocks.reports.case import Case, times
from pytest_netmocks.reports.nearest import nearest
from pytest_netmocks.reports.story import Story, Talk, Turn

_CLOSE = re.compile(r"([<>]) close (\d+) ?(.*)")


def farewell(case: Case) -> str | None:
    """A conversation was closed with a code that says why."""
    ended = case.seen.is_a("ConnectionClosed", "ConnectionClosedError", "WebSocketException", "WSServerHandshakeError")
    for story, talk in reversed(case.talks):
        frames = (note for note in talk.notes if _CLOSE.fullmatch(note.text))
        for note in itertools.islice(frames, 1):  # the one after it only answers it
            found = _CLOSE.fullmatch(note.text)
            assert found is not None
            # A client says goodbye with an error of its own when the test fails, and nobody minds a usual one.
            if not ended and (found[1] == ">" or found[2] in ("1000", "1001", "1005")):
                continue
            who = "the server" if found[1] == "<" else "the client"
            reason = f" {found[3]!r}" if found[3] else ""
            last = _last_message(talk, note.at)
            after = f" after {last}" if last else ""
            return f"{who} closed {case.connection(story, talk)} with code {found[2]}{reason}{after}"
    return None


def _last_message(talk: Talk, at: float) -> str:
    before = [turn for turn in talk.turns if turn.is_message and turn.began <= at]
    if not before:
        return ""
    sides = before[-1].sides
    return f"the client's {sides.asked}" if sides.asked else f"its own {sides.answered}"


def gave_up(case: Case) -> str | None:
    """The same was asked again and again, and the answer was no each time."""
    turns = case.turns
    if not turns or not turns[-1][1].sides.refuses:
        return None
    story, last = turns[-1]
    sides = last.sides
    same = 0
    for other_story, turn in reversed(turns):
        other = turn.sides
        if other_story is not story or other.asked != sides.asked or not other.refuses:
            break
        same += 1
    if same < 2:
        return None
    by = f" by {sides.by}" if sides.by else ""
    if not sides.by and any(talk.unmatched for talk in story.talks.values()):
        return None  # it met no rule, which says more
    codes = sides.answered if _all_alike(turns[-same:]) else f"no, at last {sides.answered},"
    return f"{sides.asked}{case.of(story)} was answered {codes} {times(same)}{by}, and the client gave up"


def _all_alike(turns: list[tuple[Story, Turn]]) -> bool:
    return len({turn.sides.answered for _, turn in turns}) == 1


def unmatched(case: Case) -> str | None:
    """Something met no rule, although the test has some: with the nearest of them, and why it was not that one."""
    for story, talk in reversed(case.talks):
        for event in reversed(talk.unmatched):
            return _nearest(case, story, event.text)
    return None


def nothing_matched(case: Case) -> str | None:
    """Something met no rule where there are none, or where a fault may be the reason."""
    for story, talk in reversed(case.talks):
        for note in reversed(talk.notes):
            if "no rule matche" in note.text:
                return _nearest(case, story, note.text)
    return None


def _nearest(case: Case, story: Story, text: str) -> str:
    first, *more = text.splitlines()
    told = re.sub(r"^\d{3}: ", "", first)
    told = told if len(case.stories) == 1 else f"{story.name}: {told}"
    if not more:
        near = nearest(text, story.rules)
        return f"{told}; {near}" if near else told
    if more[0].strip() == "there are no rules":
        return f"{told}: {story.name} has no rules"
    rule = more[0].strip().split("  ")[-1]
    why = []
    for line in more[1:]:
        if not line.startswith("    "):
            break
        why.append(line.strip())
    reason = f", but {'; '.join(why)}" if why else ""
    return f"{told}: the nearest is {rule}{reason}"


def no_json(case: Case) -> str | None:
    """The client was to read JSON, and what it was answered is none."""
    problem = case.seen.bad_json
    if problem is None:
        return None
    for story, turn in reversed(case.turns):
        sides = turn.sides
        if sides.body is None or _is_json(sides.body):
            continue
        by = f" by {sides.by}" if sides.by else ""
        body = f"{len(sides.body)} B {quoted(sides.body, 40)}" if sides.body else "an empty body"
        return (
            f"the answer to {turn.named}{case.of(story)}{by}, {sides.answered} with {body}, is no JSON: "
            f"{problem.msg} at {problem.pos}"
        )
    return None


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def refused(case: Case) -> str | None:
    """The answer was no."""
    turns = [(story, turn) for story, turn in case.turns if turn.sides.refuses]
    if not turns:
        return None
    named = [(story, turn) for story, turn in turns if case.seen.says(rf"(?<!\d){re.escape(turn.sides.code)}(?!\d)")]
    if not named and turns[-1][1] is not case.turns[-1][1]:
        return None
    story, turn = (named or turns)[-1]
    sides = turn.sides
    by = f" by {sides.by}" if sides.by else ""
    said = next((note.text for note in turn.talk.notes if sides.code and note.text.startswith(sides.code)), "")
    answer = said.splitlines()[0] if said else sides.answered
    return f"{story.name} answered {turn.named.rstrip()} with {answer}{by}"


def as_told(case: Case) -> str:
    """Nothing went wrong that a server could see, or the client came through it."""
    harm = case.harms[-1] if case.harms else None
    began = "the servers saw nothing go wrong" if harm is None else f"the client came through {harm.fault!r}"
    if case.turns:
        story, turn = case.turns[-1]
        sides = turn.sides
        body = f", body {quoted(sides.body, 60)}" if sides.body else ""
        by = f" by {sides.by}" if sides.by else ""
        return f"{began}; last, {story.name} answered {sides.asked}{by} with {sides.answered or 'nothing'}{body}"
    if case.talks:
        story, talk = case.talks[-1]
        got = f"{talk.received} B came and {talk.past} B went out"
        return f"{began}; last, on {case.connection(story, talk)}, {got}"
    return began
