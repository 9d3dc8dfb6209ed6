"""Writes Pascal VOC's label maps, as CVAT's "Segmentation mask" has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError
from persam.io.labels.label_set import LabelledPicture, LabelSet
from persam.io.labels.notes import Notes
from persam.io.labels.structures import Label, LabelClass
from persam.io.labels.voc import CLASSES, NAMES, OBJECTS, PICTURES, Rgb
from persam.io.labels.writing import Target, Written
from persam.io.palette import MOST, VOID, colour
from persam.io.writers import write_labels, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write_voc(labels: LabelSet, target: Target) -> Written:
    """Write maps of classes and of objects, ``labelmap.txt``, the list of maps, and pictures.

    A pixel of several objects goes to the smallest; boxes and points have no place.

    Raises:
        InputError: a file cannot be written, or there are more classes than a map has numbers.
    """
    if len(labels.classes) > MOST:
        raise InputError(f"A label map holds {MOST} classes; got {len(labels.classes)}.")
    palette = _palette(labels.classes)
    notes = Notes(labels.classes)
    files: list[Path] = []
    losses: list[str] = []
    for picture in labels.pictures:
        stem, image = target.stem_of(picture), target.picture_of(picture)
        masks = _masks(picture, losses)
        classes, objects = _maps(masks, labels.classes, picture.size)
        for label, seen in _as_seen(masks, objects):
            if seen is None or seen.runs != label.runs:
                losses.append(f"{picture.name}: another object covers some of a {label.name!r}")
            if seen is not None:
                notes.note(image.as_posix(), seen)
        places = [target.folder / kind / f"{stem}.png" for kind in (CLASSES, OBJECTS)]
        write_labels(places[0], classes, palette)
        write_labels(places[1], objects)
        files += places
        target.place(picture, f"{PICTURES}/{image}")
    listing = target.folder / "ImageSets" / "Segmentation" / "default.txt"
    write_text(listing, "".join(f"{target.stem_of(one)}\n" for one in labels.pictures))
    write_text(target.folder / NAMES, _labelmap(labels.classes))
    written = (*files, listing, target.folder / NAMES, notes.write(target.folder))
    return Written(written, tuple(losses))


def _masks(picture: LabelledPicture, losses: list[str]) -> list[Label]:
    """The labels of a picture that a map can show."""
    masks = [label for label in picture.labels if label.kind == "mask" and not label.crowd]
    if len(masks) < len(picture.labels):
        left = len(picture.labels) - len(masks)
        losses.append(f"{picture.name}: maps have no boxes, points or crowds; {left} left out")
    if len(masks) > MOST:
        raise InputError(f"{picture.name} has {len(masks)} objects; a label map holds {MOST}.")
    return masks


def _as_seen(masks: list[Label], objects: np.ndarray) -> Iterator[tuple[Label, Label | None]]:
    """Each label, and how its map will be read; None where other objects cover all of it."""
    for number, label in enumerate(masks, start=1):
        seen = objects == number
        shown = Label.of_mask(label.name, seen, origin=label.origin) if seen.any() else None
        yield label, shown


def _maps(
    masks: list[Label], known: tuple[LabelClass, ...], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """``(H, W)`` uint8 maps of classes and objects, the smallest object painted last."""
    numbers = {one.name: number for number, one in enumerate(known, start=1)}
    classes, objects = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    painted = {number: label.mask for number, label in enumerate(masks, start=1)}
    for number, mask in sorted(painted.items(), key=lambda one: -int(one[1].sum())):
        classes[mask], objects[mask] = numbers[masks[number - 1].name], number
    return classes, objects


def _rgb_of(one: LabelClass, number: int, taken: set[Rgb]) -> Rgb:
    said = one.colour or ""
    digits = said[1:] if len(said) == 7 and said.startswith("#") else ""
    try:
        value = int(digits, 16)
    except ValueError:
        value = 0
    rgb = (value >> 16, value >> 8 & 255, value & 255)
    free = rgb not in taken and rgb not in ((0, 0, 0), colour(VOID))
    return rgb if free else colour(number)


def _palette(classes: tuple[LabelClass, ...]) -> bytes:
    """Colours of all numbers: the classes' own where they have some that tell them apart."""
    colours = [colour(number) for number in range(256)]
    taken = {colour(number) for number in range(len(classes) + 1)}
    for number, one in enumerate(classes, start=1):
        colours[number] = _rgb_of(one, number, taken)
        taken.add(colours[number])
    return bytes(value for rgb in colours for value in rgb)


def _labelmap(classes: tuple[LabelClass, ...]) -> str:
    palette = _palette(classes)
    lines = ["# label:color_rgb:parts:actions", "background:0,0,0::"]
    for number, one in enumerate(classes, start=1):
        rgb = ",".join(map(str, palette[3 * number : 3 * number + 3]))
        lines.append(f"{one.name.replace(':', ' ')}:{rgb}::")
    return "".join(line + "\n" for line in lines)
