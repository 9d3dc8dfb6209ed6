"""What a person takes away: masks, cut-outs, found photos, concept files, as one new folder."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import numpy as np

from persam.app.commands import command_lines
from persam.app.learning import at_presence
from persam.errors import InputError
from persam.io import drawing
from persam.io.folders import name_outputs
from persam.io.images import read_image
from persam.io.metadata import read_metadata
from persam.io.palette import number_masks
from persam.io.writers import (
    overlay_jpeg,
    write_bytes,
    write_cutout,
    write_labels,
    write_mask,
    write_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from persam.app.objects import NamedObject
    from persam.app.photos import MediaFile
    from persam.app.session import Session

Product = Literal["masks", "cutouts", "overlays", "photos", "concepts"]
_NAME = re.compile(r"\w[\w .-]{0,59}")


@dataclass(frozen=True)
class ExportOptions:
    """What is taken away.

    Attributes:
        products: any of :data:`Product`.
        min_presence: objects below it are left out, but for those that a person marked.
        name: of the folder in ``exports``; empty for the date and time.
    """

    products: frozenset[Product]
    min_presence: float
    name: str = ""


def export(session: Session, options: ExportOptions) -> Path:
    """Begin to write a new folder of results, photo by photo in the background.

    Returns:
        The folder.

    Raises:
        InputError: a job is running, a name that is taken or none, or nothing to take.
    """
    if not options.products:
        raise InputError("Choose what to take away.")
    folder = _new_folder(session.run / "exports", options.name)
    photos = [photo for photo in session.media.photos.values() if accepted(session, photo, options)]
    if not photos and options.products != {"concepts"}:
        raise InputError("No photo shows the object at this presence. Move the slider, or search.")
    session.job.start("Writing", len(photos), lambda: _write_all(session, options, folder, photos))
    return folder


def accepted(session: Session, photo: MediaFile, options: ExportOptions) -> list[str]:
    """Names of the objects that are in a photo: by the person's word, else by presence."""
    found = session.results.found(photo.path)
    names = []
    for one in session.state.objects:
        mark = one.mark(str(photo.path))
        if mark is not None:
            there = mark.kind in ("shown", "corrected", "right")
        else:
            answer = found.get(one.name)
            there = answer is not None and answer.box is not None
            there = there and (answer.presence is None or answer.presence >= options.min_presence)
        names += [one.name] if there else []
    return names


def _write_all(
    session: Session, options: ExportOptions, folder: Path, photos: list[MediaFile]
) -> None:
    stems = name_outputs([photo.path for photo in photos], {})
    if "concepts" in options.products:
        for one in session.state.objects:
            if one.learnable:
                concept = at_presence(session.model.learner.concept(one), options.min_presence)
                concept.save(folder / f"{one.stem}.safetensors")
    for photo, stem in zip(photos, stems, strict=True):
        _write(session, options, folder, (photo, stem))
        session.job.step()
    write_text(folder / "commands.txt", "\n".join(command_lines(session)) + "\n")
    session.events.publish("exported", folder=str(folder), photos=len(photos))


def _write(
    session: Session, options: ExportOptions, folder: Path, named: tuple[MediaFile, str]
) -> None:
    (photo, stem), objects = named, session.state.objects
    names = accepted(session, photo, options)
    masks = {n: m for n, m in session.results.masks(photo.path, objects).items() if n in names}
    if "photos" in options.products:
        folder.joinpath("photos").mkdir(parents=True, exist_ok=True)
        shutil.copy2(photo.path, folder / "photos" / f"{stem}{photo.path.suffix}")
    if not masks:
        return
    labels = number_masks(_apart(masks, objects), next(iter(masks.values())).shape)
    if "masks" in options.products:
        path = folder / "masks" / f"{stem}.png"
        _write_labels(path, labels, several=len(objects) > 1)
    if {"cutouts", "overlays"} & options.products:
        image = read_image(photo.path)
        if "overlays" in options.products:
            drawn = drawing.overlay_labels(image, labels)
            write_bytes(folder / "overlays" / f"{stem}.jpg", overlay_jpeg(drawn))
        if "cutouts" in options.products:
            _write_cutouts(folder / "cutouts", stem, photo, (image, masks))


def _write_cutouts(
    folder: Path, stem: str, photo: MediaFile, found: tuple[np.ndarray, Mapping[str, np.ndarray]]
) -> None:
    """A cut-out an object, each as large as its object."""
    (image, masks), metadata = found, read_metadata(photo.path)
    for name, mask in masks.items():
        if mask.any():
            file = f"{stem}.{name}.png" if len(masks) > 1 else f"{stem}.png"
            cut = drawing.crop(drawing.cutout(image, mask), mask)
            write_cutout(folder / file, cut, metadata)


def _write_labels(path: Path, labels: np.ndarray, *, several: bool) -> None:
    if several:
        write_labels(path, labels)
    else:
        write_mask(path, labels > 0)


def _apart(masks: Mapping[str, np.ndarray], objects: tuple[NamedObject, ...]) -> list[np.ndarray]:
    """A mask an object, in the order of their numbers; nothing where one is not there."""
    nothing = np.zeros(next(iter(masks.values())).shape, dtype=bool)
    return [masks.get(one.name, nothing) for one in objects]


def _new_folder(parent: Path, name: str) -> Path:
    name = name.strip() or datetime.now().strftime("%Y-%m-%d %H.%M.%S")
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise InputError(
            "The folder's name has up to 60 letters, digits, blanks, dots, hyphens or underscores."
        )
    folder = parent / name
    if folder.exists():
        raise InputError(f"There is a folder {name} in exports already. Choose another name.")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}.") from error
    return folder
