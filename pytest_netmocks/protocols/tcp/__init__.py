"""Bytes over TCP and over TLS."""
