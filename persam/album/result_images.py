"""What is made of a photo and its mask: cut-outs, overlays, masks of single objects, tiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from persam.album.contact_sheet import make_tile
from persam.album.output import piece_file
from persam.errors import InputError
from persam.io import drawing
from persam.io.cutouts import make_cutout
from persam.io.images import on_white, read_colours
from persam.io.metadata import NOTHING, read_metadata
from persam.io.picture_file import read_picture
from persam.io.writers import encode_cutout, mask_png, overlay_jpeg

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from PIL.Image import Image

    from persam.album.contact_sheet import Tile
    from persam.album.manifest import Record
    from persam.album.output import Output, Product
    from persam.album.targets import AlbumTarget
    from persam.io.metadata import PhotoMetadata
    from persam.io.own_files import OwnFiles


class PhotoFacts(NamedTuple):
    """What a photo's file says beside its pixels, as far as results want it.

    Attributes:
        metadata: what is carried over to them.
        transparent: whether some of it may be.
    """

    metadata: PhotoMetadata = NOTHING
    transparent: bool = False

    @classmethod
    def of(cls, image: Image) -> PhotoFacts:
        """Ask an opened file."""
        return cls(read_metadata(image), image.has_transparency_data)


class _Results(NamedTuple):
    """What was found in a photo, and where its results go.

    Attributes:
        record: of the photo.
        labels: ``(H, W)`` uint8.
        files: its results.
        metadata: of them.
    """

    record: Record
    labels: np.ndarray
    files: Mapping[Product, Path]
    metadata: PhotoMetadata


class ResultImages:
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

    def facts(self, photo: str | Path) -> PhotoFacts:
        """What the photo says about itself, unless that is to be left out; it is opened once.

        Raises:
            InputError: it cannot be read.
        """
        if self.output.strip and "cutouts" not in self.output.save:
            return PhotoFacts()
        found = read_picture(Path(photo), PhotoFacts.of)
        return found._replace(metadata=NOTHING) if self.output.strip else found

    def show_reference(self) -> None:
        """Write the picture of the reference, where there is one."""
        if self.output.reference:
            self._write("reference", self.output.reference_file, self.output.reference)

    def catch_up(self, record: Record, files: Mapping[Product, Path]) -> tuple[Record, Tile | None]:
        """Make what is asked for now and was not before, from the photo and its mask.

        Returns:
            The record, which knows how its cut-outs look now, and the tile.

        Raises:
            InputError: the photo or its mask cannot be read.
        """
        if "sheet" not in self.output.save and self._is_fresh(record, files):
            return record, None
        colours = read_colours(record.input)
        labels = self.target.read(files["masks"], colours.shape[:2])
        metadata = self.facts(record.input).metadata
        return self._make(_Results(record, labels, files, metadata), colours)

    def make(
        self,
        record: Record,
        files: Mapping[Product, Path],
        labels: np.ndarray,
        image: np.ndarray | None,
        facts: PhotoFacts,
    ) -> tuple[Record, Tile | None]:
        """Make what is asked for of a photo that was looked at now.

        Args:
            record: of the photo.
            files: where its results go.
            labels: ``(H, W)`` uint8, what was found.
            image: ``(H, W, 3)`` uint8 RGB where the picture is still there.
            facts: of the photo.

        Returns:
            The record, which knows how its cut-outs look, and the tile.

        Raises:
            InputError: the photo cannot be read.
        """
        self._remove_old_pieces(record, files)
        found = _Results(record, labels, files, facts.metadata)
        if not self.wanted:
            self._write_piece_masks(found)
            return record, None
        if image is None or ("cutouts" in self.output.save and facts.transparent):
            image = read_colours(record.input)
        return self._make(found, image)

    def _make(self, found: _Results, colours: np.ndarray) -> tuple[Record, Tile | None]:
        record, labels, save = found.record, found.labels, self.output.save
        self._write_piece_masks(found)
        if "cutouts" in save:
            self._write_cutouts(found, colours)
            record = replace(record, cutouts=self.output.look)
        if not {"overlays", "sheet"} & save:
            return record, None
        image = on_white(colours) if colours.shape[2] == 4 else colours
        one = record.found is None
        drawn = (
            drawing.overlay(image, labels > 0, record.points)
            if one
            else drawing.overlay_labels(image, labels)
        )
        if "overlays" in save:
            jpeg = overlay_jpeg(drawn, found.metadata)
            self._write("overlays", found.files["overlays"], jpeg)
        return record, make_tile(image, labels > 0, drawn=drawn) if "sheet" in save else None

    def _write_piece_masks(self, found: _Results) -> None:
        """A black and white mask of every object or instance beside the indexed one."""
        for label, piece in self.target.pieces(found.record).items():
            data = mask_png(found.labels == label, found.metadata)
            self._write("masks of single objects", piece_file(found.files["masks"], piece), data)

    def _write_cutouts(self, found: _Results, colours: np.ndarray) -> None:
        """The object's cut-out; of several objects or instances one each."""
        path = found.files["cutouts"]
        masks = {path: found.labels > 0}
        if found.record.found is not None:
            pieces = self.target.pieces(found.record).items()
            masks = {piece_file(path, piece): found.labels == label for label, piece in pieces}
        for file, mask in masks.items():
            pixels = make_cutout(colours, mask, self.output.style)
            self._write("cutouts", file, encode_cutout(pixels, file.suffix, found.metadata))

    def _is_fresh(self, record: Record, files: Mapping[Product, Path]) -> bool:
        """Whether everything is there and as new as the mask."""
        made = files["masks"].stat().st_mtime_ns
        save, pieces = self.output.save, self.target.pieces(record).values()
        wanted = [piece_file(files["masks"], piece) for piece in pieces]
        if "overlays" in save:
            wanted.append(files["overlays"])
        if "cutouts" in save:
            path = files["cutouts"]
            wanted += [path] if record.found is None else [piece_file(path, p) for p in pieces]
        same = "cutouts" not in save or record.cutouts == self.output.look
        return same and all(p.exists() and p.stat().st_mtime_ns >= made for p in wanted)

    def _remove_old_pieces(self, record: Record, files: Mapping[Product, Path]) -> None:
        """Delete what an earlier run wrote of objects that were not found this time."""
        found = set(self.target.pieces(record).values())
        for piece in set(self.target.piece_names) - found:
            for name in ("masks", "cutouts"):
                path = piece_file(files[name], piece)
                if path.exists():
                    self.own.remove(path)

    def _write(self, kind: str, path: Path, data: bytes) -> None:
        """Write a file, unless somebody has changed the one that is there."""
        theirs = not self.output.overwrite_hand_work and self.own.state(path) == "changed"
        if theirs or kind in self._failed:
            return
        try:
            self.own.write(path, data)
        except InputError as error:
            self.give_up(kind, error)
