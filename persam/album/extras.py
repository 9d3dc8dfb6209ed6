"""What is made of a photo and its mask: cut-outs, overlays, the tiles of the contact sheet."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from persam.album.contact_sheet import make_tile
from persam.errors import InputError
from persam.io import drawing
from persam.io.images import on_white, read_colours, read_profile
from persam.io.picture_file import read_picture
from persam.io.writers import cutout_png, overlay_jpeg

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from persam.album.contact_sheet import Tile
    from persam.album.manifest import Record
    from persam.album.output import Output, Product
    from persam.album.targets import AlbumTarget
    from persam.runs import OwnFiles


class Extras:
    """Makes what was asked for besides masks. Its methods are safe in any thread.

    A mask is the work, and all else can be made again from it: where a cut-out or an overlay cannot
    be written, as on a full disk, the run goes on without that kind.
    """

    def __init__(self, target: AlbumTarget, output: Output, own: OwnFiles) -> None:
        """Take what is looked for, what is asked for, and the files of the folder."""
        self.target, self.output, self.own = target, output, own
        self._failed: dict[str, str] = {}
        self._lock = Lock()

    @property
    def wanted(self) -> bool:
        """Whether anything but masks is asked for."""
        return bool(self.output.save - {"masks"})

    @property
    def not_written(self) -> tuple[str, ...]:
        """Why kinds of results are missing, one line each."""
        return tuple(f"No more {kind}: {reason}" for kind, reason in self._failed.items())

    def give_up(self, kind: str, error: InputError) -> None:
        """Make no more results of a kind."""
        with self._lock:
            self._failed.setdefault(kind, str(error))

    def catch_up(self, record: Record, files: Mapping[Product, Path]) -> Tile | None:
        """Make what is asked for now and was not before, from the photo and its mask.

        Raises:
            InputError: the photo or its mask cannot be read.
        """
        if not self.wanted:
            return None
        made = files["masks"].stat().st_mtime_ns
        pictures = [files[name] for name in ("cutouts", "overlays") if name in self.output.save]
        fresh = all(path.exists() and path.stat().st_mtime_ns >= made for path in pictures)
        if fresh and "sheet" not in self.output.save:
            return None
        colours = read_colours(record.input)
        labels = self.target.read(files["masks"], colours.shape[:2])
        return self._make(record, files, labels, colours)

    def make(
        self,
        record: Record,
        files: Mapping[Product, Path],
        labels: np.ndarray,
        image: np.ndarray | None,
    ) -> Tile | None:
        """Make what is asked for of a photo that was looked at now.

        Args:
            record: of the photo.
            files: where its results go.
            labels: ``(H, W)`` uint8, what was found.
            image: ``(H, W, 3)`` uint8 RGB where the picture is still there.

        Raises:
            InputError: the photo cannot be read.
        """
        if not self.wanted:
            return None
        if image is None or ("cutouts" in self.output.save and _is_transparent(record.input)):
            image = read_colours(record.input)
        return self._make(record, files, labels, image)

    def _make(
        self, record: Record, files: Mapping[Product, Path], labels: np.ndarray, colours: np.ndarray
    ) -> Tile | None:
        save, mask = self.output.save, labels > 0
        if "cutouts" in save:
            data = cutout_png(drawing.cutout(colours, mask), read_profile(record.input))
            self._write("cutouts", files["cutouts"], data)
        if not {"overlays", "sheet"} & save:
            return None
        image = on_white(colours) if colours.shape[2] == 4 else colours
        one = record.found is None
        drawn = (
            drawing.overlay(image, mask, record.points)
            if one
            else drawing.overlay_labels(image, labels)
        )
        if "overlays" in save:
            self._write("overlays", files["overlays"], overlay_jpeg(drawn))
        return make_tile(image, mask, drawn=drawn) if "sheet" in save else None

    def _write(self, kind: str, path: Path, data: bytes) -> None:
        """Write a file, unless somebody has changed the one that is there."""
        changed = self.own.state(path) == "changed" and not self.output.overwrite_hand_work
        if kind in self._failed or changed:
            return
        try:
            self.own.write(path, data)
        except InputError as error:
            self.give_up(kind, error)


def _is_transparent(photo: str) -> bool:
    return read_picture(Path(photo), lambda image: image.has_transparency_data)
