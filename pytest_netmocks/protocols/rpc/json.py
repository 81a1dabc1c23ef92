"""`JsonRpc`: JSON-RPC 2.0 (jsonrpc.org/specification) over HTTP, batches and notifications included."""

from __future__ import annotations

import json
import math
from typing import Any

from pytest_netmocks.protocols.rpc.endpoint import RpcCall, RpcEndpoint
from pytest_netmocks.protocols.rpc.methods import call, misfit
from pytest_netmocks.protocols.web.requests import HttpRequest

CALLS = 1000
"""Calls that one batch may have."""

PARSE, INVALID, NOT_FOUND, INVALID_PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603
"""Codes of errors (section 5.1)."""

RAISED = -32000
"""The code of a function's exception, the first of those that are a server's own."""

Answer = dict[str, Any]


class JsonRpcError(Exception):
    """An error object (section 5.1): a function raises it to be answered with this code, message and data."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(code, message, data)
        self.code = code
        """The error's number."""
        self.message = message
        """The error in words."""
        self.data = data
        """What else the error says, as JSON has it."""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class JsonRpc(RpcEndpoint):
    """What `jsonrpc` of an HTTP server gives."""

    content_type = "application/json"

    def read(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            return JsonRpcError(PARSE, "Parse error", str(error))

    async def answer(self, request: HttpRequest, asked: Any) -> bytes | None:
        if isinstance(asked, JsonRpcError):
            return _written(_failed(None, asked))
        if not isinstance(asked, list):
            answer = await self._one(request, asked)
            return None if answer is None else _written(answer)
        if not 0 < len(asked) <= CALLS:
            why = f"a batch has 1 to {CALLS} calls"
            return _written(_failed(None, JsonRpcError(INVALID, "Invalid Request", why)))
        answers = [answer for one in asked if (answer := await self._one(request, one)) is not None]
        return _written(answers) if answers else None

    async def _one(self, request: HttpRequest, asked: Any) -> Answer | None:
        """The answer to one call, `None` to a notification."""
        fault = _wrong_with(asked)
        if fault is not None:
            number = asked.get("id") if isinstance(asked, dict) else None
            return _failed(number if _is_id(number) else None, JsonRpcError(INVALID, "Invalid Request", fault))
        params = asked.get("params", [])
        args, named = (tuple(params), {}) if isinstance(params, list) else ((), params)
        made = RpcCall(request, asked["method"], args, named)
        self.calls.append(made)
        await self._call(made)
        if "id" not in asked:
            return None
        if isinstance(made.error, JsonRpcError):
            return _failed(asked["id"], made.error)
        return {"jsonrpc": "2.0", "result": made.result, "id": asked["id"]}

    async def _call(self, made: RpcCall) -> None:
        function = self.find(made.method)
        if function is None:
            known = f"there are {self.names()}"
            made.error = JsonRpcError(NOT_FOUND, "Method not found", f"there is no method {made.method!r}; {known}")
            return
        if (why := misfit(function, made.params, made.named)) is not None:
            made.error = JsonRpcError(INVALID_PARAMS, "Invalid params", why)
            return
        try:
            made.result = await call(function, made.params, made.named)
        except JsonRpcError as error:
            made.error = error
        except Exception as error:  # noqa: BLE001  # it is the answer
            made.error = JsonRpcError(RAISED, str(error) or type(error).__name__, {"type": type(error).__name__})
        try:
            _written(_failed(None, made.error) if isinstance(made.error, JsonRpcError) else made.result)
        except (TypeError, ValueError, RecursionError) as error:
            made.result, made.error = None, JsonRpcError(INTERNAL, "Internal error", f"the result is no JSON: {error}")


def _wrong_with(asked: Any) -> str | None:
    """Why it is no request object (section 4), `None` if it is one."""
    if not isinstance(asked, dict):
        return f"a request is an object, not {type(asked).__name__}"
    if asked.get("jsonrpc") != "2.0":
        return 'jsonrpc must be "2.0"'
    if not isinstance(asked.get("method"), str):
        return "method must be text"
    if not isinstance(asked.get("params", []), (list, dict)):
        return "params must be an array or an object"
    if not _is_id(asked.get("id")):
        return "id must be text, a number or null"
    return None


def _is_id(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)  # what is read as NaN or Infinity is none of JSON's
    return value is None or (isinstance(value, (str, int)) and not isinstance(value, bool))


def _failed(number: Any, error: JsonRpcError) -> Answer:
    told = {"code": error.code, "message": error.message}
    if error.data is not None:
        told["data"] = error.data
    return {"jsonrpc": "2.0", "error": told, "id": number}


def _written(answer: Any) -> bytes:
    return json.dumps(answer, allow_nan=False, separators=(",", ":")).encode()
