"""The client of the XML-RPC example in Python's manual, as it is written there: its server's address leads to ours."""

from __future__ import annotations

import xmlrpc.client

import pytest

from pytest_netmocks import HttpServer, Netmocks
from pytest_netmocks.faults import Reset

SCRIPT = """
import xmlrpc.client

s = xmlrpc.client.ServerProxy('http://localhost:8000')
print(s.pow(2,3))  # Returns 2**3 = 8
print(s.add(2,3))  # Returns 5
print(s.mul(5,2))  # Returns 5*2 = 10

# Print list of available methods
print(s.system.listMethods())
"""


class Calculator:
    """What the manual's server registers."""

    def mul(self, x: int, y: int) -> int:
        return x * y

    def add(self, x: int, y: int) -> int:
        return x + y

    def pow(self, x: int, y: int) -> int:
        return int(x**y)


@pytest.fixture
def calculator(netmocks: Netmocks, http_server: HttpServer) -> HttpServer:
    http_server.xmlrpc(Calculator())
    netmocks.names({"localhost:8000": http_server}, strict=True)
    return http_server


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the script closes nothing
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_manuals_script(calculator: HttpServer, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(SCRIPT, "client.py", "exec"), {})
    eight, five, ten, methods = capsys.readouterr().out.splitlines()
    assert (eight, five, ten) == ("8", "5", "10")
    assert {"add", "mul", "pow", "system.listMethods"} <= set(eval(methods))
    assert len(calculator.connections) == 1


def test_a_connection_that_is_reset_costs_a_second_call(calculator: HttpServer) -> None:
    calculator.when("POST", "/RPC2").inject(Reset(), nth=2)
    with xmlrpc.client.ServerProxy("http://localhost:8000") as proxy:
        assert proxy.add(2, 3) == 5
        # http.client's transport asks once again of its own accord, so the second call comes twice.
        assert proxy.mul(5, 2) == 10
    assert len(calculator.requests) == 3
