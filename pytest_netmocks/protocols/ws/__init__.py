"""WebSocket (RFC 6455, RFC 7692) on the link, by the sans-I/O protocol of the websockets library."""
