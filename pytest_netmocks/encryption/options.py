"""`TlsOptions`: what a server can be told of TLS. Servers without TLS know this much of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from pytest_netmocks.encryption.certificate import Certificate


class TlsOptions(TypedDict, total=False):
    """The keyword arguments by which a server is told what to offer of TLS."""

    certificate: Certificate | Sequence[Certificate] | None
    client_cert: Literal["required", "optional"] | None
    min_version: str | None
    max_version: str | None
    alpn: Sequence[str]
    ciphers: str | None
    tickets: bool
    key_log: str | os.PathLike[str] | None
    dh_params: str | os.PathLike[str] | None
