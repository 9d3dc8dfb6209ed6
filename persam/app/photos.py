"""The photos and clips that the page may show: those of the given folder, and nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.io.folders import list_images, real_path

if TYPE_CHECKING:
    from pathlib import Path

CLIP_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi"})


class UnknownFile(InputError):
    """No photo, clip or object has that id."""


@dataclass(frozen=True)
class MediaFile:
    """A photo or a clip.

    Attributes:
        id: what the page calls it; made of its path, so that it outlives the server.
        path: the file, absolute.
        changed: when it was last changed, in nanoseconds.
    """

    id: str
    path: Path
    changed: int


def is_frame(media: MediaFile) -> bool:
    """Whether it is a frame of a clip, which has the clip's id and its own number."""
    return "-" in media.id


class MediaFolder:
    """Photos and clips of a folder, by id.

    The page names files by id alone, and only files that a scan has listed have one. Links that
    lead out of the folder are not listed, nor followed when one is made after the scan.
    """

    def __init__(self, folder: Path | None, uploads: Path) -> None:
        """Scan the folder.

        Args:
            folder: what the user gave; None for uploads alone.
            uploads: where the page puts the photos that are dropped on it.

        Raises:
            InputError: the folder is not there.
        """
        if folder is not None and not folder.is_dir():
            raise InputError(f"{folder} is not a folder. Give the folder of the photos.")
        self.folder = folder
        self.uploads = uploads
        self.photos: dict[str, MediaFile] = {}
        self.clips: dict[str, MediaFile] = {}
        self.scan()

    @property
    def roots(self) -> list[Path]:
        """The folders that may be read, as they are now."""
        return [root for root in (self.folder, self.uploads) if root is not None and root.is_dir()]

    def scan(self) -> None:
        """List the files again."""
        photos, clips = [], []
        for root in self.roots:
            if any(root.iterdir()):
                photos += [path for path in _pictures(root) if self._inside(path)]
                clips += [path for path in sorted(root.iterdir()) if self._is_clip(path)]
        self.photos = {one.id: one for one in map(_media, photos)}
        self.clips = {one.id: one for one in map(_media, clips)}

    def photo(self, media_id: str) -> MediaFile:
        """The photo of that id.

        Raises:
            UnknownFile: there is none, or it is a link that leads out of the folder now.
        """
        return self._checked(self.photos, media_id)

    def clip(self, media_id: str) -> MediaFile:
        """The clip of that id.

        Raises:
            UnknownFile: as :meth:`photo`.
        """
        return self._checked(self.clips, media_id)

    def _checked(self, files: dict[str, MediaFile], media_id: str) -> MediaFile:
        found = files.get(media_id)
        if found is None or not self._inside(found.path):
            raise UnknownFile("There is no such file in the folder. Reload the page.")
        return found

    def _inside(self, path: Path) -> bool:
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):  # missing, or a loop of links
            return False
        return real.is_file() and any(real.is_relative_to(real_path(root)) for root in self.roots)

    def _is_clip(self, path: Path) -> bool:
        named = path.suffix.lower() in CLIP_SUFFIXES and not path.name.startswith(".")
        return named and self._inside(path)


def _pictures(root: Path) -> list[Path]:
    """The photos of a folder; a folder without any is no error here."""
    try:
        return list(list_images([root]).photos)
    except InputError:
        return []


def _media(path: Path) -> MediaFile:
    absolute = path.absolute()
    name = hashlib.sha256(str(absolute).encode(errors="surrogateescape")).hexdigest()[:16]
    return MediaFile(name, absolute, absolute.stat().st_mtime_ns)
