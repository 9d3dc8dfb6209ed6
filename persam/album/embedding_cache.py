"""Embeddings on disk, so that an album is encoded once, however many objects it is searched for.

An entry's name is made of the photo's bytes and of the model's own numbers, never of their names,
so that it cannot be mistaken for another; of two files: ``.match`` alone says whether an object is
there, ``.safetensors`` is read where it may be.

Plain files rather than a cache library: diskcache's index is an SQLite file, which shared network
drives do not lock, and none of its policies lets the larger of a photo's two files go first.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from persam.album.cache_entry import CacheEntry, MatchingEntry
from persam.errors import InputError
from persam.io.picture_bytes import sha256_of
from persam.io.picture_checks import regular_file
from persam.io.writers import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persam.io.picture_bytes import PictureSource

_LOG = logging.getLogger(__name__)
FORMAT = 3  # 3: matching features lie cell by cell
LIMIT = 10_000_000_000
_MATCH, _WHOLE = ".match", ".safetensors"
_FULL, _LEFT = 0.95, 0.9  # of the limit: above the one is cleared out, down to the other
_ABANDONED = 3600.0  # seconds after which a temporary file is a killed run's
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Cache:
    """A folder of embeddings that several processes may share.

    Attributes:
        folder: where the entries are.
        limit: bytes that they may take; what was used longest ago goes first.
    """

    def __init__(self, folder: str | Path, limit: int = LIMIT) -> None:
        """Open a folder, or make it.

        Raises:
            InputError: it cannot be made, or the limit is not above 0.
        """
        if limit < 1:
            raise InputError(f"A cache takes at least 1 byte; got a limit of {limit}.")
        self.folder, self.limit = Path(folder), limit
        self._lock = Lock()
        self._given_up = False
        self._unseen = limit  # bytes that others or we may have written since the last clearing
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"The cache {self.folder} cannot be made: {error.strerror}."
            ) from error

    def key(self, photo: PictureSource, identity: str) -> str:
        """Name of the entry of a photo.

        Args:
            photo: its file; the bytes count.
            identity: of the backbone.

        Raises:
            OSError: the photo cannot be read.
            InputError: it is no file.
        """
        return hashlib.sha256(f"{FORMAT} {identity} {sha256_of(photo)}".encode()).hexdigest()

    def matching_entry(self, key: str) -> MatchingEntry | None:
        """The matching features of an entry; None where there are none that are sound."""
        data = self._read(key, _MATCH)
        return None if data is None else MatchingEntry.from_bytes(data, key)

    def whole(self, key: str, matching_entry: MatchingEntry) -> CacheEntry | None:
        """The rest of an entry; None where there is none that is sound."""
        data = self._read(key, _WHOLE)
        return None if data is None else CacheEntry.from_bytes(data, matching_entry, key)

    def put(self, key: str, entry: CacheEntry) -> None:
        """Write an entry in place of what is there, and clear out if the cache is too large.

        A cache that cannot be written, as on a full disk, is left alone from then on, with one
        warning: it makes runs faster, and nothing else depends on it.
        """
        if self._given_up:
            return
        written = 0
        try:
            whole, matching = entry.to_bytes(key), entry.matching_entry.to_bytes(key)
            for suffix, data in ((_WHOLE, whole), (_MATCH, matching)):
                write_bytes(self._path(key, suffix), data, durable=False)
                written += len(data)
        except InputError as error:
            self._give_up(error)
            return
        with self._lock:
            self._unseen += written
            if self._unseen > (1 - _FULL) * self.limit:
                self._unseen = 0
                self.clear_out()

    def _give_up(self, error: InputError) -> None:
        with self._lock:
            told, self._given_up = self._given_up, True
        if not told:
            _LOG.warning("The run goes on without writing to the cache. %s", error)

    def clear_out(self) -> None:
        """Delete what was used longest ago, if the files together are nearly at the limit."""
        files = sorted(self._files())
        total = sum(size for _, _, size, _ in files)
        least = _LEFT * self.limit if total > _FULL * self.limit else total
        for _, _, size, path in files:
            if total <= least:
                return
            path.unlink(missing_ok=True)  # another process may have been quicker
            total -= size

    def _files(self) -> Iterator[tuple[int, bool, int, Path]]:
        """Of every file when it was used, whether it is the smaller half, its size and path."""
        for path in self.folder.glob("??/*"):
            with suppress(FileNotFoundError):
                facts = path.stat()
                if path.suffix in (_MATCH, _WHOLE):
                    yield facts.st_mtime_ns, path.suffix == _MATCH, facts.st_size, path
                elif path.suffix == ".part" and facts.st_mtime < time.time() - _ABANDONED:
                    path.unlink(missing_ok=True)

    def _read(self, key: str, suffix: str) -> bytes | None:
        path = self._path(key, suffix)
        try:
            regular_file(path)
            data = path.read_bytes()
        except (OSError, InputError):  # then the photo is encoded, as without a cache
            return None
        with suppress(OSError):  # gone already, or another person's
            os.utime(path)  # used now
        return data

    def _path(self, key: str, suffix: str) -> Path:
        return self.folder / key[:2] / f"{key[2:]}{suffix}"


def parse_size(text: str) -> int:
    """Bytes of a size as people write it.

    Raises:
        InputError: no such size, or 0.

    Example:
        >>> parse_size("10GB"), parse_size("1.5 mb"), parse_size("4096")
        (10000000000, 1500000, 4096)
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Z]*)", text.strip().upper())
    if not found or found[2] not in _UNITS or not (size := int(float(found[1]) * _UNITS[found[2]])):
        raise InputError(f"A size is a number and KB, MB, GB or TB, as 10GB; got {text!r}.")
    return size
