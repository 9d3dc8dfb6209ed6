"""How a stopped run goes on: its settings, its lock, and the log of its steps.

Every command that writes a folder of results goes the same way: it locks the folder, refuses to go
on with other settings than those that the folder was begun with, and replaces or deletes only
files that a run wrote and nobody has changed since (:mod:`persam.io.own_files`).
"""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from filelock import FileLock, Timeout

from persam.errors import InputError
from persam.io.records import parse, read_lines
from persam.io.writers import write_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

LOCK = ".persam.lock"


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two nests of settings, one line each.

    Example:
        >>> differences({"model": "a", "variant": {"alpha": 1}}, {"variant": {"alpha": 2}})
        ["model was 'a', now (nothing)", 'variant.alpha was 1, now 2']
    """
    found: list[str] = []
    for key in dict.fromkeys((*old, *new)):
        was, now = (side.get(key, _NOTHING) for side in (old, new))
        if isinstance(was, dict) and isinstance(now, dict):
            found += differences(was, now, f"{prefix}{key}.")
        elif was != now:
            found.append(f"{prefix}{key} was {was!r}, now {now!r}")
    return found


def refuse_other_settings(
    folder: str | Path,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    advice: str = "Repeat its settings, or choose another folder.",
) -> None:
    """Refuse to go on with another run.

    Args:
        folder: of the results.
        old: the settings that it was begun with, as they were read.
        new: those of this run, as JSON can hold them.
        advice: what to do, a sentence.

    Raises:
        InputError: they differ; the message names how.
    """
    changed = differences(old, json.loads(json.dumps(new)))
    if changed:
        raise InputError(
            f"{folder} holds the results of another run: {'; '.join(changed)}. {advice}"
        )


def refuse_strange(folder: Path, run: str, known: Collection[str] = ()) -> None:
    """Refuse a folder that holds files and no run.

    Args:
        folder: of the results.
        run: name of the file that a run begins with.
        known: names that may be there before it.

    Raises:
        InputError: names some of the files.
    """
    strange = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    strange = sorted(name for name in strange if name not in known and not name.startswith("."))
    if strange:
        raise InputError(
            f"{folder} holds files of its own ({', '.join(strange[:5])}) and no {run}, so it is "
            f"no run to go on with. Choose an empty folder, or a new one."
        )


class _Nothing:
    def __repr__(self) -> str:
        return "(nothing)"


_NOTHING = _Nothing()


def read_steps(log: Path) -> list[dict[str, Any]]:
    """Read a training run's log, a line a step; none where there is no file.

    Raises:
        InputError: a line before the last, which may be a killed run's, is of no step.
    """
    return read_lines(log, _step)


def cut_steps(log: Path, step: int) -> None:
    """Drop what was logged after the checkpoint of a step; those steps are taken again.

    Raises:
        InputError: as :func:`read_steps`.
    """
    if lines := read_steps(log):
        kept = [line for line in lines if line["step"] <= step]
        write_text(log, "".join(json.dumps(line) + "\n" for line in kept))


def _step(line: str) -> dict[str, Any]:
    fields = parse(line, dict[str, Any])
    if not isinstance(fields.get("step"), int):
        raise ValueError("no step of a training run")
    return fields


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Keep other runs out of a folder, which is made where it is missing.

    The operating system lets go of the lock when its owner ends, however it ends, so that a killed
    run keeps nobody out; what it left of the lock's file is taken over.

    Raises:
        InputError: another run has the folder, whose owner the message names; or the folder cannot
            be written, or is a store's URL.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(folder)):  # Path makes one slash of two
        raise InputError(
            f"{folder} is in a store, and this writes a folder on disk. Stores take numbered tars "
            f"(persam segment --out s3://.../dog-%06d.tar) and persam cluster segment's rows."
        )
    path = Path(folder) / LOCK
    made = not path.parent.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=0, thread_local=False, on_acquired=_write_owner)
        lock.acquire()
    except Timeout:
        raise InputError(
            f"Another run writes into {folder}{_owner(path)}. Wait for its end, or choose another "
            f"folder."
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    try:
        yield
    finally:
        # Before letting go: who waits for this file sees that it is gone, and makes a new one.
        with suppress(OSError):
            path.unlink()
        lock.release()
        if made:
            with suppress(OSError):  # there are results in it
                path.parent.rmdir()


class _Owner(NamedTuple):
    user: str
    host: str
    process: int
    since: str


def _write_owner(descriptor: int) -> None:
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    owner = _Owner(_user(), socket.gethostname(), os.getpid(), since)
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, json.dumps(owner).encode())


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        return "somebody"


def _owner(lock: Path) -> str:
    try:
        owner = parse(lock.read_bytes(), _Owner)
    except (OSError, ValueError):
        return ""
    return f": {owner.user} on {owner.host}, process {owner.process}, since {owner.since}"
