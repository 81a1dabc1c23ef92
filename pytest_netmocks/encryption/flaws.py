"""What can be wrong with a certificate: the table of flaws, each a word of `Authority.issue`, and what they alter."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

WRONG_HOST = "wrong.host.invalid"
"""The name on a certificate for another host; RFC 2606 keeps `.invalid` from ever being anybody's."""

WITHOUT_END = 110
"""Intermediates: OpenSSL follows a hundred, GnuTLS sixteen."""

MANY = 10_000
"""Names: more than OpenSSL takes of a peer's chain, which is 100 KiB."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a certificate and those above it are to be; as it stands here, nothing is wrong with it."""

    key_type: str = "ecdsa"
    digest: str = "sha256"
    """The hash that is signed."""
    intermediates: int = 0
    """Authorities between the root and the certificate; the last of them is its issuer."""
    days: tuple[int, int] | None = None
    """From when to when it is valid, counted from now."""
    root: Literal["ours", "unknown"] = "ours"
    self_signed: bool = False
    revoked: bool = False
    wrong_names: bool = False
    more_names: int = 0
    has_subject: bool = True
    shows_names: bool = True
    """Whether there are subject alternative names."""
    for_servers: bool = True
    may_sign: bool = True
    """Whether the key may be used in a handshake."""
    sent: Literal["all", "leaf", "reversed"] = "all"
    """What a server shows of the chain."""
    issuer_is_authority: bool = True
    issuer_digest: str = "sha256"
    issuer_names: str | None = None
    """The only domain that the issuer may issue for."""
    first_path_length: int | None = None
    """How many intermediates there may be below the first."""


@dataclasses.dataclass(frozen=True)
class Flaw:
    """One thing that is wrong, in a sentence; how the plan differs; and how many intermediates that takes."""

    sentence: str
    changes: Mapping[str, Any]
    intermediates: int = 0


FLAWS: Mapping[str, Flaw] = MappingProxyType(
    {
        "expired": Flaw("its time is over", {"days": (-30, -1)}),
        "not_yet_valid": Flaw("its time has not come", {"days": (1, 30)}),
        "wrong_host": Flaw(f"it is for {WRONG_HOST} and nobody else", {"wrong_names": True}),
        "self_signed": Flaw("it is signed by its own key", {"self_signed": True}),
        "untrusted": Flaw("its root is an authority that nobody knows", {"root": "unknown"}),
        "revoked": Flaw("it is on the authority's revocation list, `crl_file`", {"revoked": True}),
        "incomplete_chain": Flaw("its issuer is an intermediate that is not sent", {"sent": "leaf"}, 1),
        "reversed_chain": Flaw(
            "the intermediates are sent from the root down, which TLS 1.2 forbids (RFC 5246, section 7.4.2) and most "
            "clients take",
            {"sent": "reversed"},
            2,
        ),
        "long_chain": Flaw(f"{WITHOUT_END} intermediates: more than clients follow", {}, WITHOUT_END),
        "path_length": Flaw(
            "an intermediate below one that must have none below it (RFC 5280, section 4.2.1.9)",
            {"first_path_length": 0},
            2,
        ),
        "issuer_not_ca": Flaw(
            "its issuer is no authority: CA:FALSE (RFC 5280, section 4.2.1.9)", {"issuer_is_authority": False}, 1
        ),
        "name_constraints": Flaw(
            "its issuer may issue for .invalid alone (RFC 5280, section 4.2.1.10)", {"issuer_names": "invalid"}, 1
        ),
        "wrong_usage": Flaw("it is for clients: no serverAuth (RFC 5280, section 4.2.1.12)", {"for_servers": False}),
        "wrong_key_usage": Flaw(
            "its key must not sign in a handshake: no digitalSignature (RFC 5280, section 4.2.1.3)",
            {"may_sign": False},
        ),
        "weak_key": Flaw("an RSA key of 1024 bits", {"key_type": "rsa-1024"}),
        "sha1_signature": Flaw("it is signed with SHA-1", {"digest": "sha1"}, 1),
        "md5_signature": Flaw("it is signed with MD5", {"digest": "md5"}, 1),
        "sha1_intermediate": Flaw("its issuer's certificate is signed with SHA-1", {"issuer_digest": "sha1"}, 2),
        "no_names": Flaw(
            "its only name is the subject's common name, which clients must not look at (RFC 9525, section 2); OpenSSL "
            "does unless told otherwise",
            {"shows_names": False},
        ),
        "no_subject": Flaw(
            "the subject is empty, which is allowed: the names are enough (RFC 5280, section 4.1.2.6)",
            {"has_subject": False},
        ),
        "too_many_names": Flaw(f"{MANY} more names: larger than clients take", {"more_names": MANY}),
    }
)


def plan(options: Mapping[str, Any]) -> Plan:
    """The plan for the options of `Authority.issue`. Raises `ValueError` for flaws that contradict each other."""
    given = {name: options[name] for name in ("key_type", "digest", "intermediates") if name in options}
    by = {name: f"{name}={value!r}" for name, value in given.items() if name != "intermediates"}
    for name in [name for name in FLAWS if options.get(name)]:
        flaw = FLAWS[name]
        for field, value in flaw.changes.items():
            if field in by:
                raise ValueError(f"{by[field]} and {name}=True contradict each other: give one of them")
            by[field] = f"{name}=True"
            given[field] = value
        given["intermediates"] = max(given.get("intermediates", 0), flaw.intermediates)
    made = Plan(**given)
    if made.revoked and (made.root == "unknown" or made.self_signed or made.intermediates):
        raise ValueError(
            "revoked=True is this authority's word on what it issued itself, so it goes with neither untrusted= nor "
            "self_signed= nor intermediates"
        )
    if made.self_signed and (made.intermediates or made.root == "unknown"):
        raise ValueError("self_signed=True means that there is no issuer, so it goes with nothing that is about one")
    return made
