"""`netmocks report`: files of recordings in, the page that shows them out."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

from pytest_netmocks.reports import readers, writers
from pytest_netmocks.reports.recording import Recording


def report(files: Sequence[str], out: str) -> int:
    """Write the page, or another file that recordings can be written as; gives the exit code.

    What cannot be read or written is said in words on standard error, and the code is 2.
    """
    recordings: list[Recording] = []
    try:
        for file in files:
            recordings += _read(file)
        _write(recordings, pathlib.Path(out))
    except _Error as problem:
        print(f"netmocks: {problem}", file=sys.stderr)
        return 2
    tests = f"{len(recordings)} recording{'' if len(recordings) == 1 else 's'}"
    print(f"{out}: {tests} of {len(files)} file{'' if len(files) == 1 else 's'}")
    return 0


class _Error(Exception):
    """What cannot be read or written, and why."""


def _read(file: str) -> list[Recording]:
    try:
        return readers.read(file)
    except OSError as error:
        raise _Error(f"cannot read {file}: {error.strerror or error}") from None
    except ValueError as error:
        raise _Error(f"cannot read {file}: {error}") from None


def _write(recordings: list[Recording], path: pathlib.Path) -> None:
    try:
        writers.save(path, recordings)
    except OSError as error:
        raise _Error(f"cannot write {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise _Error(f"cannot write {path}: {error}") from None
    except readers.MISSHAPEN as error:
        raise _Error(f"cannot write {path}: what was read is no recording: {type(error).__name__}: {error}") from None
