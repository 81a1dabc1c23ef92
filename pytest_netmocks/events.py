"""Events: what `server.subscribe(...)` hands out, one typed value for everything that happens.

from pytest_netmocks.events import Delivered, Sent
"""

from __future__ import annotations

from pytest_netmocks.records.events import Arrived as Arrived
from pytest_netmocks.records.events import Closed as Closed
from pytest_netmocks.records.events import Delivered as Delivered
from pytest_netmocks.records.events import Ended as Ended
from pytest_netmocks.records.events import Exchange as Exchange
from pytest_netmocks.records.events import Failed as Failed
from pytest_netmocks.records.events import Handshake as Handshake
from pytest_netmocks.records.events import Held as Held
from pytest_netmocks.records.events import InForce as InForce
from pytest_netmocks.records.events import Lifted as Lifted
from pytest_netmocks.records.events import Lost as Lost
from pytest_netmocks.records.events import Note as Note
from pytest_netmocks.records.events import Opened as Opened
from pytest_netmocks.records.events import Received as Received
from pytest_netmocks.records.events import Sent as Sent
from pytest_netmocks.records.events import Struck as Struck
from pytest_netmocks.records.events import Swallowed as Swallowed
from pytest_netmocks.records.events import Unmatched as Unmatched
