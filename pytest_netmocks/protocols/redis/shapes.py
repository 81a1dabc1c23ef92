"""What the answers of some commands are like, and who may say some."""

from __future__ import annotations

NULL_ARRAYS = frozenset(b"BLPOP BRPOP BLMPOP BZPOPMIN BZPOPMAX BZMPOP EXEC XREAD XREADGROUP LMPOP ZMPOP GEOPOS".split())
"""Commands whose nothing is an array's in RESP2."""

SETS = frozenset(b"SMEMBERS SINTER SUNION SDIFF".split())
"""Commands whose array is a set in RESP3, as that of SPOP with a count."""

STRANGERS_MAY = frozenset(["auth", "hello", "quit", "reset"])
"""What a client may say that has to log in."""
