"""Pipes, sockets and devices: what has a file's name and would be read without end, or never."""

from __future__ import annotations

import math
import stat
from pathlib import Path

from persam.errors import InputError

_KINDS = {
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


def refuse_special(path: str | Path) -> None:
    """Refuse what is neither a file nor a folder, before it is opened.

    What is missing or cannot be asked passes: whoever opens it says why it cannot be read.

    Raises:
        InputError: a named pipe, socket or device.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return
    kind = next((name for test, name in _KINDS.items() if test(mode)), None)
    if kind is not None:
        raise InputError(f"{path} is {kind}, not a file. Give the file itself.")


def read_bytes(path: Path, most: float = math.inf) -> bytes:
    """All of a file.

    Raises:
        InputError: it cannot be read, has more bytes than ``most``, or is a named pipe, socket or
            device.
    """
    refuse_special(path)
    try:
        if path.stat().st_size > most:
            raise InputError(f"{path} has more than {most:,} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
