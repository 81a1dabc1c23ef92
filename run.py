#!/usr/bin/env python3
"""Everything a contributor runs, set-up included: `python3 run.py test`. Needs a Python of 3.11 or newer, no more.

The first call makes a virtual environment in `.venv` and installs the project into it; later calls find it there.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
ACCEPTANCE = ROOT.parent / "shared" / "acceptance"

COMMANDS = {
    "examples": "the example scenarios: real clients against faulty servers, with a timeline of each",
    "test": "the project's own tests",
    "lint": "ruff, formatting included",
    "types": "mypy --strict",
    "docs": "the documentation, into docs/_build/html; warnings are errors",
    "bench": "the benchmarks",
    "acceptance": "the acceptance tests, where they lie beside the checkout",
    "release": "with --check, the release checklist: versions, CHANGELOG, what is built of it, the documentation",
    "setup": "only the environment",
}


def supported_python() -> str:
    """This Python if it is new enough, else one on the path that is."""
    if sys.version_info >= (3, 11):  # noqa: UP036  # any Python may have been called
        return sys.executable
    for name in ("python3.13", "python3.12", "python3.11"):
        found = shutil.which(name)
        if found:
            return found
    sys.exit(f"pytest-netmocks needs Python 3.11 or newer; this is {sys.version.split()[0]}, and none is on the path")


def setup(home: pathlib.Path = VENV, extras: str = "dev") -> pathlib.Path:
    """Make an environment, or bring it up to date when what the project needs has changed; its folder of programs."""
    programs = home / BIN.name
    peers = ROOT / "tests" / "peers.txt"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + peers.read_bytes()).hexdigest()
    stamp = home / "installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return programs
    if not (programs / "python").exists() and not (programs / "python.exe").exists():
        subprocess.run([supported_python(), "-m", "venv", home], check=True)
    pip: list[str | pathlib.Path] = [
        programs / "python",
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
    ]
    subprocess.run([*pip, "--editable", f"{ROOT}[{extras}]"], check=True)
    subprocess.run([*pip, "--no-deps", "--upgrade", "--target", VENV / "peers", "--requirement", peers], check=True)
    stamp.write_text(wanted)
    return programs


def run(*command: str | pathlib.Path) -> int:
    """Run a program of the environment in the project's root; its exit code."""
    first, *rest = command
    # What is compiled is kept, wherever that is switched off: hundreds of tests start a Python of their own.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run([BIN / str(first), *rest], cwd=ROOT, env=environment, check=False).returncode


def acceptance(arguments: list[str]) -> int:
    """The acceptance tests, as a user's suite: in a run of its own, with no settings of ours."""
    if not ACCEPTANCE.is_dir():
        print("there are no acceptance tests beside this checkout")
        return 0
    # Node ids are relative to the root directory, which pytest would otherwise guess from where the two lie.
    return run(
        "python", "-B", "-m", "pytest", "--rootdir", ACCEPTANCE, "-p", "no:cacheprovider", *arguments, ACCEPTANCE
    )


def main() -> int:
    """Run one command; what stands behind it is handed on."""
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        print("usage: python3 run.py COMMAND [ARGUMENTS]\n")
        for name, text in COMMANDS.items():
            print(f"  {name:<12}{text}")
        return 2
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "release":  # what it takes is not needed otherwise, so it has an environment of its own
        programs = setup(ROOT / ".cache" / "release", "docs,release")
        return subprocess.run([programs / "python", ROOT / "release.py", *arguments], cwd=ROOT, check=False).returncode
    setup()
    if command == "examples":
        return run("pytest", "-c", "examples/pytest.ini", "--netmocks-timeline", "--xfail-tb", *arguments, "examples")
    if command == "test":
        # Half as many again as there are processors, for tests wait a good part of their time.
        return run("pytest", "-n", str((os.cpu_count() or 2) * 3 // 2), *arguments)
    if command == "lint":
        return run("ruff", "check", ".") or run("ruff", "format", "--check", ".")
    if command == "types":
        return run("mypy", *arguments)
    if command == "docs":
        return run("python", "docs/pictures.py", "--check") or run(
            "sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html"
        )
    if command == "bench":
        return (
            run("python", "benchmarks/engine.py")
            or run("python", "benchmarks/webserver.py")
            or run("python", "benchmarks/mail_and_files.py")
            or run("python", "benchmarks/calls.py")
            or run("python", "benchmarks/mqtt_messages.py")
            or run("python", "benchmarks/names_and_proxies.py")
            or run("python", "benchmarks/redis_commands.py")
            or run("python", "benchmarks/reports.py")
            or run("python", "benchmarks/suites.py")
            or run("python", "benchmarks/websocket.py")
            or run("python", "benchmarks/time_and_sweeps.py")
            or run("python", "benchmarks/soak_virtual_time.py", "--runs", "1000", "--busy", "4")
        )
    if command == "acceptance":
        return acceptance(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
