"""The endpoints of httpbin that make bytes, or take their time."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import random
from collections.abc import AsyncIterator

from pytest_netmocks import clock
from pytest_netmocks.servers.http.httpbin.answers import (
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
    seconds,
    status_of,
    text_answer,
)
from pytest_netmocks.servers.http.httpbin.echo import DELAY, describe, describing
from pytest_netmocks.servers.http.httpbin.redirects import redirect
from pytest_netmocks.servers.http.messages import HttpRequest
from pytest_netmocks.servers.http.response import Response, Stream

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
    return answer(200, _random(request), content_type=BYTES)


async def stream_bytes(request: HttpRequest) -> Response:
    """Random bytes in chunks of `chunk_size`."""
    data = _random(request)
    size = max(1, Arguments(request).whole("chunk_size", PIECE))
    return _streamed([data[at : at + size] for at in range(0, len(data), size)])


async def stretch(request: HttpRequest) -> Response:
    """The alphabet over and over, n bytes of it, of which a Range takes a part; within `duration` seconds."""
    size = place(request, "n")
    tag = ("ETag", f'"range{size}"')
    if not 0 < size <= LARGEST:
        told = b"number of bytes must be in the range (0, %d]" % LARGEST
        return answer(404, told, content_type=TEXT, headers=[tag, ("Accept-Ranges", "bytes")])
    arguments = Arguments(request)
    arguments.whole("chunk_size", PIECE)
    pause = arguments.seconds("duration", 0.0)
    if pause:
        await clock.sleep(pause)
    data = bytes(97 + number % 26 for number in range(size))
    response = answer(200, data, content_type=BYTES, headers=[tag])
    response.ranges = True
    return response


async def delay(request: HttpRequest) -> Response:
    """An answer that comes so many seconds later."""
    await clock.sleep(seconds("delay", request.path_params["seconds"]))
    return await describing(*DELAY)(request)


async def drip(request: HttpRequest) -> Response:
    """So many bytes over a duration, after a delay."""
    arguments = Arguments(request)
    duration = arguments.seconds("duration", 2.0)
    size = min(arguments.whole("numbytes", 10), DRIPS)
    status = status_of(arguments.text("code") or "200")
    wait = arguments.seconds("delay", 0.0)
    if size <= 0:
        return text_answer(400, "number of bytes must be positive")
    await clock.sleep(wait)
    return _streamed(_drops(size, duration), status=status, headers=[("Content-Length", str(size))])


async def _drops(size: int, duration: float) -> AsyncIterator[bytes]:
    drops = max(1, min(size, math.ceil(duration / TICK)), math.ceil(size / 65536))
    begin = asyncio.get_running_loop().time()
    for number in range(drops):
        due = begin + duration * number / drops - asyncio.get_running_loop().time()
        if due > 0:
            await clock.sleep(due)
        yield b"*" * (size * (number + 1) // drops - size * number // drops)


async def stream(request: HttpRequest) -> Response:
    """So many lines of JSON."""
    told = describe(request, "url", "args", "headers", "origin")
    count = min(place(request, "n"), LINES)
    return _streamed([json.dumps(told | {"id": number}) + "\n" for number in range(count)], content_type=JSON)


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
