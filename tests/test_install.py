"""Installing the package changes nobody's run: the wheel, in an environment that has nothing else."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import venv

import pytest
from helpers import once_a_run

ROOT = pathlib.Path(__file__).parent.parent
PYTHON = pathlib.Path("env", "Scripts" if os.name == "nt" else "bin", "python")

PASSES = "def test_it():\n    assert True\n"
USES_A_SERVER = """
import socket

def test_it(tls_server, http_server, smtp_server, ftp_server, ws_server, udp_server):
    with socket.create_connection(tls_server.address, timeout=10) as sock:
        with tls_server.client_context().wrap_socket(sock, server_hostname="localhost") as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
    for server in (http_server, smtp_server, ftp_server, ws_server):
        socket.create_connection(server.address, timeout=10).close()
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """An environment's Python."""
    folder = once_a_run(tmp_path_factory, "installed", install)
    return folder / PYTHON


def install(folder: pathlib.Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    subprocess.run([*pip, "--python", folder / PYTHON, "install", wheel], check=True, timeout=300)


def run(
    python: pathlib.Path, folder: pathlib.Path, *options: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON", "COV"))}
    return subprocess.run(
        [python, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


STRICT = pytest.mark.parametrize(
    ("options", "ini", "environment"),
    [
        (["-W", "error"], "", {}),
        ([], "filterwarnings = error", {}),
        ([], "", {"PYTHONWARNINGS": "error"}),
        ([], "", {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"}),
    ],
    ids=["-W", "filterwarnings", "PYTHONWARNINGS", "dev mode"],
)


@STRICT
@pytest.mark.parametrize("test", [PASSES, USES_A_SERVER], ids=["no server", "servers"])
def test_warnings_that_are_errors_find_none_of_ours(
    installed: pathlib.Path,
    tmp_path: pathlib.Path,
    options: list[str],
    ini: str,
    environment: dict[str, str],
    test: str,
) -> None:
    (tmp_path / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    (tmp_path / "test_it.py").write_text(test)
    done = run(installed, tmp_path, *options, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed in" in done.stdout  # and no warnings
    assert done.stderr == ""


def test_a_run_has_one_line_of_ours_at_most(installed: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "test_it.py").write_text(PASSES)
    plain = run(installed, tmp_path, "-p", "no:netmocks").stdout.splitlines()
    ours = run(installed, tmp_path).stdout.splitlines()
    own = [line for line in ours if not line.startswith("plugins:")]  # pytest's list of all plugins
    assert len(own) <= len(plain) + 1
    assert sum("netmocks" in line for line in own) <= 1


def test_a_quiet_run_says_nothing(installed: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "test_it.py").write_text(PASSES)
    assert "netmocks" not in run(installed, tmp_path, "-q").stdout


def test_pytest_rewrites_the_users_modules_and_none_of_ours(installed: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "test_it.py").write_text("""
import sys

def test_it(http_server):
    def loader(name):
        return type(sys.modules[name].__spec__.loader).__name__

    ours = [name for name in sys.modules if name.startswith("pytest_netmocks.")]
    assert len(ours) > 100
    assert {loader(name) for name in ours if name != "pytest_netmocks.modules"} == {"SourceFileLoader"}
    assert loader("test_it") == "AssertionRewritingHook"
""")
    done = run(installed, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pytest_asyncio_is_an_extra(installed: pathlib.Path) -> None:
    found = subprocess.run(
        [installed, "-c", "import importlib.util as u; print(u.find_spec('pytest_asyncio'))"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert found.stdout == "None\n"
