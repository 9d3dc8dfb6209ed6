"""A picture file's contents without a file: out of a tar, a table or an object store."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePath, PurePosixPath

from persam.io.picture_checks import regular_file


@dataclass(frozen=True)
class PictureBytes:
    """A picture file's contents, and what it is called.

    Attributes:
        name: for messages and records; its last part is a file's name.
        data: all bytes of the file.
    """

    name: str
    data: bytes = field(repr=False)

    def __str__(self) -> str:
        return self.name


PictureSource = Path | PictureBytes


def path_of(source: PictureSource) -> PurePath:
    """The name as a path, to ask for its parts."""
    return PurePosixPath(source.name) if isinstance(source, PictureBytes) else source


def place_of(source: PictureSource) -> str:
    """Absolute path of a file; of contents their name."""
    return source.name if isinstance(source, PictureBytes) else str(source.absolute())


def stream_of(source: PictureSource) -> Path | BytesIO:
    """What Pillow opens."""
    return BytesIO(source.data) if isinstance(source, PictureBytes) else source


def head_of(source: PictureSource, count: int) -> bytes:
    """The first bytes."""
    if isinstance(source, PictureBytes):
        return source.data[:count]
    with source.open("rb") as file:
        return file.read(count)


def bytes_in(source: PictureSource) -> int:
    """How many bytes there are."""
    return len(source.data) if isinstance(source, PictureBytes) else source.stat().st_size


def sha256_of(source: PictureSource) -> str:
    """Name of the contents, 64 hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
        InputError: it is no file.
    """
    if isinstance(source, PictureBytes):
        return hashlib.sha256(source.data).hexdigest()
    regular_file(source)
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_kind(source: PictureSource) -> None:
    """Refuse what would be read without end, see :func:`persam.io.picture_checks.regular_file`."""
    if isinstance(source, Path):
        regular_file(source)
