"""How a stopped run goes on: its settings, its lock, and which files are its own.

Every command that writes a folder of results goes the same way: it locks the folder, refuses to go
on with other settings than those that the folder was begun with, and replaces or deletes only
files that a run wrote and nobody has changed since.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
import stat
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from filelock import FileLock, Timeout

from persam.errors import InputError
from persam.io.records import append_line, is_relative_name, parse, read_lines
from persam.io.writers import write_bytes, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOCK = ".persam.lock"
OWN_FILES = ".persam-files.jsonl"

FileState = Literal["missing", "own", "changed", "foreign"]


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


class _Nothing:
    def __repr__(self) -> str:
        return "(nothing)"


_NOTHING = _Nothing()


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Keep other runs out of a folder, which is made where it is missing.

    The operating system lets go of the lock when its owner ends, however it ends, so that a killed
    run keeps nobody out; what it left of the lock's file is taken over.

    Raises:
        InputError: another run has the folder, whose owner the message names; or the folder cannot
            be written.
    """
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


class _Written(NamedTuple):
    """One line of the list of own files."""

    file: str
    sha256: str


class OwnFiles:
    """Which files of a folder runs have written, by name and content.

    A line is added before a file is replaced, so that also a run that is killed in between knows
    its own files again: whatever has another content was written or changed by somebody else.
    """

    def __init__(self, folder: str | Path) -> None:
        """Read the folder's list, if there is one.

        Raises:
            InputError: it cannot be read, or another program wrote it.
        """
        self.folder = Path(folder).absolute()
        self._list = self.folder / OWN_FILES
        self._lock = Lock()
        self._known: dict[str, set[str]] = {}
        for file, sha256 in read_lines(self._list, _parse_written):
            self._known.setdefault(file, set()).add(sha256)

    def state(self, path: Path) -> FileState:
        """Whether a run wrote a file and it is as it was written.

        Returns:
            ``"missing"``; ``"own"``; ``"changed"`` where a run wrote a file of that name, but not
            this content; ``"foreign"`` where no run did.

        Raises:
            InputError: it cannot be read.
        """
        known = self._known.get(self.name(path))
        found = file_sha256(path)
        if found is None:
            return "missing"
        if known is None:
            return "foreign"
        return "own" if found in known else "changed"

    @property
    def any(self) -> bool:
        """Whether any file is known."""
        return bool(self._known)

    @property
    def names(self) -> tuple[str, ...]:
        """All files that runs have written, whether they are still there or not."""
        return tuple(self._known)

    def adopt(self, other: OwnFiles) -> None:
        """Know another folder's files as one's own; :meth:`tidy` writes that down."""
        for name, contents in other._known.items():
            self._known.setdefault(name, set()).update(contents)

    def announce(self, path: Path, sha256: str) -> None:
        """Say which content a file is going to have, before it is replaced.

        Raises:
            InputError: the list cannot be written.
        """
        name = self.name(path)
        with self._lock:
            if sha256 not in self._known.get(name, ()):
                self.folder.mkdir(parents=True, exist_ok=True)
                append_line(self._list, json.dumps({"file": name, "sha256": sha256}))
                self._known.setdefault(name, set()).add(sha256)

    def write(self, path: Path, data: bytes) -> str:
        """Write a file, whole or not at all, and give the SHA-256 of its content.

        Raises:
            InputError: the operating system refuses.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        self.announce(path, sha256)
        write_bytes(path, data)
        return sha256

    def remove(self, path: Path) -> bool:
        """Delete a file that a run wrote and nobody has changed; gives whether it is gone.

        Raises:
            InputError: the operating system refuses.
        """
        if not self.contains(path) or self.state(path) not in ("own", "missing"):
            return False
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"{path} cannot be deleted: {error.strerror or error}.") from error
        return True

    def contains(self, path: Path) -> bool:
        """Whether a file lies in the folder or below it, whatever links lead there."""
        inside = Path(os.path.realpath(path.parent)) / path.name
        return inside.is_relative_to(os.path.realpath(self.folder))

    def tidy(self) -> None:
        """Rewrite the list with one line for every file and content."""
        lines = (
            json.dumps({"file": name, "sha256": sha256}) + "\n"
            for name, contents in self._known.items()
            for sha256 in sorted(contents)
        )
        if self._known:
            write_text(self._list, "".join(lines))

    def name(self, path: Path) -> str:
        """Name of a file in the folder, with ``/`` between the parts."""
        return Path(os.path.relpath(path, self.folder)).as_posix()


def _parse_written(line: str) -> _Written:
    fields = parse(line, dict[str, str])
    if set(fields) != {"file", "sha256"} or not is_relative_name(fields["file"]):
        raise ValueError("not the name and content of a file")
    return _Written(**fields)


def file_sha256(path: Path) -> str | None:
    """SHA-256 of a file's content; None where there is no file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path} is not a file. Move it away, or choose another folder.")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
