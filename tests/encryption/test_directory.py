"""Keys on a full disk or where nothing can be written: an error that names the path, and nothing left."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap

import pytest

import pytest_netmocks
from pytest_netmocks.encryption import authority

FULL = """
import os, resource, signal, tempfile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def room(size):  # for a file: beyond it write(2) fails, as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

import pytest_netmocks
from pytest_netmocks.encryption import authority
"""


def on_a_full_disk(tmp_path: pathlib.Path, source: str) -> subprocess.CompletedProcess[str]:
    """Run the source; at its end nothing must be left in the directory for temporary files."""
    command = [sys.executable, "-c", FULL + textwrap.dedent(source)]
    done = subprocess.run(
        command, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert list(tmp_path.iterdir()) == []
    return done


@pytest.mark.parametrize("kind", ["tls", "smtp", "ftps"])
def test_a_full_disk_is_an_error_with_the_path(tmp_path: pathlib.Path, kind: str) -> None:
    source = f"""
        room(100)
        for _ in range(2):
            try:
                pytest_netmocks.{kind}()
            except OSError as error:
                assert str(error).startswith(f"[Errno {{error.errno}}] "), error
                assert os.path.basename(error.filename) == "ca.pem"
                assert os.listdir(tempfile.gettempdir()) == []
                print(error.filename)
    """
    done = on_a_full_disk(tmp_path, source)
    assert done.stdout.count(f"{tmp_path}/netmocks-tls-") == 2, done.stderr


def test_a_disk_that_is_full_for_a_while_leaves_no_halves(tmp_path: pathlib.Path) -> None:
    source = """
        ca = authority.shared()
        before = os.listdir(os.path.dirname(ca.cert_file))
        for make in (lambda: ca.issue("a.test"), lambda: ca.crl_file):
            room(100)
            try:
                make()
            except OSError as error:
                print(error.filename)
            assert os.listdir(os.path.dirname(ca.cert_file)) == before
            room(-1)
            make()
            before = os.listdir(os.path.dirname(ca.cert_file))
    """
    done = on_a_full_disk(tmp_path, source)
    assert len(done.stdout.splitlines()) == 2, done.stderr


def test_the_command_line_says_it_in_one_line(tmp_path: pathlib.Path) -> None:
    source = """
        room(100)
        from pytest_netmocks import cli
        raise SystemExit(cli.main(["https"]))
    """
    done = on_a_full_disk(tmp_path, source)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert line.startswith("netmocks: [Errno ")
    assert "ca.pem" in line


@pytest.mark.parametrize("kind", ["tls", "ftp"])
def test_where_no_directory_can_be_made_the_error_names_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    monkeypatch.setattr(authority, "_shared", [])
    with pytest.raises(NotADirectoryError, match=f"{tmp_path}/file/netmocks-{kind}-"):
        getattr(pytest_netmocks, kind)()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
