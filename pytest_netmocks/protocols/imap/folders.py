"""The commands about folders (RFC 3501, section 6.3; RFC 2342, 5258, 6154)."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable

from pytest_netmocks.protocols.imap.mailroom import Done, Mailroom
from pytest_netmocks.protocols.imap.syntax import Arguments, BadError, folder_name
from pytest_netmocks.protocols.imap.utf7 import Letters, Pattern, decoded, encoded
from pytest_netmocks.protocols.imap.view import SYSTEM, View, flag_list
from pytest_netmocks.protocols.mail.mailbox import Folder
from pytest_netmocks.protocols.mail.visit import No

LONGEST = 500
"""Characters of a folder's name."""

MOST = 10_000
"""Folders of one server."""

MOST_PATTERNS = 20
"""Patterns of one LIST: each is compared with every folder."""

STATUS = ("MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "HIGHESTMODSEQ")


def _named(folder: Folder) -> bytes:
    return folder_name(encoded(folder.name))


def facts(view: View) -> list[bytes]:
    """What SELECT says of a folder."""
    folder = view.folder
    flags = frozenset(SYSTEM).union(*(message.flags for message in view.messages))
    lines = [b"* FLAGS " + flag_list(flags), b"* %d EXISTS" % len(view.messages)]
    lines.append(b"* %d RECENT" % view.recent)
    if view.first_unseen is not None:
        lines.append(b"* OK [UNSEEN %d] the first that is not seen" % view.first_unseen)
    permanent = b"()" if view.read_only else flag_list(flags)[:-1] + b" \\*)"
    lines.append(b"* OK [PERMANENTFLAGS %b] these stay" % permanent)
    lines.append(b"* OK [UIDVALIDITY %d] numbers are valid" % folder.uid_validity)
    lines.append(b"* OK [UIDNEXT %d] the next number" % folder.uid_next)
    lines.append(b"* OK [HIGHESTMODSEQ %d] the latest change" % folder.highest_modseq)
    return lines


def _name(arguments: Arguments) -> str:
    arguments.space()
    name = decoded(arguments.folder())
    if not name or len(name) > LONGEST or any(ord(letter) < 32 for letter in name):
        raise No("[CANNOT] that is no name for a folder")
    return name


def _new_name(room: Mailroom, arguments: Arguments) -> str:
    """The last argument, a name that no folder has."""
    name = _name(arguments).removesuffix(Folder.separator)
    arguments.end()
    if name in room.settings.mailbox.folders or name == "INBOX":
        raise No("[ALREADYEXISTS] there is one already")
    if not all(name.split(Folder.separator)):
        raise No("[CANNOT] that is no name for a folder")
    return name


def _make(room: Mailroom, name: str) -> Folder:
    """The folder of that name, made if it is not there, as are those that the name stands in."""
    mailbox = room.settings.mailbox
    paths = itertools.accumulate(name.split(Folder.separator), lambda above, level: above + Folder.separator + level)
    missing = [path for path in paths if path not in mailbox.folders]
    if len(mailbox.folders) + len(missing) > MOST:
        raise No("[LIMIT] there are too many")
    for path in missing:
        mailbox.make_folder(path).subscribed = False
    return mailbox.make_folder(name)


def create(room: Mailroom, arguments: Arguments) -> Done:
    """CREATE, with the folders that the name stands in."""
    _make(room, _new_name(room, arguments))
    return Done("OK created")


def delete(room: Mailroom, arguments: Arguments) -> Done:
    """DELETE."""
    arguments.space()
    folder = room.folder(arguments)
    arguments.end()
    if folder.name == "INBOX":
        raise No("[CANNOT] INBOX stays")
    inside = folder.name + folder.separator
    if any(name.startswith(inside) for name in room.settings.mailbox.folders):
        raise No("[HASCHILDREN] there are others in it")
    room.settings.mailbox.folders.pop(folder.name, None)
    if room.view is not None and room.view.folder is folder:
        room.view = None
    return Done("OK deleted")


def rename(room: Mailroom, arguments: Arguments) -> Done:
    """RENAME, with those in it; of INBOX the user's messages alone (RFC 3501, section 6.3.5)."""
    arguments.space()
    folder = room.folder(arguments)
    name = _new_name(room, arguments)
    if folder.name == "INBOX":
        target = _make(room, name)
        for message in folder.of(room.user):
            folder.remove(message)
            target.messages.append(message)
        return Done("OK renamed", changes=True)
    known = room.settings.mailbox.folders
    before = folder.name
    inside = before + Folder.separator
    names = {old: name + old.removeprefix(before) for old in list(known) if old == before or old.startswith(inside)}
    if name.startswith(inside) or any(len(new) > LONGEST for new in names.values()):
        raise No("[CANNOT] that is no name for the folder and those in it")
    if any(new in known for new in names.values()):
        raise No("[ALREADYEXISTS] there is one already")
    above, _, _ = name.rpartition(Folder.separator)
    if above:
        _make(room, above)
    for old, new in names.items():
        known[new] = known.pop(old)
        known[new].name = new
    return Done("OK renamed")


def subscribe(room: Mailroom, arguments: Arguments) -> Done:
    """SUBSCRIBE."""
    return _subscribed(room, arguments, to=True)


def unsubscribe(room: Mailroom, arguments: Arguments) -> Done:
    """UNSUBSCRIBE."""
    return _subscribed(room, arguments, to=False)


def _subscribed(room: Mailroom, arguments: Arguments, *, to: bool) -> Done:
    arguments.space()
    try:
        folder = room.folder(arguments)
    except No:
        if to:
            raise
        return Done("OK it is not")  # clients do so behind DELETE
    arguments.end()
    folder.subscribed = to
    return Done("OK done")


def list_(room: Mailroom, arguments: Arguments) -> Done:
    """LIST, with selection and return options."""
    arguments.space()
    selected: list[str] = []
    if arguments.peek(b"("):
        selected = _options(arguments)
        arguments.space()
    reference = decoded(arguments.folder())
    arguments.space()
    patterns = _patterns(arguments)
    returned: list[str] = []
    if arguments.take(b" RETURN "):
        returned = _options(arguments)
    arguments.end()
    if patterns == [""]:  # what stands between the levels (RFC 3501, section 6.3.8)
        return Done("OK done", [b'* LIST (\\Noselect) "/" ""'])
    lines = []
    levels = _Levels(room.settings.mailbox.folders)
    for folder in _fitting(room, reference, patterns):
        if "SUBSCRIBED" in selected and not folder.subscribed:
            continue
        if "SPECIAL-USE" in selected and folder.special_use is None:
            continue
        words = _attributes(levels, folder)
        if folder.subscribed and ("SUBSCRIBED" in returned or "SUBSCRIBED" in selected):
            words.append("\\Subscribed")
        lines.append(b'* LIST (%b) "/" %b' % (" ".join(words).encode(), _named(folder)))
    return Done("OK those are they", lines)


def lsub(room: Mailroom, arguments: Arguments) -> Done:
    """LSUB."""
    arguments.space()
    reference = decoded(arguments.folder())
    arguments.space()
    patterns = _patterns(arguments)
    arguments.end()
    fitting = _fitting(room, reference, patterns)
    lines = [b'* LSUB () "/" %b' % _named(one) for one in fitting if one.subscribed]
    if "%" in patterns[0]:  # so the levels above what is subscribed to are found (RFC 3501, section 6.3.9)
        levels = _Levels(name for name, one in room.settings.mailbox.folders.items() if one.subscribed)
        lines += [
            b'* LSUB (\\Noselect) "/" %b' % _named(one) for one in fitting if not one.subscribed and levels.below(one)
        ]
    return Done("OK those are they", lines)


def _options(arguments: Arguments) -> list[str]:
    arguments.need(b"(")
    found: list[str] = []
    while not arguments.take(b")"):
        if found:
            arguments.space()
        found.append(arguments.atom())
        if arguments.take(b" ("):  # STATUS in LIST (RFC 5819) is not offered
            raise BadError("there is no such option here")
    return found


def _patterns(arguments: Arguments) -> list[str]:
    if not arguments.take(b"("):
        return [decoded(arguments.pattern())]
    found = [decoded(arguments.pattern())]
    while not arguments.take(b")"):
        if len(found) == MOST_PATTERNS:
            raise BadError(f"more than {MOST_PATTERNS} patterns")
        arguments.space()
        found.append(decoded(arguments.pattern()))
    return found


def _fitting(room: Mailroom, reference: str, patterns: list[str]) -> list[Folder]:
    texts = [reference + pattern for pattern in patterns]
    wanted = [Pattern("INBOX" if text.upper() == "INBOX" else text) for text in texts]

    def meant(name: str) -> bool:
        letters = Letters(name, Folder.separator)
        return any(pattern.fits(letters) for pattern in wanted)

    return [folder for name, folder in sorted(room.settings.mailbox.folders.items()) if meant(name)]


class _Levels:
    """Which folders have others below them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)

    def below(self, folder: Folder) -> bool:
        inside = folder.name + folder.separator
        at = bisect.bisect_left(self._names, inside)
        return at < len(self._names) and self._names[at].startswith(inside)


def _attributes(levels: _Levels, folder: Folder) -> list[str]:
    words = ["\\HasChildren" if levels.below(folder) else "\\HasNoChildren"]
    return [*words, folder.special_use] if folder.special_use else words


def namespace(room: Mailroom, arguments: Arguments) -> Done:
    """NAMESPACE (RFC 2342)."""
    arguments.end()
    return Done("OK done", [b'* NAMESPACE (("" "/")) NIL NIL'])


def status(room: Mailroom, arguments: Arguments) -> Done:
    """STATUS."""
    arguments.space()
    folder = room.folder(arguments)
    arguments.space()
    wanted = _options(arguments)
    arguments.end()
    unknown = [name for name in wanted if name not in STATUS]
    if unknown or not wanted:
        raise BadError(f"{(unknown or ['nothing'])[0][:20]} is none of {', '.join(STATUS)}")
    there = folder.of(room.user)
    uid_next = folder.uid_next
    values = {
        "MESSAGES": len(there),
        "RECENT": sum(folder.uid(message) in folder.recent for message in there),
        "UIDNEXT": uid_next,
        "UIDVALIDITY": folder.uid_validity,
        "UNSEEN": sum("\\Seen" not in message.flags for message in there),
        "HIGHESTMODSEQ": folder.highest_modseq,
    }
    room.condstore = room.condstore or "HIGHESTMODSEQ" in wanted
    words = " ".join(f"{name} {values[name]}" for name in wanted).encode()
    return Done("OK done", [b"* STATUS %b (%b)" % (_named(folder), words)])
