"""Which picture a label file means, and how large it is."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np

from persam.errors import InputError
from persam.io.folders import is_picture, real_path
from persam.io.orientation import orientation
from persam.io.picture_file import read_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# How stored pixels are turned upright, by EXIF's orientation.
_TURNS = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


class PictureFolder:
    """The pictures in folders and all folders below, by their names.

    Attributes:
        folders: where they were looked for.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        """Look for pictures; what is hidden is left out.

        Raises:
            InputError: one of the folders is none.
        """
        self.folders = tuple(dict.fromkeys(folders))
        self._named: dict[str, list[Path]] = defaultdict(list)
        self._stems: dict[str, list[Path]] = defaultdict(list)
        for folder in self.folders:
            if not folder.is_dir():
                raise InputError(f"{folder} is not a folder of pictures.")
            for path in sorted(folder.rglob("*")):
                inside = path.relative_to(folder).parts
                if is_picture(path) and not any(part.startswith(".") for part in inside):
                    self._named[path.name.casefold()].append(path)
                    self._stems[path.stem.casefold()].append(path)

    def find(self, name: str) -> Path | None:
        """The picture of a name, which may be a path, or a file's name with or without its ending.

        Where several have the name, the one that shares most of the path is meant, and of these
        the one in the folder that was named first.

        Raises:
            InputError: several are meant equally.
        """
        wanted = PurePosixPath(unquote(name).replace("\\", "/"))
        found = self._named.get(wanted.name.casefold()) or self._stems.get(wanted.name.casefold())
        found = found or self._stems.get(wanted.stem.casefold()) or []
        alike = [_shared_tail(path, wanted) for path in found]
        best = [path for path, shared in zip(found, alike, strict=True) if shared == max(alike)]
        first = min(map(self._place, best), default=0)
        best = [path for path in best if self._place(path) == first]
        best = list({real_path(path): path for path in best}.values())
        if len(best) > 1:
            raise InputError(
                f"{name} may be {best[0]} or {best[1]}. Give the folder of one of them by --images"
            )
        return best[0] if best else None

    def _place(self, path: Path) -> int:
        """Which of the folders a picture is in, the first one counting."""
        places = (number for number, one in enumerate(self.folders) if one in path.parents)
        return next(places, len(self.folders))

    def get(self, name: str) -> Path:
        """As :meth:`find`, but there has to be one.

        Raises:
            InputError: there is none, or several.
        """
        path = self.find(name)
        if path is None:
            where = ", ".join(map(str, self.folders)) or "any folder"
            raise InputError(f"no picture {name} in {where}; name the folder by --images")
        return path

    def name_of(self, path: Path) -> str:
        """Name of a picture within its folder, with ``/``."""
        inside = [folder for folder in self.folders if folder in path.parents]
        return path.relative_to(inside[0]).as_posix() if inside else path.name

    def __iter__(self) -> Iterator[Path]:
        """All pictures."""
        return (path for paths in self._named.values() for path in paths)


def _shared_tail(path: Path, wanted: PurePosixPath) -> int:
    """How many folders above the file agree, from the file upwards."""
    shared = 0
    for one, other in zip(path.parts[-2::-1], wanted.parts[-2::-1], strict=False):
        if one != other:
            break
        shared += 1
    return shared


@lru_cache(maxsize=4096)
def stored_size(path: Path) -> tuple[tuple[int, int], int]:
    """Height and width of a picture as its pixels are stored, and EXIF's orientation 1..8.

    Raises:
        InputError: not a readable picture.
    """
    return read_picture(
        path, lambda image: ((image.height, image.width), orientation(image, str(path)))
    )


def upright_size(path: Path) -> tuple[int, int]:
    """``(height, width)`` of a picture, upright.

    Raises:
        InputError: not a readable picture.
    """
    (height, width), orientation = stored_size(path)
    return (width, height) if orientation >= 5 else (height, width)


def turned(mask: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a mask ``(H, W)`` of stored pixels upright, by EXIF's orientation 1..8."""
    return np.ascontiguousarray(_TURNS[orientation](mask)) if orientation in _TURNS else mask
