"""Faults as values: what can go wrong on a network, one class each.

    from pytest_netmocks.faults import Latency, Reset

`registry` has them by name; a project that writes a fault of its own adds it there, so that the JSON and text forms
know it too.
"""

from __future__ import annotations

from pytest_netmocks.faults.forms import from_json as from_json
from pytest_netmocks.faults.forms import parse as parse
from pytest_netmocks.faults.forms import to_json as to_json
from pytest_netmocks.faults.profiles import Profile as Profile
from pytest_netmocks.faults.profiles import profiles as profiles
from pytest_netmocks.faults.table import *  # noqa: F403  # the table is the list of names
from pytest_netmocks.faults.table import registry as registry
