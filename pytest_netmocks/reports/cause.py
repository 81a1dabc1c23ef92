"""The one line that says what ended a test: the first cause of the table that has something to say."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from pytest_netmocks.records.words import cut, safe
from pytest_netmocks.reports import answers, connects, waits
from pytest_netmocks.reports.case import Case, after
from pytest_netmocks.reports.harm import SERIOUS, STREAMS, Harm, amount_of, called, took, where

LONGEST = 400
"""Columns of the line."""

Look = Callable[[Case], str | None]


def cause(case: Case) -> str:
    """What ended the test, in one line that is safe to show."""
    told = next(line for look in CAUSES if (line := look(case)))
    return cut(" ".join(safe(part) for part in told.splitlines()), LONGEST)


def handler_raised(case: Case) -> str | None:
    """Users' code raised in a server: whatever the client saw came of that."""
    for story in case.stories:
        found = [(talk, failed) for talk in story.talks.values() for failed in talk.failed]
        for talk, failed in found:
            turn = talk.streams.get(failed.stream) if failed.stream is not None else None
            turn = turn or next((turn for turn in reversed(talk.turns) if turn.began <= failed.at), None)
            of = f"handler of {turn.named}" if turn is not None else f"handler on {called(talk)}"
            got = f", so the client got {turn.sides.answered}" if turn is not None and turn.sides.answered else ""
            return f"the {of}{case.of(story)} raised {_raised(failed.error)}{got}"
        for failed in story.failed:
            return f"code that {story.name} calls raised {_raised(failed.error)}"
    return None


def _raised(error: BaseException) -> str:
    lines = str(error).splitlines()
    what = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return what
    return f"{what} ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno} in {frames[-1].name})"


def expectation(case: Case) -> str | None:
    """What the test expected of clients did not come, and that is all that was wrong."""
    text = case.seen.text
    if type(case.seen.error).__name__ != "Failed" or " expected " not in text or "what came:" not in text:
        return None
    return _expected(text)


def _expected(text: str) -> str:
    lines = text.splitlines()
    wanted = [line for line in lines if " expected " in line]
    came = [line.partition(": ")[2].strip() for line in lines[len(wanted) + 1 :]]
    rest = f" (and {len(wanted) - 1} more were not met)" if len(wanted) > 1 else ""
    last = f"; what came last was {came[-1]}" if came and came[-1] != "nothing" else "; nothing came"
    return f"{wanted[0]}{rest}{last}"


def never_struck(case: Case) -> str | None:
    """A fault never struck, and that is what the test failed by."""
    text = case.seen.text
    if type(case.seen.error).__name__ == "Failed" and text.startswith("netmocks: ") and "never struck" in text:
        return text.splitlines()[0].removeprefix("netmocks: ")
    return None


def strict(case: Case) -> str | None:
    """A rule never answered, or a request met none, and that is what the test failed by."""
    text = case.seen.text
    if type(case.seen.error).__name__ == "Failed" and text.startswith("netmocks: "):
        return text.splitlines()[0].removeprefix("netmocks: ")
    return None


def fault_struck(case: Case) -> str | None:
    """A fault took something from the client, and no other try went well."""
    serious = (harm for harm in reversed(case.harms) if harm.kind in SERIOUS and not harm.again)
    harm = next(serious, None)
    return None if harm is None else _harmed(case, harm)


def fault_changed(case: Case) -> str | None:
    """A fault changed what went by; where the client choked on that, it is what ended the test."""
    changed = (harm for harm in reversed(case.harms) if harm.kind == "changed" and _changes(harm) and not harm.again)
    harm = next(changed, None)
    if harm is None:
        return None
    turn = harm.turn
    what = f"the answer to {turn.asked}" if turn is not None else "what passed"
    how = took(harm.talk, harm.struck)
    who = case.connection(harm.story, harm.talk, turn)
    to = f"{harm.fault!r} changed {what} on {who}{f': {how}' if how else ''}"
    error = case.seen.error
    return to if error is None else f"{to}{';' if how else ','} and the client came to {type(error).__name__}"


