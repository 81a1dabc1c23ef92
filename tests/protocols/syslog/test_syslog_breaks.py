"""Logging over the network at every place where it can break, and in virtual time."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import socket
import time

import pytest

import pytest_netmocks
from pytest_netmocks import SyslogServer
from pytest_netmocks.faults import Close, Loss, Reset
from pytest_netmocks.virtual.clock import VirtualClock


class Persistent:
    """Logs over TCP, connects again where it was cut off, and leaves when the collector has finished."""

    def __init__(self, server: SyslogServer) -> None:
        self._address = server.address

    def send(self, *texts: str) -> None:
        for number in range(3):
            with contextlib.suppress(OSError), socket.create_connection(self._address, timeout=60) as sock:
                for text in texts:
                    sock.sendall(f"{len(text) + 4} <14>{text}".encode())
                sock.shutdown(socket.SHUT_WR)
                if sock.recv(1) == b"":
                    return
            time.sleep(2**number)


@pytest.mark.parametrize("fault", [Reset(), Close(direction="upstream")], ids=lambda fault: fault.name)
def test_a_message_is_there_whole_or_not_at_all_wherever_the_connection_breaks(fault: Reset | Close) -> None:
    def run() -> None:
        with pytest_netmocks.virtual_time(), pytest_netmocks.syslog() as server:
            Persistent(server).send("one", "two")
            server.settle()
            heard = [message.message for message in server.messages]
            assert set(heard) <= {"one", "two"}
            if isinstance(fault, Reset):  # a FIN in the middle looks like the collector's goodbye
                assert heard[-2:] == ["one", "two"]

    report = pytest_netmocks.sweep(run, fault)
    assert "upstream" in {place.direction for place in report.places}
    assert not report.failures, report


def test_each_datagram_is_a_place_where_it_may_be_lost() -> None:
    def run() -> None:
        with pytest_netmocks.syslog() as server:
            handler = logging.handlers.SysLogHandler(server.address)
            logger = logging.Logger("shop")
            logger.addHandler(handler)
            for text in ("one", "two", "three"):
                logger.warning(text)
            handler.close()
            server.wait_for(lambda server: len(server.messages) + str(server.timeline).count("lost on the way") == 3)
            server.settle()
            assert len(server.messages) == 3 - (pytest_netmocks.place() is not None)

    report = pytest_netmocks.sweep(run, Loss())
    assert [place.number for place in report.places] == [1, 2, 3]
    assert not report.failures, report


@pytest.mark.virtual_time
def test_a_collector_that_is_away_for_an_hour_is_waited_for_in_no_time(
    syslog_server: SyslogServer, virtual_clock: VirtualClock
) -> None:
    syslog_server.inject(Reset(), duration=3600)
    for _ in range(100):
        Persistent(syslog_server).send("there")
        if syslog_server.messages:
            break
        time.sleep(60)
    assert [message.message for message in syslog_server.messages] == ["there"]
    assert syslog_server.messages[0].at >= 3600
    assert virtual_clock.jumped >= 3590
