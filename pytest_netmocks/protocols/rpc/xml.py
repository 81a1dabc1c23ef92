"""`XmlRpc`: XML-RPC (xmlrpc.com/spec.md) on the standard library's reader and writer."""

from __future__ import annotations

import inspect
import xmlrpc.client
from typing import Any
from xml.parsers import expat

from pytest_netmocks.protocols.rpc.endpoint import RpcCall, RpcEndpoint
from pytest_netmocks.protocols.rpc.methods import Function, Methods, call, misfit
from pytest_netmocks.protocols.web.requests import HttpRequest

DEPTH = 200
"""Elements that may stand in one another."""

CALLS = 1000
"""Calls that one system.multicall may have."""

NOT_WELL_FORMED, INVALID, NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
"""Codes of faults (Specification for Fault Code Interoperability, version 20010516)."""

RAISED = 1
"""The code of a fault that is a function's exception, as the standard library's server has it."""


class XmlRpc(RpcEndpoint):
    """What `xmlrpc` of an HTTP server gives.

    `system.listMethods`, `system.methodSignature`, `system.methodHelp` and `system.multicall` are there too.
    """

    content_type = "text/xml"

    def __init__(self, methods: Methods, at: str, *, use_builtin_types: bool) -> None:
        super().__init__(methods, at)
        self._builtin = use_builtin_types
        self._system: dict[str, Function] = {
            "system.listMethods": self._list,
            "system.methodSignature": self._signature,
            "system.methodHelp": self._help,
        }

    def read(self, body: bytes) -> tuple[str, tuple[Any, ...]] | xmlrpc.client.Fault:
        try:
            _look_over(body)
            params, method = xmlrpc.client.loads(body, use_builtin_types=self._builtin)
        except Exception as error:  # noqa: BLE001  # the reader has a way of its own for each kind of nonsense
            return xmlrpc.client.Fault(NOT_WELL_FORMED, f"the request is no XML-RPC: {error}")
        if method is None:
            return xmlrpc.client.Fault(INVALID, "the request is no methodCall")
        return method, params

    async def answer(self, request: HttpRequest, asked: tuple[str, tuple[Any, ...]] | xmlrpc.client.Fault) -> bytes:
        if isinstance(asked, xmlrpc.client.Fault):
            return _written(asked)
        method, params = asked
        if method == "system.multicall":
            return _written(await self._multicall(request, params))
        made = await self._call(request, method, params)
        return _written(made.error if isinstance(made.error, xmlrpc.client.Fault) else (made.result,))

    async def _call(self, request: HttpRequest, method: str, params: tuple[Any, ...]) -> RpcCall:
        made = RpcCall(request, method, params)
        self.calls.append(made)
        function = self.find(method) or self._system.get(method)
        if function is None:
            made.error = xmlrpc.client.Fault(NOT_FOUND, f"there is no method {method!r}; there are {self._list()}")
        elif (why := misfit(function, params, {})) is not None:
            made.error = xmlrpc.client.Fault(INVALID_PARAMS, f"{method}: {why}")
        else:
            try:
                made.result = await call(function, params, {})
                _look_over(_written((made.result,)))
            except xmlrpc.client.Fault as fault:
                made.error = fault
            except Exception as error:  # noqa: BLE001  # it is the answer
                made.error = _raised(error)
        if isinstance(made.error, xmlrpc.client.Fault):
            try:
                _written(made.error)
            except Exception as error:  # noqa: BLE001  # what stands in it cannot be said
                made.error = _raised(error)
        return made

    async def _multicall(self, request: HttpRequest, params: tuple[Any, ...]) -> Any:
        calls = params[0] if len(params) == 1 else None
        if not isinstance(calls, list) or len(calls) > CALLS:
            return xmlrpc.client.Fault(INVALID_PARAMS, f"system.multicall takes one array of at most {CALLS} calls")
        results: list[Any] = []
        for one in calls:
            name, given = (one.get("methodName"), one.get("params", [])) if isinstance(one, dict) else (None, None)
            if not isinstance(name, str) or not isinstance(given, list) or name == "system.multicall":
                fault = xmlrpc.client.Fault(
                    INVALID_PARAMS, "each call has a methodName, which is no multicall, and params"
                )
                results.append(_as_struct(fault))
                continue
            made = await self._call(request, name, tuple(given))
            results.append(_as_struct(made.error) if isinstance(made.error, xmlrpc.client.Fault) else [made.result])
        return (results,)

    def _list(self) -> list[str]:
        return [*self.names(), *self._system, "system.multicall"]

    def _signature(self, name: str) -> str:
        self._known(name)
        return "signatures not supported"

    def _help(self, name: str) -> str:
        function = self._known(name)
        return (inspect.getdoc(function) or "") if function is not None else ""

    def _known(self, name: str) -> Function | None:
        function = self.find(name) or self._system.get(name)
        if function is None and name != "system.multicall":
            raise xmlrpc.client.Fault(NOT_FOUND, f"there is no method {name!r}")
        return function


def _raised(error: Exception) -> xmlrpc.client.Fault:
    return xmlrpc.client.Fault(RAISED, f"{type(error)}:{error}")


def _as_struct(fault: xmlrpc.client.Fault) -> dict[str, Any]:
    fault = _clean(fault)
    return {"faultCode": fault.faultCode, "faultString": fault.faultString}


def _written(answer: tuple[Any, ...] | xmlrpc.client.Fault) -> bytes:
    """The answer as XML. Raises what the writer does for what XML-RPC cannot say."""
    if isinstance(answer, tuple):
        return xmlrpc.client.dumps(answer, methodresponse=True, allow_none=True).encode()
    return xmlrpc.client.dumps(_clean(answer), allow_none=True).encode()


def _clean(fault: xmlrpc.client.Fault) -> xmlrpc.client.Fault:
    """Without characters that XML cannot have (XML 1.0, 2.2), which stood in somebody's text."""
    text = "".join(
        one if one in "\t\n\r" or (one >= " " and one not in "\ufffe\uffff") else "\ufffd"
        for one in str(fault.faultString)
    )
    return xmlrpc.client.Fault(fault.faultCode, text.encode("utf-8", "replace").decode())


def _look_over(body: bytes) -> None:
    """Refuse what XML-RPC has no use for and readers suffer from: declarations of entities, and great depth."""
    depth = 0

    def begin(name: str, attributes: object) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH:
            raise ValueError(f"more than {DEPTH} elements stand in one another")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*what: object) -> None:
        raise ValueError("a document type declaration is not allowed")

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = doctype
    parser.Parse(body, True)
