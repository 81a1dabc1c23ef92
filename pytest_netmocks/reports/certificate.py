"""What a certificate says, in words: what clients refuse it for can be read from it."""

from __future__ import annotations

import functools
from typing import Any, Protocol


class Shown(Protocol):
    """What is needed of a certificate."""

    @property
    def cert_pem(self) -> bytes:
        """It and its chain. Raises `OSError` if its file is gone."""


def as_facts(shown: Shown) -> dict[str, Any] | None:
    """Whom it is for, who signed it, when it is valid, and by what it is known; `None` if its file is gone."""
    try:
        pem = shown.cert_pem
    except OSError:
        return None
    return _read(pem)


@functools.lru_cache(64)
def _read(pem: bytes) -> dict[str, Any] | None:
    from cryptography import x509  # not before anybody asks
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes

    try:
        leaf, *above = x509.load_pem_x509_certificates(pem)
        names = [_name(name) for name in _alternatives(leaf)]
        public = leaf.public_key()
        key = " ".join([type(public).__name__.removesuffix("PublicKey"), str(getattr(public, "key_size", ""))]).strip()
        digest = leaf.signature_hash_algorithm
        subject, issuer = leaf.subject.rfc4514_string(), leaf.issuer.rfc4514_string()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return {
        "subject": subject,
        "names": names,
        "issuer": issuer,
        "not_before": leaf.not_valid_before_utc.isoformat(),
        "not_after": leaf.not_valid_after_utc.isoformat(),
        "key": key,
        "digest": digest.name if digest else None,
        "chain": [one.subject.rfc4514_string() for one in above],
        "sha256": leaf.fingerprint(hashes.SHA256()).hex(),
    }


def _alternatives(leaf: Any) -> list[Any]:
    from cryptography import x509

    try:
        return list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _name(name: Any) -> str:
    return str(getattr(name, "value", name))
