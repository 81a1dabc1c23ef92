"""What virtual time puts in the place of what: a file for each kind, and one table.

Each kind has `patches()`: (object, attribute, what is put there). What people import by name (`from time import sleep`)
is in `names()` too: (what is meant, what is put in its stead in every module). All of them ask `clock.here()` first:
threads that are left out, and whoever kept one after the end, get the real thing.
"""

from __future__ import annotations
