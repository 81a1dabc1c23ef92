"""The commands about messages (RFC 3501, section 6.4; RFC 4315, 4731, 6851)."""

from __future__ import annotations

from pytest_netmocks.protocols.imap import fetch as fetching
from pytest_netmocks.protocols.imap.mailroom import Done, Mailroom, No
from pytest_netmocks.protocols.imap.search import read
from pytest_netmocks.protocols.imap.syntax import Arguments, BadError, Numbers, ranges
from pytest_netmocks.protocols.imap.utf7 import decoded
from pytest_netmocks.protocols.imap.view import View, flag_list
from pytest_netmocks.protocols.mail.mailbox import Folder, StoredMessage


def append(room: Mailroom, arguments: Arguments) -> Done:
    """APPEND, one message."""
    arguments.space()
    name = arguments.folder()
    folder = room.settings.mailbox.folders.get(decoded(name))
    arguments.space()
    flags: list[str] = []
    at = None
    if arguments.peek(b"("):
        flags = arguments.flags()
        arguments.space()
    if arguments.peek(b'"'):
        at = arguments.date_time()
        arguments.space()
    content = arguments.string()
    arguments.end()
    if folder is None:
        raise No("[TRYCREATE] there is no such folder")
    kept = [flag for flag in flags if flag.lower() != "\\recent"]
    message = room.settings.mailbox.deliver(content, folder=folder.name, flags=kept, internal_date=at)
    return Done(f"OK [APPENDUID {folder.uid_validity} {folder.uid(message)}] kept", changes=True)


def expunge_from(view: View, only: Numbers | None) -> None:
    """Take out what is marked as deleted, or those of it that are among some."""
    chosen = view.chosen(only, uid=True) if only is not None else list(enumerate(view.messages, 1))
    for _, message in chosen:
        if "\\Deleted" in message.flags:
            view.folder.remove(message)


def expunge(room: Mailroom, arguments: Arguments, *, uid: bool) -> Done:
    """EXPUNGE, and UID EXPUNGE of some."""
    only = None
    if uid:
        arguments.space()
        only = arguments.numbers()
    arguments.end()
    expunge_from(room.writable, only)
    return Done("OK gone", changes=True)


def search(room: Mailroom, arguments: Arguments, *, uid: bool) -> Done:
    """SEARCH, with RETURN or without."""
    arguments.space()
    wanted: list[str] | None = None
    if arguments.take(b"RETURN ("):
        wanted = []
        while not arguments.take(b")"):
            if wanted:
                arguments.space()
            wanted.append(arguments.atom())
        arguments.space()
        if not set(wanted) <= {"MIN", "MAX", "ALL", "COUNT"}:
            raise BadError("RETURN has MIN, MAX, ALL and COUNT")
    key = read(arguments)
    arguments.end()
    found = [one.uid if uid else one.number for one in room.selected.candidates() if key(one)]
    done = Done("OK searched", expunges=uid)
    if wanted is None:
        done.lines.append(b"* SEARCH" + "".join(f" {number}" for number in found).encode())
        return done
    words = ["UID"] if uid else []
    for name in wanted or ["ALL"]:
        if name == "COUNT":
            words.append(f"COUNT {len(found)}")
        elif found:
            values = {"MIN": str(min(found)), "MAX": str(max(found)), "ALL": ranges(found)}
            words.append(f"{name} {values[name]}")
    done.lines.append(" ".join(['* ESEARCH (TAG "{tag}")', *words]).encode())
    return done


def fetch(room: Mailroom, arguments: Arguments, *, uid: bool) -> Done:
    """FETCH: what reads a body marks the message as seen."""
    arguments.space()
    numbers = arguments.numbers()
    arguments.space()
    items = fetching.items(arguments)
    arguments.end()
    if uid and not any(item.name == "UID" for item in items):
        items.insert(0, fetching.Item("UID", label=b"UID"))
    view = room.selected
    reads = any(item.reads for item in items) and not view.read_only
    done = Done("OK fetched", expunges=uid, changes=reads)
    for number, message in _chosen(view, numbers, uid=uid):
        told = list(items)
        if reads and "\\Seen" not in message.flags:
            message.flags.add("\\Seen")
            if not any(item.name == "FLAGS" for item in items):
                told.append(fetching.Item("FLAGS", label=b"FLAGS"))
            view.tell(message)
        flags = flag_list(view.flags(message))
        words = [b"%b %b" % (one.label, fetching.value(one, message, view.folder.uid(message), flags)) for one in told]
        done.lines.append(b"* %d FETCH (%b)" % (number, b" ".join(words)))
    return done


