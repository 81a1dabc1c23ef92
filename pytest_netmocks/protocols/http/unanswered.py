"""Requests that no rule answers: refused, broken off, or passed over since the connection ends before their turn."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque

from pytest_netmocks.protocols.http import broken
from pytest_netmocks.protocols.http.receiving import Receiver
from pytest_netmocks.protocols.web.heads import Refused
from pytest_netmocks.protocols.web.incoming import Incoming
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import REASONS, Response


class Unanswered(Receiver):
    """The part of a connection that says no."""

    _waiting: deque[tuple[HttpRequest, bool]]
    _early: HttpRequest | None
    _incoming: Incoming | None
    _refused: HttpRequest | None

    @abstractmethod
    def _tell(self) -> None:
        """Tell those who wait for the client that it has gone."""

    @abstractmethod
    def _put_on_record(self, request: HttpRequest) -> None:
        """Put a request on record that comes to no rule; rules know it by its head."""

    @abstractmethod
    def _answer_without_rules(self, request: HttpRequest, answer: Response) -> None:
        """Send this answer."""

    @abstractmethod
    def _close(self) -> None:
        """End the connection."""

    def _pass_over(self, why: str) -> None:
        """Put those on record whose turn will never come (RFC 9112, section 9.6)."""
        while self._waiting:
            request, _ = self._waiting.popleft()
            request.unanswered = why
            self._put_on_record(request)

    def _break_off(self, error: Exception | None = None) -> None:
        """Nothing more will come: what there is of a request goes on record."""
        request = self._taken_off() if self._refusal is None else None
        if request is None:
            return
        request.broken_off = broken.reason(self.connection, error)
        self.journal.note(self.connection.id, f"{request.broken_off}, in the middle of {request.summary}")
        if request is not self._early:
            self._put_on_record(request)

    def _refuse(self, refusal: Refused) -> None:
        self._refusal = refusal
        self._refused = request = self._taken_off()
        if request is not None:
            request.broken_off = f"{refusal.status} {REASONS[refusal.status]}: {refusal}"
            if request is self._early and self._incoming is not None:
                self._tell()
                self._say_no(refusal)  # who answers it waits for the rest

    def _say_no(self, refusal: Refused) -> None:
        request = self._refused
        self.journal.note(self.connection.id, f"{refusal.status} {REASONS[refusal.status]}: {refusal}")
        if request is None:
            request = broken.nobody(self.connection, self.journal.now())
        elif request.response is not None:
            self._close()  # in the middle of another answer, or after it
            return
        elif request is not self._early:
            self._put_on_record(request)
        self._answer_without_rules(request, Response(refusal.status, text=f"{refusal}\n"))
        self._close()
