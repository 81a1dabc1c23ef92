"""The error codes of HTTP/2 (RFC 9113, section 7), by their names."""

from __future__ import annotations

CODES = {
    "NO_ERROR": 0,
    "PROTOCOL_ERROR": 1,
    "INTERNAL_ERROR": 2,
    "FLOW_CONTROL_ERROR": 3,
    "SETTINGS_TIMEOUT": 4,
    "STREAM_CLOSED": 5,
    "FRAME_SIZE_ERROR": 6,
    "REFUSED_STREAM": 7,
    "CANCEL": 8,
    "COMPRESSION_ERROR": 9,
    "CONNECT_ERROR": 10,
    "ENHANCE_YOUR_CALM": 11,
    "INADEQUATE_SECURITY": 12,
    "HTTP_1_1_REQUIRED": 13,
}

NAMES = {code: name for name, code in CODES.items()}


def name_of(code: int) -> str:
    """The name of a code, or its number where it has none."""
    return NAMES.get(code, f"error {code}")