def _chosen(view: View, numbers: Numbers, *, uid: bool) -> list[tuple[int, StoredMessage]]:
    found = view.chosen(numbers, uid=uid)
    if not uid and any(high > len(view.messages) for _, high in numbers.of(len(view.messages))):
        raise BadError(f"there are {len(view.messages)} messages")
    return found


def store(room: Mailroom, arguments: Arguments, *, uid: bool) -> Done:
    """STORE."""
    arguments.space()
    numbers = arguments.numbers()
    arguments.space()
    how = b"+" if arguments.take(b"+") else b"-" if arguments.take(b"-") else b""
    arguments.need(b"FLAGS")
    silent = arguments.take(b".SILENT")
    arguments.space()
    given = {_system(flag) for flag in arguments.flags()} - {"\\Recent"}
    arguments.end()
    view = room.writable
    done = Done("OK stored", expunges=uid, changes=True)
    for number, message in _chosen(view, numbers, uid=uid):
        if how == b"+":
            message.flags |= given
        elif how == b"-":
            message.flags -= given
        else:
            message.flags.clear()
            message.flags |= given
        view.tell(message)
        if not silent:
            number_too = b"UID %d " % view.folder.uid(message) if uid else b""
            done.lines.append(b"* %d FETCH (%bFLAGS %b)" % (number, number_too, flag_list(view.flags(message))))
    return done


def _system(flag: str) -> str:
    """A system flag as it is written; keywords are as they are."""
    return flag[:1] + flag[1:].capitalize() if flag.startswith("\\") else flag


def copy(room: Mailroom, arguments: Arguments, *, uid: bool) -> Done:
    """COPY."""
    view, folder, chosen = _where(room, arguments, uid=uid)
    _copied(room, folder, chosen)
    return Done(f"OK {_said(view, folder, chosen)} copied", changes=True, expunges=uid)


def move(room: Mailroom, arguments: Arguments, *, uid: bool) -> Done:
    """MOVE (RFC 6851)."""
    view, folder, chosen = _where(room, arguments, uid=uid)
    if view.read_only:
        raise No("[READ-ONLY] the folder was only to be read")
    _copied(room, folder, chosen)
    said = _said(view, folder, chosen)
    for _, message in chosen:
        view.folder.remove(message)
    return Done("OK moved", [f"* OK {said}".encode()] if chosen else [], changes=True)


def _where(room: Mailroom, arguments: Arguments, *, uid: bool) -> tuple[View, Folder, list[tuple[int, StoredMessage]]]:
    arguments.space()
    numbers = arguments.numbers()
    arguments.space()
    name = arguments.folder()
    arguments.end()
    folder = room.settings.mailbox.folders.get(decoded(name))
    if folder is None:
        raise No("[TRYCREATE] there is no such folder")
    return room.selected, folder, _chosen(room.selected, numbers, uid=uid)


def _copied(room: Mailroom, folder: Folder, chosen: list[tuple[int, StoredMessage]]) -> None:
    for _, message in chosen:
        room.settings.mailbox.deliver(
            message.content,
            user=message.user,
            folder=folder.name,
            flags=sorted(message.flags),
            internal_date=message.internal_date,
        )


def _said(view: View, folder: Folder, chosen: list[tuple[int, StoredMessage]]) -> str:
    if not chosen:
        return "nothing"
    before = [view.folder.uid(message) for _, message in chosen]
    after = [folder.uid(message) for message in folder.messages[-len(chosen) :]]
    return f"[COPYUID {folder.uid_validity} {ranges(before)} {ranges(after)}]"
