"""What others sent, as lines that are safe to show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_netmocks.records.words import columns, cut, quoted, quoted_lines, safe, wrapped


@given(st.text())
def test_what_is_safe_has_nothing_that_moves_a_cursor(text: str) -> None:
    assert safe(text).isprintable()
    assert not text.isprintable() or safe(text) == text


@given(st.binary())
def test_bytes_are_what_python_writes_and_nothing_else(data: bytes) -> None:
    shown = quoted(data, 1000)
    assert shown.isprintable()
    value = eval(shown)
    assert data == (value if isinstance(value, bytes) else value.encode())


@given(st.lists(st.sampled_from([b"a", b"\\n", b"\n", b"\r\n", b"'", b'"', b"\\"])).map(b"".join))
def test_lines_of_bytes_put_together_are_the_bytes(data: bytes) -> None:
    lines = quoted_lines(data, 1000)
    assert "".join(eval(line) for line in lines).encode() == data
    assert len(lines) == max(1, len(data.splitlines()) if b"\r" not in data.replace(b"\r\n", b"") else 0)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n", [r"'GET / HTTP/1.1\r\n'", r"'Host: h\r\n'"]),
        (b"", ["''"]),
        (b"\x00\n", [r"b'\x00\n'"]),
        ("\N{SNOWMAN}".encode() * 9, ["'\N{SNOWMAN}\N{SNOWMAN}'..."]),
    ],
)
def test_text_is_shown_as_text_and_what_is_none_as_bytes(data: bytes, shown: list[str]) -> None:
    assert quoted_lines(data, 27 if data[:1] != b"\xe2" else 7) == shown


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"])), st.integers(4, 40))
def test_lines_fit(text: str, width: int) -> None:
    assert all(columns(line) <= width for line in wrapped(text, width))
    assert columns(cut(text, width)) <= width
    assert "".join(wrapped(text, width)).replace(" ", "") == text.replace(" ", "")
