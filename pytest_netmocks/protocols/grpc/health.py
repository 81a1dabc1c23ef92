"""`Health`: what services say of themselves by the health protocol (health.md of gRPC), and who hears of changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from pytest_netmocks import check
from pytest_netmocks.protocols.grpc import wire
from pytest_netmocks.protocols.grpc.methods import Method
from pytest_netmocks.protocols.grpc.status import CallError

SERVICE = "grpc.health.v1.Health"

STATES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
"""`HealthCheckResponse.ServingStatus`, at its numbers."""

_SETTABLE = STATES[:3]


class Health(dict[str, str]):
    """The states of services by their names, `""` for the server as a whole: `"SERVING"`, `"NOT_SERVING"`, `"UNKNOWN"`.

    Services that have servicers and are not here are as the server is. Setting one tells who watches it. Raises
    `TypeError` or `ValueError` for what is no state.
    """

    def __init__(self, run_in_loop: Callable[..., Any], services: Callable[[], Iterable[str]]) -> None:
        super().__init__({"": "SERVING"})
        self._run_in_loop = run_in_loop
        self._services = services
        self._changed: set[asyncio.Event] = set()

    def __setitem__(self, service: str, state: str) -> None:
        check.instance("service", service, str, "the name of a service")
        check.one_of("state", state, _SETTABLE)
        super().__setitem__(service, state)
        self._tell()

    def __delitem__(self, service: str) -> None:
        super().__delitem__(service)
        self._tell()

    def begin_again(self, states: Mapping[str, str]) -> None:
        """Be as at first."""
        self.clear()
        self.update(states)
        self._tell()

    def _tell(self) -> None:
        if self._changed:
            self._run_in_loop(self._wake)

    def _wake(self) -> None:
        for event in self._changed:
            event.set()

    def _state(self, service: str) -> str | None:
        if service in self:
            return self[service]
        return self.get("", "UNKNOWN") if service in self._services() else None

    # The methods of its service; requests and answers are one field each

    @property
    def methods(self) -> dict[str, Method]:
        """The methods by their paths."""
        return {
            f"/{SERVICE}/Check": Method(f"/{SERVICE}/Check", False, False, serve=self._check, is_coroutine=True),
            f"/{SERVICE}/Watch": Method(f"/{SERVICE}/Watch", False, True, serve=self._watch),
        }

    async def _check(self, request: bytes, context: Any) -> bytes:
        state = self._state(_service_in(request))
        if state is None:
            raise CallError("NOT_FOUND", f"unknown service {_service_in(request)!r}")
        return _said(state)

    async def _watch(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        service = _service_in(request)
        changed, said = asyncio.Event(), ""
        self._changed.add(changed)
        try:
            while True:
                changed.clear()
                state = self._state(service) or STATES[3]
                if state != said:
                    said = state
                    yield _said(state)
                await changed.wait()
        finally:
            self._changed.discard(changed)


def _service_in(request: bytes) -> str:
    try:
        named = [value for number, value in wire.fields(request) if number == 1 and isinstance(value, bytes)]
        return named[-1].decode() if named else ""
    except ValueError as error:
        raise CallError("INTERNAL", f"the request is none: {error}") from None


def _said(state: str) -> bytes:
    return wire.field(1, STATES.index(state))
