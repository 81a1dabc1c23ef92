"""Syslog: messages by datagram, by TCP and over TLS."""
