"""`python -m pytest_netmocks`: the command line."""

from __future__ import annotations

import sys

from pytest_netmocks.cli import main

if __name__ == "__main__":
    sys.exit(main())
