"""pytest-netmocks: real servers to talk to and a real network to suffer, in pytest and outside of it.

    import pytest_netmocks
    from pytest_netmocks.faults import Latency

    with pytest_netmocks.tcp() as server:
        server.inject(Latency(0.2))

Each kind of server is here by its name, as it is on the `netmocks` fixture; it is imported when it is asked for.
"""

from __future__ import annotations

import sys as _sys  # a protocol of that name may be another package's
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers; at run time `__getattr__` and the table have them
    from pytest_netmocks import strategies as strategies
    from pytest_netmocks.encryption.authority import Authority as Authority
    from pytest_netmocks.encryption.certificate import Certificate as Certificate
    from pytest_netmocks.injections.injection import Injection as Injection
    from pytest_netmocks.matchers import ANY_PATH as ANY_PATH
    from pytest_netmocks.matchers import AnyOf as AnyOf
    from pytest_netmocks.matchers import Not as Not
    from pytest_netmocks.matchers import Partial as Partial
    from pytest_netmocks.plugin.factory import Netmocks as Netmocks
    from pytest_netmocks.plugin.wider import server_fixture as server_fixture
    from pytest_netmocks.protocols.table import *  # noqa: F403  # what comes with the protocols stands there alone
    from pytest_netmocks.records.connection import Connection as Connection
    from pytest_netmocks.servers.datagram_front import Datagram as Datagram
    from pytest_netmocks.sweeps.place import Place as Place
    from pytest_netmocks.sweeps.run import async_sweep as async_sweep
    from pytest_netmocks.sweeps.run import place as place
    from pytest_netmocks.sweeps.run import sweep as sweep
    from pytest_netmocks.virtual.clock import VirtualClock as VirtualClock
    from pytest_netmocks.virtual.forever import WaitsForever as WaitsForever
    from pytest_netmocks.virtual.span import virtual_time as virtual_time
    from pytest_netmocks.warned import NetmocksWarning as NetmocksWarning

__version__ = "1.0.0rc1"

if "_pytest.assertion.rewrite" in _sys.modules:
    import pytest_netmocks.modules as _modules  # the other form would ask for a server of that name

    _modules.stand_before_pytest()

_no_modules: set[str] = set()
"""Names that were asked for and are no modules of this package."""


if not TYPE_CHECKING:  # a name that is not here is to be an error in an editor

    def __getattr__(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name == "strategies":
            import importlib  # nothing is loaded with the package itself

            return importlib.import_module(f"{__name__}.{name}")
        if name not in _no_modules:  # to look takes as long as a server does
            import importlib.util

            if importlib.util.find_spec(f"{__name__}.{name}") is not None:
                # `from pytest_netmocks import faults` asks here first, and imports the module then.
                raise AttributeError(f"module {__name__!r} has not loaded {name!r} yet")
            _no_modules.add(name)
        from pytest_netmocks.elsewhere import ELSEWHERE

        if name in ELSEWHERE:
            import importlib

            return getattr(importlib.import_module(f"{__name__}.{ELSEWHERE[name]}"), name)
        import pytest_netmocks.protocols.known as known  # noqa: PLR0402  # the other form asks in Python

        try:
            found = known.named(name)
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
        if name in known.NAMES or name in known.TABLE:  # another package's may be gone when it is asked for again
            globals()[name] = found
        return found


def __dir__() -> list[str]:
    from pytest_netmocks.elsewhere import ELSEWHERE
    from pytest_netmocks.protocols import known

    return sorted({*globals(), *ELSEWHERE, *known.names(), *known.NAMES})
