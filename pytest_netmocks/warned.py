"""`NetmocksWarning`: the category of everything that is warned of."""

from __future__ import annotations


class NetmocksWarning(UserWarning):
    """What pytest-netmocks warns of: a fault that never struck, a rule that never answered, what no rule matched."""


NetmocksWarning.__module__ = "pytest_netmocks"  # where filters of warnings find it
