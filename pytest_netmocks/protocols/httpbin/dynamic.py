"""The endpoints of httpbin that make bytes, or take their time."""

from __future__ import annotations

import base64
import json
import math
import random
from collections.abc import AsyncIterator

from pytest_netmocks import clock
from pytest_netmocks.protocols.httpbin.answers import (
    BYTES,
    JSON,
    LARGEST,
    PHRASES,
    TEXT,
    Arguments,
    Fields,
    answer,
    chance,
    place,
    possible,
    seconds,
    text_answer,
)
from pytest_netmocks.protocols.httpbin.echo import DELAY, LARGE, describe, describing
from pytest_netmocks.protocols.httpbin.redirects import redirect
from pytest_netmocks.protocols.web.conditions import stretch
from pytest_netmocks.protocols.web.fields import Headers
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response, Stream
from pytest_netmocks.usercode import in_a_thread

DRIPS = 10 << 20
"""Bytes that `/drip` gives at most."""

PIECE = 10 * 1024
"""Bytes of a piece of a stream unless the client says otherwise."""

TICK = 0.001
"""Seconds between two pieces at least: what is due in between goes out together."""

LINES = 100
"""Lines that `/stream` gives at most."""

LINKS = 200
"""Links of a page at most."""


def _streamed(stream: Stream, *, status: int = 200, content_type: str = BYTES, headers: Fields = ()) -> Response:
    return Response(
        status,
        stream=stream,
        content_type=content_type,
        headers=list(headers),
        reason=PHRASES.get(status, "UNKNOWN"),
    )


def _random(request: HttpRequest) -> bytes:
    """Bytes by chance; a `seed` gives those that the original gives for it."""
    size = min(place(request, "n"), LARGEST)
    arguments = Arguments(request)
    if arguments.text("seed") is None:
        return chance(request).randbytes(size)
    draw = random.Random(arguments.whole("seed", 0)).getrandbits  # noqa: S311  # no secrets
    data = bytearray()
    while len(data) < size:
        byte = draw(9)  # what randint(0, 255) draws until it fits, in a third of the time
        if byte < 256:
            data.append(byte)
    return bytes(data)


async def some_bytes(request: HttpRequest) -> Response:
    """Random bytes, as a whole."""
    return answer(200, await in_a_thread(_random, request), content_type=BYTES)


async def stream_bytes(request: HttpRequest) -> Response:
    """Random bytes in chunks of `chunk_size`."""
    data = await in_a_thread(_random, request)
    size = max(1, Arguments(request).whole("chunk_size", PIECE))
    return _streamed([data[at : at + size] for at in range(0, len(data), size)])


async def part(request: HttpRequest) -> Response:
    """The alphabet over and over, n bytes of it, of which a Range takes a part; over `duration` seconds in all."""
    size = place(request, "n")
    tag = ("ETag", f'"range{size}"')
    if not 0 < size <= LARGEST:
        told = b"number of bytes must be in the range (0, %d]" % LARGEST
        return answer(404, told, content_type=TEXT, headers=[tag, ("Accept-Ranges", "bytes")])
    arguments = Arguments(request)
    piece = max(1, arguments.whole("chunk_size", PIECE))
    duration = arguments.seconds("duration", 0.0)
    data = (b"abcdefghijklmnopqrstuvwxyz" * (size // 26 + 1))[:size]
    asked = stretch(request, Headers([tag]), size)
    if not duration or (asked is not None and asked[0] >= asked[1]):
        response = answer(200, data, content_type=BYTES, headers=[tag])
        response.ranges = True
        return response
    start, end = asked or (0, size)
    fields = [tag, ("Accept-Ranges", "bytes"), ("Content-Length", str(end - start))]
    if asked is not None:
        fields.append(("Content-Range", f"bytes {start}-{end - 1}/{size}"))
    drops = _paced(data[start:end], duration * (end - start) / size, piece)
    return _streamed(drops, status=200 if asked is None else 206, headers=fields)


async def delay(request: HttpRequest) -> Response:
    """An answer that comes so many seconds later."""
    await clock.sleep(seconds("delay", request.path_params["seconds"]))
    return await in_a_thread(describing(*DELAY), request)


async def drip(request: HttpRequest) -> Response:
    """So many bytes over a duration, after a delay."""
    arguments = Arguments(request)
    duration = arguments.seconds("duration", 2.0)
    size = min(arguments.whole("numbytes", 10), DRIPS)
    status = possible(arguments.whole("code", 200))
    wait = arguments.seconds("delay", 0.0)
    if size <= 0:
        return text_answer(400, "number of bytes must be positive")
    await clock.sleep(wait)
    return _streamed(_paced(b"*" * size, duration), status=status, headers=[("Content-Length", str(size))])


async def _paced(data: bytes, duration: float, piece: int = 1) -> AsyncIterator[bytes]:
    """The data over so many seconds, a piece at a time, the first at once; of tiny ones several together."""
    pieces = max(1, math.ceil(len(data) / piece))
    drops = max(1, min(pieces, math.ceil(duration / TICK)), math.ceil(len(data) / LARGE))
    begin = clock.now()
    for number in range(drops):
        due = begin + duration * number / drops - clock.now()
        if due > 0:
            await clock.sleep(due)
        yield data[len(data) * number // drops : len(data) * (number + 1) // drops]


async def stream(request: HttpRequest) -> Response:
    """So many lines of JSON."""
    told = await in_a_thread(describe, request, "url", "args", "headers", "origin")
    count = min(place(request, "n"), LINES)

    async def lines() -> AsyncIterator[str]:
        for number in range(count):
            yield json.dumps(told | {"id": number}) + "\n"

    return _streamed(lines, content_type=JSON)


async def decode_base64(request: HttpRequest) -> Response:
    """What the path says in base64url (RFC 4648, section 5)."""
    try:
        text = base64.urlsafe_b64decode(request.path_params["value"].encode()).decode()
    except ValueError:
        text = "Incorrect Base64 data try: SFRUUEJJTiBpcyBhd2Vzb21l"
    return answer(200, text.encode())


async def links(request: HttpRequest) -> Response:
    """The first of n pages that link to each other."""
    return redirect(f"/links/{place(request, 'n')}/0")


async def link_page(request: HttpRequest) -> Response:
    """One of n pages that link to each other."""
    count, here = min(max(1, place(request, "n")), LINKS), place(request, "offset")
    items = [f"{n}" if n == here else f"<a href='/links/{count}/{n}'>{n}</a>" for n in range(count)]
    text = "<html><head><title>Links</title></head><body>" + "".join(f"{item} " for item in items)
    return answer(200, f"{text}</body></html>".encode())
