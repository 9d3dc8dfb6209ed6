"""Where label files go, and how: what all writers are given."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from persam.errors import InputError
from persam.io.folders import real_path
from persam.io.labels.label_set import LabelledPicture
from persam.io.writers import write_bytes, written_whole

Pictures = Literal["copy", "link", "none"]
ERROR = 1.0  # pixels that a polygon may leave a mask's outline, where nothing else is asked for


@dataclass(frozen=True)
class Target:
    """A folder of label files.

    Attributes:
        folder: made where it is missing.
        error: how far in pixels polygons may leave the outline of a mask; 0 follows it exactly.
        pictures: put them beside the labels as copies or as links, or leave them where they are.
    """

    folder: Path
    error: float = ERROR
    pictures: Pictures = "copy"

    def __post_init__(self) -> None:
        check_error(self.error)

    def place(self, picture: LabelledPicture, name: str | PurePosixPath) -> None:
        """Put a picture where the tool looks for it, if it is at hand and not there already.

        Args:
            picture: which one.
            name: where, below the folder.

        Raises:
            InputError: it cannot be written there.
        """
        place = self.folder / name
        if picture.path is not None:
            place_picture(picture.path, place, self.pictures)
        elif picture.data is not None and self.pictures != "none" and not os.path.lexists(place):
            write_bytes(place, picture.data)

    def stem_of(self, picture: LabelledPicture) -> PurePosixPath:
        """Name of the picture's own files below a folder, without an ending; never outside of it.

        Example:
            >>> Target(Path("out")).stem_of(LabelledPicture("../a/dog.jpg", (1, 1))).as_posix()
            'a/dog'
        """
        parts = PurePosixPath(picture.name.replace("\\", "/")).parts
        inside = [part.replace(":", "_") for part in parts if part not in ("..", ".", "/")]
        return PurePosixPath(*inside or ["picture"]).with_suffix("")

    def picture_of(self, picture: LabelledPicture) -> PurePosixPath:
        """The same with the picture's own ending."""
        suffix = PurePosixPath(picture.name).suffix if picture.path is None else picture.path.suffix
        stem = self.stem_of(picture)
        return stem.with_name(stem.name + suffix)


@dataclass(frozen=True)
class Written:
    """What a writer did.

    Attributes:
        files: of labels that it wrote.
        losses: one line for each thing that the format cannot say.

    Example:
        >>> Written((Path("labels.json"),)).losses
        ()
    """

    files: tuple[Path, ...]
    losses: tuple[str, ...] = ()


def check_error(error: float) -> None:
    """Refuse polygons that have nothing to do with the mask.

    Raises:
        InputError: names what is allowed.
    """
    if not 0 <= error <= 100:
        raise InputError(f"Polygons leave outlines by 0 to 100 pixels; got {error}.")


def place_picture(source: Path, target: Path, how: Pictures) -> None:
    """Copy or link a picture, unless something is in its place already.

    Raises:
        InputError: it cannot be written there.
    """
    if how == "none" or os.path.lexists(target):
        return
    source = real_path(source)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if how == "link":
            target.symlink_to(os.path.relpath(source, real_path(target.parent)))
        else:
            with written_whole(target) as part:
                shutil.copy2(source, part)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror or error}.") from error
