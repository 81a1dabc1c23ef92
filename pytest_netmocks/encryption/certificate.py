"""`Certificate`: a certificate and its key as files, and the options by which one is asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypedDict, get_args

from pytest_netmocks import check
from pytest_netmocks.encryption.flaws import FLAWS

if TYPE_CHECKING:
    import ssl

KeyType = Literal["ecdsa", "ecdsa-p384", "rsa", "rsa-1024", "rsa-3072", "rsa-4096", "rsa-8192"]
Digest = Literal["sha256", "sha384", "sha512"]

LOWEST = "DEFAULT:@SECLEVEL=0"
"""The ciphers with which OpenSSL bears what is weak: short keys, SHA-1 and, in version 3, TLS 1.1 and 1.0."""

WEAK = {"EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"}
"""Why OpenSSL will not have a certificate at its usual level."""

MOST = 9
"""Intermediates that the root allows below it; RFC 5280, section 4.2.1.9."""


class IssueOptions(TypedDict, total=False):
    """The options of `Authority.issue`: what it is like, and what is wrong with it (see `flaws.FLAWS`)."""

    key_type: KeyType
    digest: Digest
    intermediates: int
    expired: bool
    not_yet_valid: bool
    wrong_host: bool
    self_signed: bool
    untrusted: bool
    revoked: bool
    incomplete_chain: bool
    reversed_chain: bool
    long_chain: bool
    path_length: bool
    issuer_not_ca: bool
    name_constraints: bool
    wrong_usage: bool
    wrong_key_usage: bool
    weak_key: bool
    sha1_signature: bool
    md5_signature: bool
    sha1_intermediate: bool
    no_names: bool
    no_subject: bool
    too_many_names: bool


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate with its chain in `cert_file` and its private key in `key_file`, both PEM.

    `names` are those that it was issued for, and choose it where a server has several. One that somebody else made
    can be given to a server too.
    """

    cert_file: str
    key_file: str
    names: tuple[str, ...] = ()

    @property
    def cert_pem(self) -> bytes:
        """The certificate and its chain."""
        with open(self.cert_file, "rb") as file:
            return file.read()

    @property
    def der(self) -> bytes:
        """The certificate itself in binary form, which is what clients pin."""
        import ssl  # not before there is TLS

        end = "-----END CERTIFICATE-----"
        return ssl.PEM_cert_to_DER_cert(self.cert_pem.decode("ascii").partition(end)[0] + end)

    def fits(self, name: str) -> bool:
        """Whether a client that asks for the name may be given this one (RFC 6125, section 6.4.3)."""
        name = _ascii(name).rstrip(".")
        parent = name.partition(".")[2]
        return any(_ascii(own) in (name, f"*.{parent}") for own in self.names)

    def load_into(self, context: ssl.SSLContext) -> bool:
        """Let the context show it; says whether the context had to be told to bear weak keys and signatures.

        At its usual level OpenSSL will not have such a certificate, where it is the peer that is to refuse it.
        """
        import ssl  # as above

        try:
            context.load_cert_chain(self.cert_file, self.key_file)
        except ssl.SSLError as error:
            if error.reason not in WEAK:
                raise
            context.set_ciphers(LOWEST)
            context.load_cert_chain(self.cert_file, self.key_file)
            return True
        return False

    def check_names(self) -> None:
        """Refuse a name that none can ask for: a handshake is too late to say so."""
        for name in self.names:
            try:
                _ascii(name)
            except ValueError as error:
                raise ValueError(f"certificate has a name that is none: {name!r} ({error})") from None


def _ascii(name: str) -> str:
    """The name as it goes over the wire, in lower case (RFC 5891, section 4)."""
    if name.isascii():
        return name.lower()
    import idna  # trustme needs it too, and few names do

    labels = name.lower().split(".")
    return ".".join(label if label.isascii() else idna.encode(label).decode() for label in labels)


def check_options(names: Sequence[object], options: IssueOptions) -> None:
    """Refuse wrong names and options, naming them."""
    if not names:
        raise ValueError("names must have at least one host name, address or e-mail address, not ()")
    for name in names:
        check.instance("names", name, str, "host names, addresses or e-mail addresses")
        check.not_empty("names", str(name), "a host name, an address or an e-mail address")
    for option, value in options.items():
        if option not in IssueOptions.__annotations__:
            raise TypeError(f"issue() takes no {option!r}{check.nearest(option, IssueOptions.__annotations__)}")
        if option in FLAWS:
            check.instance(option, value, bool, "True or False")
    check.one_of("key_type", options.get("key_type", "ecdsa"), get_args(KeyType))
    check.one_of("digest", options.get("digest", "sha256"), get_args(Digest))
    check.whole("intermediates", options.get("intermediates", 0), unit="authorities", minimum=0, maximum=MOST)
