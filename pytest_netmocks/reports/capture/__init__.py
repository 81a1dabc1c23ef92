"""Captures: packets and the blocks of a pcapng file, made of what happened and read back."""
