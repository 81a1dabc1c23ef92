"""What the commands of IMAP do, and what is answered to them unless a rule says otherwise."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from pytest_netmocks.protocols.imap import folders, messages
from pytest_netmocks.protocols.imap.mailroom import Done, Mailroom
from pytest_netmocks.protocols.imap.search import CHARSETS, CharsetError
from pytest_netmocks.protocols.imap.syntax import Arguments, BadError
from pytest_netmocks.protocols.imap.view import View
from pytest_netmocks.protocols.mail.visit import No

Function = Callable[..., Done]

_BEFORE, _AFTER, _ALWAYS, _SELECTED = "before", "after", "always", "selected"


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """A command: what it does, in which state it makes sense, whether there is a form with UIDs."""

    function: Function
    state: str
    uid: bool = False


def execute(room: Mailroom, name: str, arguments: Arguments, *, uid: bool) -> Done:
    """Do what the client says."""
    command = COMMANDS.get(name)
    try:
        if command is None or (uid and not command.uid):
            return Done(f"BAD {name[:20]!r} is no command here")
        if command.state == _BEFORE and room.user is not None:
            return Done(f"BAD {name} makes no sense after the login")
        if command.state in (_AFTER, _SELECTED) and room.user is None:
            return Done(f"BAD {name} makes no sense before the login")
        if command.state == _SELECTED and room.view is None:
            return Done(f"BAD {name} makes no sense before a folder is selected")
        given: dict[str, Any] = {"uid": uid} if command.uid else {}
        return command.function(room, arguments, **given)
    except BadError as error:
        return Done(f"BAD {name}: {error}")
    except CharsetError as error:
        return Done(f"NO [BADCHARSET ({' '.join(CHARSETS.values())})] there is no charset {str(error)!r} here")
    except No as no:
        return Done(f"NO {no}")


def capability(room: Mailroom, arguments: Arguments) -> Done:
    """CAPABILITY."""
    arguments.end()
    return Done("OK that is it", [f"* CAPABILITY {room.capabilities()}".encode()])


def noop(room: Mailroom, arguments: Arguments) -> Done:
    """NOOP and CHECK."""
    arguments.end()
    return Done("OK nothing done")


def logout(room: Mailroom, arguments: Arguments) -> Done:
    """LOGOUT."""
    arguments.end()
    return Done("OK bye", [b"* BYE it was a pleasure"], then=room.line.close)


def id_(room: Mailroom, arguments: Arguments) -> Done:
    """ID (RFC 2971); what a client says of itself is with the command."""
    return Done("OK pleased to meet you", [b'* ID ("name" "pytest-netmocks")'])


def starttls(room: Mailroom, arguments: Arguments) -> Done:
    """STARTTLS (RFC 3501, section 6.2.1)."""
    arguments.end()
    if room.secure or not room.settings.starttls:
        return Done("BAD there is no TLS here" if not room.secure else "BAD TLS is there already")
    return Done("OK begin", then=room.line.upgrade)


def login(room: Mailroom, arguments: Arguments) -> Done:
    """LOGIN."""
    arguments.space()
    user = arguments.text()
    arguments.space()
    password = arguments.text()
    arguments.end()
    room.check_privacy()
    return room.logged_in(room.users.check(user, password))


def authenticate(room: Mailroom, arguments: Arguments) -> Done:
    """AUTHENTICATE, with an initial response (RFC 4959) or without."""
    arguments.space()
    mechanism = arguments.atom()
    initial = None
    if arguments.take(b" ") and not arguments.is_over:  # mutt has the space though it says nothing yet
        initial = arguments.text()
    arguments.end()
    room.check_privacy()
    return room.authenticate(mechanism, initial)


def enable(room: Mailroom, arguments: Arguments) -> Done:
    """ENABLE (RFC 5161): mod-sequences; nothing else has to be."""
    wanted: list[str] = []
    while arguments.take(b" "):
        wanted.append(arguments.atom())
    arguments.end()
    if not wanted:
        raise BadError("ENABLE takes what is to be")
    enabled = "CONDSTORE" in wanted
    room.condstore = room.condstore or enabled
    return Done("OK as far as it is here", [b"* ENABLED" + (b" CONDSTORE" if enabled else b"")])


def select(room: Mailroom, arguments: Arguments) -> Done:
    """SELECT."""
    return _select(room, arguments, read_only=False)


def examine(room: Mailroom, arguments: Arguments) -> Done:
    """EXAMINE."""
    return _select(room, arguments, read_only=True)


def _select(room: Mailroom, arguments: Arguments, *, read_only: bool) -> Done:
    arguments.space()
    room.view = None  # also where there is no such folder (RFC 3501, section 6.3.1)
    folder = room.folder(arguments)
    if arguments.take(b" (CONDSTORE)"):
        room.condstore = True
    arguments.end()
    view = room.view = View(folder, room.user, read_only=read_only)
    lines = folders.facts(view)
    access = "READ-ONLY" if read_only else "READ-WRITE"
    return Done(f"OK [{access}] {folder.name} it is".encode("ascii", "replace").decode(), lines)


def close(room: Mailroom, arguments: Arguments) -> Done:
    """CLOSE: what is marked as deleted goes, and nothing is said of it."""
    arguments.end()
    view = room.selected
    if not view.read_only:
        messages.expunge_from(view, None)
    room.view = None
    return Done("OK closed", changes=True)


def unselect(room: Mailroom, arguments: Arguments) -> Done:
    """UNSELECT (RFC 3691)."""
    arguments.end()
    room.view = None
    return Done("OK no folder any more")


def idle(room: Mailroom, arguments: Arguments) -> Done:
    """IDLE (RFC 2177): the session says when it is over."""
    arguments.end()
    return Done("OK that was a long wait", ask=b"idling")


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "CAPABILITY": Command(capability, _ALWAYS),
        "NOOP": Command(noop, _ALWAYS),
        "LOGOUT": Command(logout, _ALWAYS),
        "ID": Command(id_, _ALWAYS),
        "STARTTLS": Command(starttls, _BEFORE),
        "LOGIN": Command(login, _BEFORE),
        "AUTHENTICATE": Command(authenticate, _BEFORE),
        "ENABLE": Command(enable, _AFTER),
        "SELECT": Command(select, _AFTER),
        "EXAMINE": Command(examine, _AFTER),
        "CREATE": Command(folders.create, _AFTER),
        "DELETE": Command(folders.delete, _AFTER),
        "RENAME": Command(folders.rename, _AFTER),
        "SUBSCRIBE": Command(folders.subscribe, _AFTER),
        "UNSUBSCRIBE": Command(folders.unsubscribe, _AFTER),
        "LIST": Command(folders.list_, _AFTER),
        "LSUB": Command(folders.lsub, _AFTER),
        "NAMESPACE": Command(folders.namespace, _AFTER),
        "STATUS": Command(folders.status, _AFTER),
        "APPEND": Command(messages.append, _AFTER),
        "IDLE": Command(idle, _AFTER),
        "CHECK": Command(noop, _SELECTED),
        "CLOSE": Command(close, _SELECTED),
        "UNSELECT": Command(unselect, _SELECTED),
        "EXPUNGE": Command(messages.expunge, _SELECTED, uid=True),
        "SEARCH": Command(messages.search, _SELECTED, uid=True),
        "FETCH": Command(messages.fetch, _SELECTED, uid=True),
        "STORE": Command(messages.store, _SELECTED, uid=True),
        "COPY": Command(messages.copy, _SELECTED, uid=True),
        "MOVE": Command(messages.move, _SELECTED, uid=True),
    }
)
"""Every command that the server knows; some have a form behind UID."""
