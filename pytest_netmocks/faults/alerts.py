"""The alerts of TLS: their names and numbers in RFC 8446, section 6, those that it reserves included."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ALERTS: Mapping[str, int] = MappingProxyType(
    {
        "close_notify": 0,
        "unexpected_message": 10,
        "bad_record_mac": 20,
        "decryption_failed": 21,
        "record_overflow": 22,
        "decompression_failure": 30,
        "handshake_failure": 40,
        "no_certificate": 41,
        "bad_certificate": 42,
        "unsupported_certificate": 43,
        "certificate_revoked": 44,
        "certificate_expired": 45,
        "certificate_unknown": 46,
        "illegal_parameter": 47,
        "unknown_ca": 48,
        "access_denied": 49,
        "decode_error": 50,
        "decrypt_error": 51,
        "export_restriction": 60,
        "protocol_version": 70,
        "insufficient_security": 71,
        "internal_error": 80,
        "inappropriate_fallback": 86,
        "user_canceled": 90,
        "no_renegotiation": 100,
        "missing_extension": 109,
        "unsupported_extension": 110,
        "certificate_unobtainable": 111,
        "unrecognized_name": 112,
        "bad_certificate_status_response": 113,
        "bad_certificate_hash_value": 114,
        "unknown_psk_identity": 115,
        "certificate_required": 116,
        "no_application_protocol": 120,
    }
)

NAMES: Mapping[int, str] = MappingProxyType({number: name for name, number in ALERTS.items()})

_TELL = "tls_ca.cert_file, tls_trust or client_context() tell it"
_PERHAPS = f"the client refuses the certificate, perhaps since it does not know the authority: {_TELL}"

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "unknown_ca": f"the client does not know the authority: {_TELL}",
        "bad_certificate": _PERHAPS,
        "certificate_unknown": _PERHAPS,
        "unsupported_certificate": "the client finds that the certificate is of the wrong kind or for another use",
        "certificate_revoked": "the client finds the certificate on a revocation list",
        "certificate_expired": "the client finds the certificate expired or not valid yet: is its clock right?",
        "protocol_version": "the client does not speak this version of TLS",
        "handshake_failure": "the client and the server have no cipher or signature in common",
        "insufficient_security": "the client asks for stronger ciphers or keys",
        "no_application_protocol": "the client speaks none of the server's protocols (ALPN)",
    }
)
"""What it means when a client sends one of these in a handshake."""

_CLOSURE = {"close_notify", "user_canceled"}
"""The alerts that announce an end in good order (section 6.1): their level is warning, that of all others fatal."""


def record(alert: str) -> bytes:
    """The alert as a record of plain text, as a server sends it in answer to a ClientHello."""
    level = 1 if alert in _CLOSURE else 2
    return bytes([21, 3, 3, 0, 2, level, ALERTS[alert]])
