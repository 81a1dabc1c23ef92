"""Groups for Diffie-Hellman, good and bad: parameters as PKCS #3 has them, in base64."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        # A safe prime of 1024 bits, which `openssl dhparam` found.
        "dh1024": (
            "MIGHAoGBAK0k25Mw94bJNolMlb25/l7D6Y5qw8SxpO37gAaRVxzTm8hgvuSvxXaufIFA1xgBGyemG4uiXtdCQhmZo0/H56PyDN56"
            "GePj99TV+u71lfhCCbSP7EynXKBC+Qys3qqfuiekWjaBHU4ZFByI7n+TnbjUDhSoyNVYpBaou+0BF7EHAgEC"
        ),
        # Group 14 of RFC 3526.
        "dh2048": (
            "MIIBCAKCAQEA///////////JD9qiIWjCNMTGYouA3BzRKQJOCIpnzHQCC76mOxObIlFKCHmONATd75UZs806QxswKwpt8l8UN0/h"
            "NW1tUcJF5IW1dmJefsb0TELppjftawv/XLb0Brft7jhr+1qJn6WunyQRfEsf5kkoZlHs5Fs9wgB8uKFjvwWY2kg2HFXTmmkWP6j9"
            "JM9fg2VdI9yjrZYcYvNWIIVSu57VKQdwlpZtZww1Tkq8mATxdGwIyhghfDKQXkYuNs474553LBgOhgObJ4Oi7Aeij7XFXfBvTFLJ"
            "3ivL9pVYFxg5lUl86pVq5RXSJhiY+gUQFXKOWoqsqmj//////////wIBAg=="
        ),
        # No prime: the product of two odd numbers of 512 bits.
        "dh-composite": (
            "MIGHAoGBAMUMLbY6OlIx9SKEELVh6g/gFma6n3WKmx0ONf+a4f3dHxUV/ju5F3QV56SIVQh4gt+Jw5tRSxOT5Axh7B3bNLSd2pW9"
            "ThTuloClOTzu4GTat33sXap+nqH7U2nzj5+fh2JgX+02irqDC/GZZE26cX30qjRVTzDpuK2H5uQNsAnxAgEC"
        ),
        # RFC 5114, section 2.1: 1024 bits, and a generator of a subgroup of 160.
        "dh-small-subgroup": (
            "MIIBCAKBgQCxC4+WoIDgHd6S3l6uXVTsUsmfvPsGo8aaap3KUtI7YWBz4oZ1oj0YmDjvHi7mUsAT7LSuqQYRIySXXDzUm4O/rMvd"
            "fZDEvXCYSI6cIZpzck7/1vrlZEc4+qMaT/VbzMChUa9fDci0vUW/N982XBpl5oz9p21NpwjfH7K8LkpDcQKBgQCk0cvVw/00Emdl"
            "pELvuZkF+BBN0lisUH/WQGz/FCZtMSZv6h5cQVZLd35pD1UE8hMWAhe0sBuIal6RVH+eJ0n01/vX07mpLuGQnQ0iY/gKdqaiTAh6"
            "CR9THb8KAWm2oorWYqTRjnOvoy13nVkY0IvIhY9Nzvl8KiSFXm7rIrOy5Q=="
        ),
    }
)


def pem(name: str) -> bytes:
    """The group's parameters as a file has them."""
    text = GROUPS[name]
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN DH PARAMETERS-----", *lines, "-----END DH PARAMETERS-----", ""]).encode()
