"""`Offer`: what a client is offered of TLS when it begins, by one of our contexts or by one of a user's own."""

from __future__ import annotations

import ssl
from typing import Protocol

from pytest_netmocks import check
from pytest_netmocks.encryption.session import Original, ServerContext, Session


class Offer(Protocol):
    """Makes the server's side of new connections."""

    @property
    def with_keys(self) -> Offer:
        """The same, for sessions whose keys are told to who hears the wire, as far as it knows them."""

    def session(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> Session:
        """The server's side of a new connection."""


class Foreign:
    """Offers what a context says that a user has made, as it is when a connection begins."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    @property
    def with_keys(self) -> Foreign:
        """The same: the keys of its sessions are nobody else's."""
        return self

    def session(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> Session:
        context = self._context
        usual, context.sslobject_class = context.sslobject_class, Session
        try:
            session = context.wrap_bio(incoming, outgoing, server_side=True)
        finally:
            context.sslobject_class = usual
        assert isinstance(session, Session)
        return session


def offer_of(context: object) -> Offer:
    """What a context offers to clients. Raises `TypeError` for what is none, `ValueError` for one of clients."""
    check.instance("context", context, Original, "server.context, or an ssl.SSLContext of a server")
    assert isinstance(context, Original)
    if context.protocol == ssl.PROTOCOL_TLS_CLIENT:
        raise ValueError(
            f"context must be server.context, or an ssl.SSLContext of a server, not of a client: {context!r}"
        )
    known: Offer | None = context.offer if isinstance(context, ServerContext) else None
    return known or Foreign(context)
