"""Files by their URL, on disk or in an object store; what is written is there whole or not at all.

Local paths need nothing. ``s3://``, ``gs://`` and what else pyarrow or fsspec knows need pyarrow,
and take credentials as these find them.
"""

from __future__ import annotations

import glob
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from persam.errors import InputError, PersamError
from persam.io.extras import import_extra
from persam.io.special_files import refuse_special
from persam.io.writers import written_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXTRA = ("ray", "Object stores")
# What fsspec and its stores answer with; a store whose own package is missing is an ImportError.
_REFUSALS = (OSError, ValueError, ImportError)


def is_url(place: str) -> bool:
    """Whether a place is in a store, rather than on disk.

    Example:
        >>> is_url("s3://bucket/photos"), is_url("photos/a.jpg"), is_url(r"C:/photos")
        (True, False, False)
    """
    scheme, mark, _ = place.partition("://")
    return bool(mark) and scheme.isalnum()


def list_files(place: str) -> list[str]:
    """All files that a place means, in the order of their names.

    Args:
        place: a file, a folder with all that is below it, a pattern with ``*``, ``?`` or ``**``, or
            the same in a store.

    Raises:
        InputError: there is nothing by that name, or the store cannot be asked.
        MissingExtra: a store without pyarrow.
    """
    found = _in_store(place) if is_url(place) else _on_disk(place)
    if not found:
        raise InputError(f"There is no file at {place}. Give files, folders, or a pattern.")
    return sorted(found)


def _on_disk(place: str) -> list[str]:
    path = Path(place)
    if path.is_dir():
        return [str(one.absolute()) for one in path.rglob("*") if one.is_file()]
    if path.exists():
        return [str(path.absolute())]
    return [str(Path(one).absolute()) for one in glob.glob(place, recursive=True)]  # noqa: PTH207


def _in_store(place: str) -> list[str]:
    try:
        system, path = _located(place)
        if system.isdir(path):
            return [system.unstrip_protocol(one) for one in system.find(path)]
        return [system.unstrip_protocol(one) for one in system.glob(path)]
    except _REFUSALS as error:
        raise InputError(f"{place} cannot be listed: {error}.") from error


@contextmanager
def open_file(place: str) -> Iterator[BinaryIO]:
    """Open a file for reading; of a store it is fetched piece by piece as it is read.

    Raises:
        InputError: it cannot be opened or read.
        MissingExtra: a store without fsspec.
    """
    try:
        if is_url(place):
            system, path = _located(place)
            with system.open(path, "rb") as file:
                yield cast("BinaryIO", file)
        else:
            refuse_special(place)
            with Path(place).open("rb") as file:
                yield file
    except PersamError:  # of who reads, and says why
        raise
    except _REFUSALS as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{place} cannot be read: {reason}.") from error


@contextmanager
def created(place: str) -> Iterator[BinaryIO]:
    """Open a file for writing, which has its name once it is whole.

    Raises:
        InputError: it cannot be written.
        MissingExtra: a store without fsspec.
    """
    if not is_url(place):
        with written_whole(place) as part, part.open("wb") as file:
            yield file
        return
    try:
        system, path = _located(place)
        # Uploads are begun and finished; what is not finished is no object.
        with system.transaction, system.open(path, "wb") as file:
            yield file
    except PersamError:  # of what was to be written
        raise
    except _REFUSALS as error:
        raise InputError(f"{place} cannot be written: {error}.") from error


def join(folder: str, name: str) -> str:
    """A file's place in a folder."""
    return f"{folder.rstrip('/')}/{name}" if is_url(folder) else str(Path(folder) / name)


def exists(place: str) -> bool:
    """Whether there is a file or folder.

    Raises:
        InputError: the store cannot be asked.
        MissingExtra: a store without fsspec.
    """
    if not is_url(place):
        return Path(place).exists()
    try:
        system, path = _located(place)
        return bool(system.exists(path))
    except _REFUSALS as error:
        raise InputError(f"{place} cannot be looked for: {error}.") from error


def _located(place: str) -> tuple[Any, str]:
    """The store of a URL, and the path within it."""
    return import_extra("fsspec", *_EXTRA).core.url_to_fs(place)
