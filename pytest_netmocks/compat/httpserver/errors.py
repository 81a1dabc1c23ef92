"""The errors of pytest-httpserver's words, by its names."""

from __future__ import annotations


class Error(Exception):
    """Base of these errors."""


class NoHandlerError(Error):
    """A request came for which something was expected and no answer was said."""


class HTTPServerError(Error):
    """The server is asked for what it cannot do now."""


class NoMethodFoundForMatchingHeaderValueError(Error):
    """A `HeaderValueMatcher` has no function for a field."""
