"""What all tests share: helpers are in `helpers`, `virtual` and `packets`."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["pytester"]

# Found examples belong into the tests as tests; a run does not depend on luck or on a quiet machine.
settings.register_profile("netmocks", deadline=None, derandomize=True, database=None)
settings.load_profile("netmocks")
