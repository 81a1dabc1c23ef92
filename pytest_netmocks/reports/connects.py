"""Causes before anything was said: no name, nobody listens, no trust, no upstream, and clients that never came."""

from __future__ import annotations

import re

from pytest_netmocks.reports.case import Case
from pytest_netmocks.reports.story import Story, Talk


def resolved(case: Case) -> str | None:
    """A name has no address."""
    if not case.seen.unresolved:
        return None
    to = f", on the way to {case.seen.went_to}," if case.seen.went_to else ""
    came = f"and never came to {case.places}" if case.nobody_came else "after it had been here"
    return f"the client could not resolve a host's name{to} {came}"


def kept_out(case: Case) -> str | None:
    """Nobody listened, or nobody answered, where the client went."""
    seen = case.seen
    if not (seen.refused or seen.timed_out):
        return None
    for story in case.stories:
        for struck in reversed(story.struck):
            later = [talk for talk in story.came if talk.opened is not None and talk.opened.at > struck.at]
            if later:
                break
            if seen.refused and struck.fault.name == "Refuse":
                return f"{case.place(story)} refused the client, by {struck.fault!r}"
            if not seen.refused and struck.fault.name == "Unreachable":
                return f"{struck.fault!r} kept the client from connecting to {case.place(story)} until its time-out"
    if not seen.refused:
        return None
    stopped = [story for story in case.stories if story.stopped is not None]
    if stopped:
        return f"the client was refused, for {case.place(stopped[-1])} had been stopped"
    if case.nobody_came:
        to = f" at {seen.went_to}" if seen.went_to else ""
        return f"the client was refused{to}, where no server of the test listens, and never came to {case.places}"
    return None


def handshake(case: Case) -> str | None:
    """A TLS handshake failed without a fault."""
    for story, talk in reversed(case.talks):
        if talk.struck or any(step.step == "complete" for step in talk.tls):
            continue
        told = _failure(talk)
        if told:
            return _handshake(case, story, talk, told)
    return None


def _failure(talk: Talk) -> str:
    """How the handshake failed, as the server tells it."""
    texts = [ended.text for ended in talk.ended] + [step.text for step in talk.tls]
    told = next((text for text in texts if text.startswith("the handshake failed")), "")
    return told.removeprefix("the handshake failed").lstrip(",: ")


def _handshake(case: Case, story: Story, talk: Talk, told: str) -> str:
    who = case.connection(story, talk)
    if "HTTP_REQUEST" in told:
        return f"the client spoke plain HTTP on {who}, and {case.place(story)} speaks TLS"
    told = re.sub(r", (SSLV3|TLSV1\w*)_ALERT_\w+", "", told)
    if not case.seen.distrusts:
        return f"the TLS handshake on {who} failed: {told}"
    verdict = case.seen.verdict
    if verdict and "unknown_ca" not in told:  # what the client says itself is better than what its alert may mean
        told = re.sub(r" \(.*\)", "", told)
    return f"the client refused the certificate of {story.name} on {who}{f': {verdict}' if verdict else ''}; {told}"


def upstream(case: Case) -> str | None:
    """A proxy could not pass on what it was sent."""
    for story, talk in reversed(case.talks):
        for note in reversed(talk.notes):
            if "upstream" in note.text and any(word in note.text for word in ("cannot be", "lost", "failed", "no TLS")):
                return f"{story.name}: {note.text}, so the client lost {case.connection(story, talk)}"
    return None


def nobody(case: Case) -> str | None:
    """No client came."""
    if not case.nobody_came or not case.stories:
        return None
    for story in case.stories:
        for struck in story.struck:
            if struck.fault.name in ("Refuse", "Unreachable"):
                return f"no client came in: {case.place(story)} lets nobody in, by {struck.fault!r}"
    return f"no client came: nothing connected to {case.places}"
