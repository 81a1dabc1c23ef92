"""The commands about messages (RFC 3501, section 6.4; RFC 4315, 4731, 6851)."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_netmocks.protocols.imap import fetch as fetching
from pytest_netmocks.protocols.imap.mailroom import Done, Mailroom
from pytest_netmocks.protocols.imap.search import Candidate, read
from pytest_netmocks.protocols.imap.syntax import Arguments, BadError, Numbers, ranges
from pytest_netmocks.protocols.imap.utf7 import decoded
from pytest_netmocks.protocols.imap.view import View, flag_list
from pytest_netmocks.protocols.mail.mailbox import Folder, StoredMessage
from pytest_netmocks.protocols.mail.visit import No


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
    looked_for = read(arguments)
    arguments.end()
    room.condstore = room.condstore or looked_for.by_modseq
    found = {one.uid if uid else one.number: one for one in room.selected.candidates() if looked_for.fits(one)}
    done = Done("OK searched", expunges=uid)
    if wanted is None:
        words = ["* SEARCH", *map(str, found)]
        if looked_for.by_modseq and found:
            words.append(f"(MODSEQ {_highest(found.values())})")
        done.lines.append(" ".join(words).encode())
        return done
    words = ["UID"] if uid else []
    for name in wanted or ["ALL"]:
        if name == "COUNT":
            words.append(f"COUNT {len(found)}")
        elif found:
            values = {"MIN": str(min(found)), "MAX": str(max(found)), "ALL": ranges(list(found))}
            words.append(f"{name} {values[name]}")
    if looked_for.by_modseq and found:
        ends = {"MIN": min(found), "MAX": max(found)}  # of which alone it is told if nothing else was asked for
        only = [ends[name] for name in wanted] if wanted and set(wanted) <= set(ends) else list(found)
        words.append(f"MODSEQ {_highest(found[number] for number in only)}")  # RFC 4731, section 3.2
    done.lines.append(" ".join(['* ESEARCH (TAG "{tag}")', *words]).encode())
    return done


def _highest(found: Iterable[Candidate]) -> int:
    return max(one.folder.modseq(one.message) for one in found)


def fetch(room: Mailroom, arguments: Arguments, *, uid: bool) -> Done:
    """FETCH: what reads a body marks the message as seen."""
    arguments.space()
    numbers = arguments.numbers()
    arguments.space()
    items = fetching.items(arguments)
    since = arguments.modifier(b"CHANGEDSINCE")
    arguments.end()
    names = {item.name for item in items}
    if since is not None and "MODSEQ" not in names:
        items.append(fetching.plain("MODSEQ"))
    if uid and "UID" not in names:
        items.insert(0, fetching.plain("UID"))
    room.condstore = room.condstore or since is not None or "MODSEQ" in names
    view = room.selected
    reads = any(item.reads for item in items) and not view.read_only
    done = Done("OK fetched", expunges=uid, changes=reads)
    for number, message in _chosen(view, numbers, uid=uid):
        if since is not None and view.folder.modseq(message) <= since:
            continue
        told = list(items)
        if reads and "\\Seen" not in message.flags:
            message.flags.add("\\Seen")
            unasked = {"FLAGS", "MODSEQ"} if room.condstore else {"FLAGS"}
            told += [fetching.plain(name) for name in sorted(unasked - {item.name for item in items})]
            view.tell(message)
        flags = flag_list(view.flags(message))
        words = [b"%b %b" % (one.label, fetching.value(one, message, view.folder, flags)) for one in told]
        done.lines.append(b"* %d FETCH (%b)" % (number, b" ".join(words)))
    return done


def _chosen(view: View, numbers: Numbers, *, uid: bool) -> list[tuple[int, StoredMessage]]:
    found = view.chosen(numbers, uid=uid)
    if not uid and any(high > len(view.messages) for _, high in numbers.of(len(view.messages))):
        raise BadError(f"there are {len(view.messages)} messages")
    return found


def store(room: Mailroom, arguments: Arguments, *, uid: bool) -> Done:
    """STORE; with UNCHANGEDSINCE what others have changed stays, and is named (RFC 7162, section 3.1.3)."""
    arguments.space()
    numbers = arguments.numbers()
    since = arguments.modifier(b"UNCHANGEDSINCE")
    arguments.space()
    how = b"+" if arguments.take(b"+") else b"-" if arguments.take(b"-") else b""
    arguments.need(b"FLAGS")
    silent = arguments.take(b".SILENT")
    arguments.space()
    given = {_system(flag) for flag in arguments.flags()} - {"\\Recent"}
    arguments.end()
    room.condstore = room.condstore or since is not None
    view = room.writable
    done = Done("OK stored", expunges=uid, changes=True)
    told = [*(["UID"] if uid else []), *([] if silent else ["FLAGS"]), *(["MODSEQ"] if room.condstore else [])]
    modified = []
    for number, message in _chosen(view, numbers, uid=uid):
        if since is not None and view.folder.modseq(message) > since:
            modified.append(view.folder.uid(message) if uid else number)
            continue
        if how == b"+":
            message.flags |= given
        elif how == b"-":
            message.flags -= given
        else:
            message.flags.clear()
            message.flags |= given
        view.tell(message)
        if room.condstore or not silent:
            done.lines.append(view.told(number, message, *told))
    if modified:
        done.status = f"OK [MODIFIED {ranges(modified)}] others had changed some"
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
