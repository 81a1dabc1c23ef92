"""The date follows the virtual clock wherever time-machine is installed, and stays real where it cannot."""

from __future__ import annotations

import datetime
import subprocess
import sys
import time

import freezegun
import pytest
import time_machine

import pytest_netmocks
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.virtual import calendar

DAY = 24 * 3600.0


def dates() -> list[float]:
    return [
        datetime.datetime.now(datetime.UTC).timestamp(),
        datetime.datetime.now().astimezone().timestamp(),
        time.mktime(time.localtime()),
        time.time(),
        time.time_ns() / 1e9,
    ]


def test_every_date_goes_forward_by_what_is_slept_and_back_at_the_end() -> None:
    real = dates()
    with pytest_netmocks.virtual_time():
        before = dates()
        assert all(0 <= date - was < 60 for date, was in zip(before[:2], real[:2], strict=True))
        time.sleep(DAY)
        assert all(DAY - 1 <= date - was < DAY + 60 for date, was in zip(dates(), before, strict=True))
    assert all(-1 <= date - was < DAY / 2 for date, was in zip(dates(), real, strict=True))


def test_a_journey_of_the_tests_own_is_what_the_test_sees() -> None:
    with pytest_netmocks.virtual_time(), time_machine.travel(0.0):
        assert all(-1 <= date < 60 for date in dates())


def test_certificates_have_the_real_date_however_far_the_clock_has_jumped(netmocks: pytest_netmocks.Netmocks) -> None:
    import requests

    with pytest_netmocks.virtual_time():
        time.sleep(3650 * DAY)
        server: HttpServer = netmocks.https(certificate=netmocks.https().ca.issue("localhost", "127.0.0.1"))
        server.when("/").reply(text="ok")
        assert requests.get(server.url, verify=server.ca.cert_file, timeout=60).text == "ok"


def test_where_freezegun_has_the_date_it_keeps_it() -> None:
    with freezegun.freeze_time("2001-01-01"), pytest_netmocks.virtual_time():
        assert datetime.datetime.now().year == 2001


def test_without_time_machine_only_the_time_module_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendar, "_time_machine", lambda: None)
    with pytest_netmocks.virtual_time():
        before = dates()
        time.sleep(DAY)
        gone = [date - was for date, was in zip(dates(), before, strict=True)]
    assert all(-1 <= seconds < 60 for seconds in gone[:3])
    assert all(DAY <= seconds < DAY + 60 for seconds in gone[3:])


def test_the_clock_that_only_goes_forward_is_asked_past_who_writes_into_its_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As time-machine before 3 does; any other function of the module's own will do.
    monkeypatch.setattr(time, "monotonic", time.thread_time)
    monkeypatch.setattr(time, "monotonic_ns", time.thread_time_ns)
    with pytest_netmocks.virtual_time():
        real = time.clock_gettime(time.CLOCK_MONOTONIC)
        time.sleep(DAY)
        assert DAY <= time.monotonic() - real < DAY + 60
        assert DAY <= time.monotonic_ns() / 1e9 - real < DAY + 60


STRETCHES = """
import gc, sys, time, pytest_netmocks
assert "time_machine" not in sys.modules
for _ in range(50):
    with pytest_netmocks.virtual_time():
        time.sleep(3)
        gc.collect()
"""


@pytest.mark.parametrize(
    "replaced", ["pass", "import time; time.time = lambda: 1.0", "import time; time.gmtime = None"]
)
def test_time_machine_finds_the_functions_of_c_or_is_left_alone(replaced: str) -> None:
    # It writes into what stands in the module when it is first loaded, which has to be in a process of its own here.
    subprocess.run([sys.executable, "-c", replaced + STRETCHES], check=True, timeout=120)
