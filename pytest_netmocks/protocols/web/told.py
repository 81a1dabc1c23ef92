"""A request and its answer as JSON can have them."""

from __future__ import annotations

from typing import Any

from pytest_netmocks.records.plain import TOLD, plain_data


def as_dict(request: Any) -> dict[str, Any]:
    """Head and body of both, the body as it was on the wire without the transfer coding."""
    answer = request.response
    return {
        "request": {
            "method": request.method,
            "target": request.target,
            "version": request.http_version,
            "headers": _fields(request.headers.pairs),
            "body": plain_data(request.body[:TOLD], len(request.body)),
            "complete": request.complete,
            "broken_off": request.broken_off,
        },
        "response": answer
        and {
            "status": answer.status,
            "headers": _fields(answer.headers.pairs),
            "body": plain_data(answer.body[:TOLD], len(answer.body)),
        },
        "unanswered": request.unanswered,
        "rule": request.answered_by or None,
    }


def _fields(pairs: Any) -> list[list[str]]:
    return [[name, value] for name, value in pairs]
