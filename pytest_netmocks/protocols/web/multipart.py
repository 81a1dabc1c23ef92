"""Multipart forms (RFC 7578), by the parser that Starlette uses."""

from __future__ import annotations

import dataclasses
from typing import Any

from pytest_netmocks.link.quiet import NOBODY

LONGEST = 1024
"""Characters of a Content-Type that may say the boundary, which has 70 at most (RFC 2046, section 5.1.1)."""


@dataclasses.dataclass(frozen=True)
class UploadedFile:
    """A file of a multipart form: its name on the client's side, its type and its bytes."""

    filename: str
    """The name that the client gave it."""
    content_type: str
    """The media type that the client says."""
    content: bytes
    """The bytes of the file."""


def parse(content_type: str, body: bytes) -> tuple[list[tuple[str, str]], list[tuple[str, UploadedFile]]]:
    """The fields and the files of a form. Raises `ValueError` if the body is none."""
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser, parse_options_header

    _, options = parse_options_header(content_type[:LONGEST])
    boundary = options.get(b"boundary")
    if not boundary:
        raise ValueError(f"the form has no boundary: Content-Type {content_type!r}")
    parts: list[tuple[dict[str, str], bytearray]] = []
    name = bytearray()
    value = bytearray()

    def on_part_begin() -> None:
        parts.append(({}, bytearray()))

    def on_part_data(data: bytes, start: int, end: int) -> None:
        parts[-1][1].extend(data[start:end])

    def on_header_field(data: bytes, start: int, end: int) -> None:
        name.extend(data[start:end])

    def on_header_value(data: bytes, start: int, end: int) -> None:
        value.extend(data[start:end])

    def on_header_end() -> None:
        parts[-1][0][name.decode("latin-1").lower()] = value.decode("utf-8", "replace")
        name.clear()
        value.clear()

    callbacks: Any = {
        "on_part_begin": on_part_begin,
        "on_part_data": on_part_data,
        "on_header_field": on_header_field,
        "on_header_value": on_header_value,
        "on_header_end": on_header_end,
    }
    try:
        parser = MultipartParser(boundary, callbacks)
        parser.logger = NOBODY
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise ValueError(f"the body is no multipart form: {error}") from None
    fields: list[tuple[str, str]] = []
    files: list[tuple[str, UploadedFile]] = []
    for headers, content in parts:
        _, disposition = parse_options_header(headers.get("content-disposition", ""))
        field = disposition.get(b"name", b"").decode("utf-8", "replace")
        filename = disposition.get(b"filename")
        if filename is None:
            fields.append((field, content.decode("utf-8", "replace")))
        else:
            kind = headers.get("content-type", "application/octet-stream")
            files.append((field, UploadedFile(filename.decode("utf-8", "replace"), kind, bytes(content))))
    return fields, files
