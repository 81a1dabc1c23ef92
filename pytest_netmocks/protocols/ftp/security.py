"""TLS on a session: AUTH, PBSZ and PROT (RFC 4217), with the TLS of our links under both connections."""

from __future__ import annotations

from typing import Any

from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.ftp.bridge import LinkSocket
from pytest_netmocks.protocols.ftp.desk import FtpDesk
from pytest_netmocks.protocols.ftp.records import FtpConnection

SECURITY = {
    "AUTH": {
        "perm": None,
        "auth": False,
        "arg": True,
        "help": "Syntax: AUTH <SP> TLS (set up secure control channel).",
    },
    "PBSZ": {"perm": None, "auth": False, "arg": True, "help": "Syntax: PBSZ <SP> 0 (negotiate TLS buffer)."},
    "PROT": {"perm": None, "auth": False, "arg": True, "help": "Syntax: PROT <SP> [C|P] (set up un/secure data)."},
}


class SecurityCommands:
    """The part of a session that speaks about TLS."""

    desk: FtpDesk
    link: Link
    connection: FtpConnection
    bridge: LinkSocket
    respond: Any
    forget_what_came: Any
    when_answered: Any
    _pbsz = False
    _prot = False

    def is_refused(self, data: LinkSocket) -> bool:
        """Whether a data connection has a TLS session of its own and must not."""
        session = data.session
        return self.desk.settings.require_session_reuse and session is not None and not session.session_reused

    @property
    def _secure(self) -> bool:
        return self.link.get_extra_info("ssl_object") is not None

    def ftp_AUTH(self, line: str) -> None:  # noqa: N802  # pyftpdlib's names
        """Put TLS under the control connection (RFC 4217, section 4)."""
        kind = line.upper()
        if self._secure:
            self.respond("503 Already using TLS.")
        elif kind not in ("TLS", "TLS-C", "SSL", "TLS-P"):
            self.respond("504 Unrecognized security mechanism (use TLS).")
        else:
            self.link.pause_reading()
            self.forget_what_came()
            self.respond(f"234 AUTH {kind} successful.")
            self.when_answered(self._begin, self.link.resume_reading)

    def _begin(self) -> None:
        self.link.to_be_secured = True
        self.bridge.when_drained(self._upgrade)

    def _upgrade(self) -> None:
        if not self.link.is_closing():
            self.forget_what_came()
            self.desk.secure(self.connection, self.link.resume_reading)

    def ftp_PBSZ(self, line: str) -> None:  # noqa: N802
        """Say that there are no blocks (RFC 4217, section 8)."""
        if not self._secure:
            self.respond("503 PBSZ not allowed on insecure control connection.")
            return
        self.respond("200 PBSZ=0 successful.")
        self._pbsz = True

    def ftp_PROT(self, line: str) -> None:  # noqa: N802
        """Protect data connections, or not (RFC 4217, section 9)."""
        level = line.upper()
        if not self._secure:
            self.respond("503 PROT not allowed on insecure control connection.")
        elif not self._pbsz:
            self.respond("503 You must issue the PBSZ command prior to PROT.")
        elif level in ("C", "P"):
            self._prot = level == "P"
            self.respond(f"200 Protection set to {'Private' if self._prot else 'Clear'}")
        else:
            self.respond(f"536 PROT {level} unsupported (use C or P).")
