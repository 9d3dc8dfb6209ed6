"""Which files of a folder runs have written: what is not replaced, and not deleted."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Literal, NamedTuple

from persam.errors import InputError
from persam.io.records import append_line, is_relative_name, parse, read_lines
from persam.io.writers import write_bytes, write_text, written_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN_FILES = ".persam-files.jsonl"

FileState = Literal["missing", "own", "changed", "foreign"]


class _Written(NamedTuple):
    """One line of the list of own files."""

    file: str
    sha256: str


class OwnFiles:
    """Which files of a folder runs have written, by name and content.

    A line is added before a file is replaced, so that also a run that is killed in between knows
    its own files again: whatever has another content was written or changed by somebody else.
    """

    def __init__(self, folder: str | Path, *, all_own: bool = False) -> None:
        """Read the folder's list, if there is one.

        Args:
            folder: of the results.
            all_own: take every file for one that a run wrote, as somebody has asked to replace
                even what is a person's.

        Raises:
            InputError: it cannot be read, or another program wrote it.
        """
        self.folder = Path(folder).absolute()
        self.all_own = all_own
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
        found = file_sha256(path)
        if found is None:
            return "missing"
        if self.all_own:
            return "own"
        known = self._known.get(self.name(path))
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

    @contextmanager
    def written(self, path: str | Path) -> Iterator[Path]:
        """Give a temporary file to fill, which becomes the run's own; as ``written_whole``.

        Raises:
            InputError: the operating system refuses.
        """
        with written_whole(path) as part:
            yield part
            self.announce(Path(path), str(file_sha256(part)))

    def claim(self, path: Path) -> None:
        """Take a file that is there for one that a run wrote, as it is now.

        Raises:
            InputError: it cannot be read, or the list cannot be written.
        """
        if (found := file_sha256(path)) is not None:
            self.announce(path, found)

    def refuse_others(self, path: Path) -> None:
        """Refuse to replace or delete what no run wrote, or somebody has changed since.

        Raises:
            InputError: it is such a file.
        """
        state = self.state(path)
        if state in ("changed", "foreign"):
            what = "persam did not write" if state == "foreign" else "somebody has changed"
            raise InputError(
                f"{path} would be replaced, which {what}. Move it away, or choose another folder."
            )

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


def refuse_replacing(path: str | Path, *, overwrite: bool = False) -> None:
    """Refuse to replace a single file that is there, whoever wrote it; an empty one may be.

    Args:
        path: the file to be.
        overwrite: somebody has asked for it.

    Raises:
        InputError: there is something of that name.
    """
    path = Path(path)
    empty = path.is_file() and path.stat().st_size == 0
    if os.path.lexists(path) and not (overwrite and path.is_file()) and not empty:
        raise InputError(
            f"{path} is there already and would be replaced. Choose another name, or say "
            f"--overwrite."
        )


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
