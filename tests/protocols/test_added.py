"""Protocols that other packages add by an entry point: where they are known, and what is wrong with some."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Callable

import pytest
from helpers import echo

import pytest_netmocks
from pytest_netmocks import NetmocksWarning, cli
from pytest_netmocks.plugin.factory import Netmocks
from pytest_netmocks.protocols import known
from pytest_netmocks.protocols.added import RESERVED

GOPHER = '''
from pytest_netmocks import TcpServer

class GopherServer(TcpServer):
    """Gopher (RFC 1436): menus and documents.

    More of it.
    """

    scheme = "gopher"
'''

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a distribution with a module of its name."""

    def install(distribution: str, source: str, **protocols: str) -> None:
        site = tmp_path / f"site of {distribution}"
        info = site / f"{distribution}-1.5.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n")
        points = "".join(f"{name} = {value}\n" for name, value in protocols.items())
        (info / "entry_points.txt").write_text(f"[pytest_netmocks.protocols]\n{points}")
        (site / f"{distribution}.py").write_text(source)
        monkeypatch.syspath_prepend(site)
        monkeypatch.setenv("PYTHONPATH", str(site), prepend=":")
        monkeypatch.delitem(sys.modules, distribution, raising=False)

    return install


def test_it_is_where_ours_are(install: Install, netmocks: Netmocks, capsys: pytest.CaptureFixture[str]) -> None:
    install("gophers", GOPHER, gopher="gophers:GopherServer")
    server = netmocks.gopher(name="burrow")
    assert echo(server) == b"hello"
    assert (server.url, server.name) == (f"gopher://127.0.0.1:{server.port}", "burrow")
    assert "gopher" in dir(netmocks)
    assert "gopher" in dir(pytest_netmocks)
    with pytest_netmocks.gopher() as server:  # type: ignore[attr-defined]  # to a type checker it is the package's own
        assert echo(server) == b"hello"
    assert cli.main(["list"]) == 0
    assert "server\tgopher\tGopher (RFC 1436): menus and documents (gophers 1.5)\n" in capsys.readouterr().out


def test_a_nested_run_uses_it(install: Install, pytester: pytest.Pytester) -> None:
    install("gophers", GOPHER, gopher="gophers:GopherServer")
    pytester.makepyfile(
        """
        import socket
        import pytest_netmocks
        from pytest_netmocks.faults import Close

        gopher = pytest_netmocks.server_fixture("gopher", scope="module", name="gopher")

        def test_it(gopher, netmocks):
            assert gopher.name == "gopher"
            netmocks.gopher().inject(Close(after_bytes=2))
            gopher.when(b"/\\r\\n").reply(b"1menu\\r\\n")
            with socket.create_connection(gopher.address, timeout=30) as sock:
                sock.sendall(b"/\\r\\n")
                assert sock.recv(100) == b"1menu\\r\\n"
        """
    )
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nnetmocks_strict = off")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error")
    result.assert_outcomes(passed=1)


def test_the_command_line_serves_it(install: Install) -> None:
    install("gophers", GOPHER, gopher="gophers:GopherServer")
    program = subprocess.Popen(
        [sys.executable, "-m", "pytest_netmocks", "gopher", "--fault", "Latency(0.1)"],
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("gopher listens on gopher://127.0.0.1:")
        program.terminate()


def test_it_is_not_imported_before_somebody_asks_for_it(install: Install, netmocks: Netmocks) -> None:
    install("gophers", "raise RuntimeError('imported')", gopher="gophers:GopherServer")
    assert "gopher" in dir(netmocks)
    assert "gopher" in dir(pytest_netmocks)
    netmocks.tcp()
    assert "gopher" in cli._parser().format_help()
    assert "gophers" not in sys.modules


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("", "AttributeError: module 'broken' has no attribute 'GopherServer'"),
        ("GopherServer = 5", "it must be a class derived from StreamServer or DatagramServer, not 5"),
        (
            "from pytest_netmocks.servers.stream import StreamServer\nclass GopherServer(StreamServer): pass",
            "the class has no _protocol, scheme",
        ),
    ],
    ids=["a missing module", "an error", "no such class", "no class", "half a server"],
)
def test_a_broken_one_is_an_error_that_names_its_distribution(
    source: str, why: str, install: Install, netmocks: Netmocks, capsys: pytest.CaptureFixture[str]
) -> None:
    install("broken", source, gopher="broken:GopherServer")
    text = f"the protocol 'gopher' of broken 1.5 cannot be used (broken:GopherServer): {why}"
    for ask in (
        lambda: netmocks.gopher,
        lambda: pytest_netmocks.gopher,  # type: ignore[attr-defined]
        lambda: pytest_netmocks.server_fixture("gopher"),
    ):
        with pytest.raises(ImportError) as raised:
            ask()
        assert str(raised.value) == text
    assert cli.main(["gopher"]) == 1
    assert capsys.readouterr().err == f"netmocks: {text}\n"
    assert cli.main(["list"]) == 0
    assert f"server\tgopher\t{text}\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["http", "badssl", "faults", "limits", *sorted(filter(str.islower, RESERVED))])
def test_a_name_of_ours_stays_ours(name: str, install: Install, netmocks: Netmocks) -> None:
    before = getattr(pytest_netmocks, name, None)
    install("greedy", GOPHER, **{name: "greedy:GopherServer", "gopher": "greedy:GopherServer"})
    with pytest.warns(NetmocksWarning, match=rf"greedy 1\.5 adds the protocol '{name}', (which|and) pytest.netmocks"):
        assert known.others() == {"gopher": "greedy 1.5"}
    assert getattr(pytest_netmocks, name, None) is before


def test_every_name_of_the_factory_and_the_package_is_ours(install: Install, netmocks: Netmocks) -> None:
    ours = {name for name in {*dir(netmocks), *dir(pytest_netmocks)} if name.islower() and name[0] != "_"}
    install("greedy", GOPHER, **dict.fromkeys(ours - {"annotations"}, "greedy:GopherServer"))
    with pytest.warns(NetmocksWarning):
        assert known.others() == {}


def test_of_two_packages_with_one_name_the_first_is_used(install: Install) -> None:
    install("alpha", GOPHER, gopher="alpha:GopherServer")
    install("beta", GOPHER, gopher="beta:GopherServer")
    with pytest.warns(NetmocksWarning, match=r"^beta 1\.5 adds the protocol 'gopher', as alpha 1\.5 does: that one is"):
        assert known.others() == {"gopher": "alpha 1.5"}


def test_a_name_that_is_none_is_left_out(install: Install) -> None:
    install("odd", GOPHER, **{"Go-pher": "odd:GopherServer"})
    with pytest.warns(NetmocksWarning, match="'Go-pher', which is no name for one: it is left out; accepted are"):
        assert known.others() == {}


def test_what_is_said_once_is_not_said_again(install: Install, recwarn: pytest.WarningsRecorder) -> None:
    install("greedy", GOPHER, http="greedy:GopherServer")
    known.others()
    known.others()
    assert len(recwarn) == 1
