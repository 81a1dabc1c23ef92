"""What packets are made of: numbers, text and bytes (MQTT 5.0, section 1.5), and where one ends in a stream."""

from __future__ import annotations

from pytest_netmocks.protocols.mqtt.reasons import MALFORMED, TOO_LARGE


class MalformedError(Exception):
    """A packet is none, or breaks the protocol; `code` is the reason that MQTT 5 has for it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Reader:
    """Reads the body of a packet from its front; whatever is missing or wrong is a `MalformedError`."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that were not read."""
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        """So many bytes."""
        if size > self.left:
            raise MalformedError(MALFORMED, f"the packet ends within a field: {size} B wanted, {self.left} B left")
        self._at += size
        return self._data[self._at - size : self._at]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left)

    def byte(self) -> int:
        """One byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Two bytes."""
        return int.from_bytes(self.take(2))

    def u32(self) -> int:
        """Four bytes."""
        return int.from_bytes(self.take(4))

    def varint(self) -> int:
        """A variable byte integer."""
        value = 0
        for shift in range(0, 28, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise MalformedError(MALFORMED, "a variable byte integer has more than four bytes")

    def binary(self) -> bytes:
        """Bytes with their number before them."""
        return self.take(self.u16())

    def text(self) -> str:
        """Text with the number of its bytes before it."""
        data = self.binary()
        try:
            found = data.decode()
        except UnicodeDecodeError as error:
            raise MalformedError(MALFORMED, f"text that is no UTF-8: {error}") from None
        if "\0" in found:
            raise MalformedError(MALFORMED, "text with a NUL")
        return found


def varint(value: int) -> bytes:
    """A variable byte integer."""
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    out.append(value)
    return bytes(out)


def binary(data: bytes) -> bytes:
    """Bytes with their number before them."""
    return len(data).to_bytes(2) + data


def text(value: str) -> bytes:
    """Text with the number of its bytes before it."""
    return binary(value.encode())


class Frames:
    """The packets in a stream."""

    def __init__(self, longest: int) -> None:
        self._data = bytearray()
        self._longest = longest

    def __len__(self) -> int:
        return len(self._data)

    def add(self, data: bytes) -> None:
        """More has come."""
        self._data += data

    def clear(self) -> None:
        """What has come is not wanted."""
        self._data.clear()

    @property
    def first(self) -> int | None:
        """The first byte of the next packet, `None` if it has not come."""
        return self._data[0] if self._data else None

    def next(self) -> tuple[int, bytes] | None:
        """The first byte and the body of the next packet, `None` if there is no whole one. Raises `MalformedError`.

        One that is too long is refused once its length is known.
        """
        size, shift = 0, 0
        for at in range(1, 5):
            if len(self._data) <= at:
                return None
            size |= (self._data[at] & 0x7F) << shift
            shift += 7
            if self._data[at] < 0x80:
                break
        else:
            raise MalformedError(MALFORMED, "the remaining length has more than four bytes")
        start = at + 1
        if start + size > self._longest:
            raise MalformedError(TOO_LARGE, f"a packet of {start + size} B is larger than {self._longest} B")
        if len(self._data) < start + size:
            return None
        first, body = self._data[0], bytes(self._data[start : start + size])
        del self._data[: start + size]
        return first, body
