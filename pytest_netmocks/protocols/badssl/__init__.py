"""HTTPS as badssl.com has it."""
