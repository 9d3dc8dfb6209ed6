"""The files of what is taken away: masks, cut-outs, overlays, photos, labels of other tools."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from persam.io import drawing
from persam.io.cutouts import CutoutStyle, make_cutout
from persam.io.images import read_image
from persam.io.labels import (
    FORMATS,
    Label,
    LabelClass,
    LabelledPicture,
    LabelSet,
    Origin,
    write_label_set,
)
from persam.io.metadata import read_metadata
from persam.io.palette import colour, number_masks
from persam.io.writers import write_labels, write_mask, write_overlay, written_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from persam.album.manifest import FoundObject
    from persam.app.objects import NamedObject
    from persam.app.photos import MediaFile

PRODUCTS = ("masks", "cutouts", "overlays", "photos", "concepts", *FORMATS)


@dataclass(frozen=True)
class ExportOptions:
    """What is taken away.

    Attributes:
        products: any of :data:`PRODUCTS`.
        min_presence: objects below it are left out, but for those that a person marked.
        name: of the folder in ``exports``; empty for the date and time.
        cutouts: how cut-outs look.
    """

    products: frozenset[str]
    min_presence: float
    name: str = ""
    cutouts: CutoutStyle = field(default_factory=lambda: CutoutStyle(crop=0.0))


class ExportWriter:
    """Writes photo by photo; labels of other tools at the end, when all are known."""

    def __init__(
        self, folder: Path, options: ExportOptions, objects: tuple[NamedObject, ...]
    ) -> None:
        self.folder, self.options, self.objects = folder, options, objects
        self.formats = [name for name in FORMATS if name in options.products]
        self._pictures: list[LabelledPicture] = []

    def write(
        self,
        photo: MediaFile,
        stem: str,
        masks: Mapping[str, np.ndarray],
        found: Mapping[str, FoundObject],
    ) -> None:
        """Write all files of a photo.

        Args:
            photo: where the objects are.
            stem: name of its files.
            masks: ``(height, width)`` bool each, by object name.
            found: what the search said of them.

        Raises:
            InputError: the photo cannot be read, or a file cannot be written.
        """
        products = self.options.products
        if "photos" in products:
            with written_whole(self.folder / "photos" / f"{stem}{photo.path.suffix}") as part:
                shutil.copy2(photo.path, part)
        if not masks:
            return
        labels = number_masks(self._every(masks), next(iter(masks.values())).shape)
        if "masks" in products:
            self._write_mask(stem, labels)
        if {"cutouts", "overlays"} & products:
            image = read_image(photo.path)
            if "overlays" in products:
                drawn = drawing.overlay_labels(image, labels)
                write_overlay(self.folder / "overlays" / f"{stem}.jpg", drawn)
            if "cutouts" in products:
                self._write_cutouts(photo, stem, image, masks)
        if self.formats:
            self._pictures.append(self._labelled(photo, stem, masks, found))

    def finish(self) -> list[str]:
        """Write the labels of other tools; what a format had no place for, a line each."""
        classes = tuple(
            LabelClass(number, one.name, "#{:02x}{:02x}{:02x}".format(*colour(number)))
            for number, one in enumerate(self.objects, start=1)
        )
        labels, losses = LabelSet(classes, tuple(self._pictures)), []
        for name in self.formats:
            losses += write_label_set(labels, self.folder / name, name).losses
        return losses

    def _write_mask(self, stem: str, labels: np.ndarray) -> None:
        path = self.folder / "masks" / f"{stem}.png"
        if len(self.objects) > 1:
            write_labels(path, labels)
        else:
            write_mask(path, labels > 0)

    def _write_cutouts(
        self, photo: MediaFile, stem: str, image: np.ndarray, masks: Mapping[str, np.ndarray]
    ) -> None:
        """A cut-out an object, which says of itself what the photo says."""
        style, metadata = self.options.cutouts, read_metadata(photo.path)
        for name, mask in masks.items():
            piece = f"{stem}.{name}" if len(masks) > 1 else stem
            cut = Image.fromarray(make_cutout(image, mask, style))
            kind = "WEBP" if style.format == "webp" else "PNG"
            with written_whole(self.folder / "cutouts" / f"{piece}.{style.format}") as part:
                cut.save(part, kind, **metadata.save_options(kind, cut.mode))

    def _labelled(
        self,
        photo: MediaFile,
        stem: str,
        masks: Mapping[str, np.ndarray],
        found: Mapping[str, FoundObject],
    ) -> LabelledPicture:
        marks = {one.name: one.mark(str(photo.path)) for one in self.objects}
        labels = []
        for name, mask in masks.items():
            answer = found.get(name)
            if marks[name] is None and answer is not None:
                origin = Origin("model", name, None, answer.score, answer.presence)
            else:
                origin = Origin("person")
            labels.append(Label.of_mask(name, mask, origin=origin))
        size = next(iter(masks.values())).shape
        file = f"{stem}{photo.path.suffix}"
        return LabelledPicture(file, (size[0], size[1]), tuple(labels), photo.path)

    def _every(self, masks: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """A mask an object, in the order of their numbers; nothing where one is not there."""
        nothing = np.zeros(next(iter(masks.values())).shape, dtype=bool)
        return [masks.get(one.name, nothing) for one in self.objects]
