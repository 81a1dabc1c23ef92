"""The engine: pure machines that say what becomes of bytes and when. No sockets, no clock, no asyncio."""
