"""`Timed`: scripts that end."""

from __future__ import annotations

from typing import Any

INSTRUCTIONS = 50_000_000
"""Instructions that a script may have; at least a second passes with as many."""


class Timed:
    """A Lua runtime whose scripts end in time: a server that waits for one for ever would be no good to anybody."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._hook = runtime.eval("debug.sethook")
        # A script that catches the error is stopped by the next, which comes with the next instruction.
        self._stop = runtime.eval(
            """(function(hook)
                local function stop()
                    hook(stop, '', 1)
                    error('the script has had its time', 0)
                end
                return stop
            end)(debug.sethook)"""
        )

    def execute(self, script: bytes | str) -> Any:
        """Run a script. Raises what the runtime raises."""
        self._hook(self._stop, b"", INSTRUCTIONS)
        try:
            return self._runtime.execute(script)
        finally:
            self._hook()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)
