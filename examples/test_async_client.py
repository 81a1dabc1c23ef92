"""The same under pytest-asyncio: an asyncio client with a timeout and retries."""

from __future__ import annotations

import asyncio

import pytest

from pytest_netmocks import TcpServer
from pytest_netmocks.faults import Blackhole, Close, Reset

pytestmark = pytest.mark.asyncio


async def ask(address: tuple[str, int], question: bytes, timeout: float = 1.0) -> bytes:
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(question + b"\n")
            return (await reader.readuntil(b"\n"))[:-1]
        finally:
            writer.close()


async def ask_again(address: tuple[str, int], question: bytes, attempts: int = 8) -> bytes:
    for attempt in range(attempts):
        try:
            return await ask(address, question)
        except (OSError, asyncio.IncompleteReadError):
            if attempt == attempts - 1:
                raise
    raise AssertionError("unreachable")


async def test_an_answer_cut_short_is_asked_for_again(tcp_server: TcpServer) -> None:
    tcp_server.script([Close(after_bytes=3)], [Reset(after_bytes=1)], [Blackhole()])
    assert await ask_again(tcp_server.address, b"hello") == b"hello"
    await tcp_server.async_wait_for(lambda server: len(server.connections) >= 4)


async def test_silence_meets_the_timeout(tcp_server: TcpServer) -> None:
    tcp_server.inject(Blackhole())
    with pytest.raises(TimeoutError):
        await ask(tcp_server.address, b"hello", timeout=0.2)


async def test_a_server_with_a_handler_of_its_own(tcp_server: TcpServer) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())

    tcp_server.handle(shout)
    assert await ask_again(tcp_server.address, b"hello") == b"HELLO"
