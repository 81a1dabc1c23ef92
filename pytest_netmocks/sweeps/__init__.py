"""Sweeps: a conversation is run once as it is, then once for each place where it can break, with a fault there."""
