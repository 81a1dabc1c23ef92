"""What virtual time puts in the place of what: a file for each kind, and one table.

Each kind has `patches()`: (object, attribute, what is put there). A public name of a module is replaced in every
module that has imported it (`from time import sleep`), too. All of them ask `clock.here()` first: threads that are left
out, and whoever kept one after the end, get the real thing.
"""

from __future__ import annotations
