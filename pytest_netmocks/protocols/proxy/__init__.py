"""Proxies in front of anything."""