def _changes(harm: Harm) -> bool:
    return harm.fault.name not in ("Latency", "Bandwidth", "Slice", "SlowClose", "Duplicate", "Reorder")


def _harmed(case: Case, harm: Harm) -> str:
    story, talk, fault = harm.story, harm.talk, harm.fault
    what, place = took(talk, harm.struck), where(talk, harm.struck)
    who = case.connection(story, talk)
    place = f" {place}" if place else ""
    if harm.struck.stream is not None:
        return _harmed_stream(case, harm, who)
    if harm.kind == "ended":
        return _ended(case, harm, who, place, what)
    if harm.kind == "lost":
        return f"{fault!r} on {who}: {what}"
    patience = _patience(case, harm)
    if fault.name.startswith("Handshake"):
        return f"{fault!r} left the TLS handshake on {who} without an answer{patience}"
    turn = harm.turn
    if turn is None:
        sent = "what was sent"
    elif amount_of(talk, harm.struck).up:
        sent = turn.asked
    else:
        sent = f"the answer to {turn.asked}"
    how = "swallowed" if harm.kind == "swallowed" else "held back"
    return f"{fault!r} {how} {sent} on {case.connection(story, talk, turn)}: {what}{patience}"


def _patience(case: Case, harm: Harm) -> str:
    """How long the client waited; one that virtual time woke has not given up."""
    if case.seen.forever:
        return f"; {case.seen.forever}"
    left = harm.talk.client_left
    return f"; the client gave up {waits.after_asking(harm.turn, harm.talk, left)}" if left is not None else ""


def _harmed_stream(case: Case, harm: Harm, who: str) -> str:
    _, word = STREAMS[harm.fault.name]
    turn, error = harm.turn, case.seen.error
    told = f"stream {harm.struck.stream} of {who} was {word} by {harm.fault!r}{f', in {turn.asked}' if turn else ''}"
    if harm.kind != "ended" and (patience := _patience(case, harm)):
        return f"{told}{patience}"
    return told if error is None else f"{told}, and the client came to {type(error).__name__}"


def _ended(case: Case, harm: Harm, who: str, place: str, what: str) -> str:
    talk, fault = harm.talk, harm.fault
    ended = next(ended for ended in talk.ended if ended.by == "fault")
    if fault.name.startswith("Handshake"):
        return f"the TLS handshake on {who} was refused by {fault!r}; {after(harm.story, ended.at, talk)}"
    if ended.sign is None:
        instead = f"the answer to {harm.turn.asked}" if harm.turn is not None else "an answer"
        return f"{fault!r} stood on {who} in place of {instead}; {after(harm.story, ended.at, talk)}"
    told = f"{who} was {'reset' if ended.sign == 'RST' else 'closed'} by {fault!r}{place}"
    amounts = f": {what}" if what else ""
    return f"{told}{amounts}; {after(harm.story, ended.at, talk)}"


def nothing_struck(case: Case) -> str | None:
    """The test failed for another reason, and its fault never struck."""
    if not case.idle:
        return None
    came = len(case.turns) or len(case.talks)
    noun = "exchange" if case.turns else "connection"
    seen = f"{came} {noun}{'s' if came != 1 else ''} went by unharmed" if came else "no client came"
    return f"nothing was broken: {case.idle[0]} never struck, {seen}"


def unmet(case: Case) -> str | None:
    """Something that was expected did not come."""
    return _expected(case.unmet) if case.unmet else None


CAUSES: tuple[Look, ...] = (
    handler_raised,
    expectation,
    never_struck,
    strict,
    connects.resolved,
    connects.kept_out,
    connects.handshake,
    fault_struck,
    connects.upstream,
    answers.farewell,
    waits.pool,
    waits.waited,
    answers.gave_up,
    answers.unmatched,
    answers.nothing_matched,
    answers.no_json,
    fault_changed,
    answers.refused,
    waits.left_open,
    nothing_struck,
    unmet,
    connects.nobody,
    answers.as_told,
)
"""The causes, the most telling first; the last always has something to say."""
