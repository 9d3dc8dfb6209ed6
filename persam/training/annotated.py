"""Photos with many annotated things -> scenes that are kept whole, and crops of them.

A tar holds ``images/NAME.jpg``, ``masks/NAME.png`` (0 nothing labelled, 1..254 instances, 255 not
to be judged) and ``instances.json`` (picture -> instance -> label). Some of its pictures are left
out of training by name, for measuring.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from persam.errors import InputError
from persam.io.picture_bytes import PictureBytes
from persam.io.picture_checks import DAMAGE
from persam.io.picture_file import open_picture
from persam.io.special_files import refuse_special

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

HELD_OUT = 100  # pictures of every tar
# Parts of people that nobody asks for as a thing.
UNASKED = frozenset({"skin", "hair"})
IGNORED = 255


@dataclass(frozen=True, eq=False)
class Annotated:
    """One photo and its things.

    Attributes:
        name: of the picture, within its tar.
        source: the tar's name.
        picture, mask: the files' bytes.
        labels: instance number -> label, without :data:`UNASKED`.
    """

    name: str
    source: str
    picture: bytes = field(repr=False)
    mask: bytes = field(repr=False)
    labels: Mapping[int, str]

    def read(self) -> tuple[Image.Image, np.ndarray]:
        """The picture, RGB, and ``(H, W)`` uint8 instance numbers."""
        image, mask = (
            open_picture(PictureBytes(f"{self.source}/{self.name}", data), upright=False)
            for data in (self.picture, self.mask)
        )
        return image.convert("RGB"), np.array(mask)


def held_out(names: Iterable[str], count: int = HELD_OUT) -> set[str]:
    """The pictures that training never sees: those whose names' SHA-256 come first.

    Example:
        >>> sorted(held_out(["a", "b", "c"], 1))
        ['c']
    """
    return set(sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:count])


def read_annotated(tars: Sequence[Path], *, left_out: bool = False) -> list[Annotated]:
    """Read tars of annotated photos, without those that are held out.

    Args:
        tars: each as above.
        left_out: the held-out ones instead.

    Raises:
        InputError: not such a tar.
    """
    found: list[Annotated] = []
    for path in tars:
        files = _files(path)
        try:
            instances = json.loads(files["instances.json"])
            apart = held_out(instances)
            found += [
                Annotated(
                    name,
                    path.stem,
                    files[f"images/{name}.jpg"],
                    files[f"masks/{name}.png"],
                    {int(k): v for k, v in things.items() if v not in UNASKED},
                )
                for name, things in sorted(instances.items())
                if (name in apart) == left_out
            ]
        except (KeyError, ValueError, AttributeError) as error:
            raise InputError(
                f"{path} should hold images/NAME.jpg, masks/NAME.png and instances.json for the "
                f"same names; {error} is missing or wrong."
            ) from error
    return found


def _files(path: Path) -> dict[str, bytes]:
    refuse_special(path)
    try:
        with tarfile.open(path) as tar:
            members = ((member, tar.extractfile(member)) for member in tar if member.isfile())
            return {member.name: file.read() for member, file in members if file is not None}
    except (OSError, tarfile.TarError, *DAMAGE) as error:
        raise InputError(f"Annotated photos are read from tars; {path} is none: {error}") from error


@dataclass(frozen=True, eq=False)
class PhotoCrop:
    """A part of an annotated photo, stretched over a square of ``s`` pixels.

    Attributes:
        pixels: ``(s, s, 3)`` uint8.
        objects: ``(k, s, s)`` uint8, 255 on each thing.
        labels: of each.
        numbers: of each, within its photo; 0 is all labels together.
        ignored: ``(s, s)`` bool.
    """

    pixels: np.ndarray
    objects: np.ndarray
    labels: tuple[str, ...]
    numbers: tuple[int, ...]
    ignored: np.ndarray


SMALLEST = 0.003  # share of the crop below which a thing is not asked for
SEEN = 0.4  # share of a thing that has to be within the crop
PERSON_SHARE = 0.15  # of the photos with garments, how often all labels together are one thing


def crop(photo: Annotated, side: int, most: int, chance: np.random.Generator) -> PhotoCrop:
    """Draw a part of a photo: all of it, or the surroundings of one of its things.

    Args:
        photo: the photo.
        side: of the square, in pixels.
        most: things at most; the others stay in the picture unasked.
        chance: the only source of it.
    """
    image, numbers = photo.read()
    box = _window(numbers, photo.labels, chance)
    cut = numbers[box[1] : box[3], box[0] : box[2]]
    things = _things(numbers, cut, photo.labels)
    if photo.source == "ccp" and chance.random() < PERSON_SHARE:
        things.append((0, "person"))
    chosen = [things[i] for i in chance.permutation(len(things))[:most]]
    masks = [
        cut == number if number else np.isin(cut, (0, IGNORED), invert=True) for number, _ in chosen
    ]
    flip = slice(None, None, -1 if chance.random() < 0.5 else 1)
    size = (side, side)
    pixels = np.asarray(image.crop(box).resize(size, Image.Resampling.BILINEAR))[:, flip]
    objects = np.zeros((len(masks), side, side), np.uint8)
    for place, mask in enumerate(masks):
        objects[place] = _stretch(mask, size)[:, flip]
    ignored = _stretch(cut == IGNORED, size)[:, flip] > 0
    labels = tuple(label for _, label in chosen)
    return PhotoCrop(pixels.copy(), objects, labels, tuple(n for n, _ in chosen), ignored)


def _stretch(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    grey = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(grey.resize(size, Image.Resampling.BILINEAR))


def _things(
    numbers: np.ndarray, cut: np.ndarray, labels: Mapping[int, str]
) -> list[tuple[int, str]]:
    """Numbers and labels of a crop's things; without crumbs and what is mostly outside."""
    whole = np.bincount(numbers.ravel(), minlength=256)
    here = np.bincount(cut.ravel(), minlength=256)
    return [
        (number, label)
        for number, label in labels.items()
        if here[number] > max(SMALLEST * cut.size, SEEN * whole[number])
    ]


def _window(
    numbers: np.ndarray, labels: Mapping[int, str], chance: np.random.Generator
) -> tuple[int, int, int, int]:
    """``x0, y0, x1, y1``: near all of the picture, or a thing with as much about it as it has."""
    height, width = numbers.shape
    present = [n for n in labels if (numbers == n).any()]
    if not present or chance.random() < 0.4:
        share = chance.uniform(0.75, 1, 2)
        sides = np.array([width, height]) * share
        centre = chance.uniform(sides / 2, np.array([width, height]) - sides / 2)
    else:
        number = present[int(chance.integers(len(present)))]
        rows, columns = np.nonzero(numbers == number)
        extent = np.array([np.ptp(columns), np.ptp(rows)]) + 1
        middle = np.array([columns.min(), rows.min()]) + extent / 2
        most = max(extent) * chance.uniform(1.3, 4)
        sides = np.clip(most * np.exp(chance.uniform(-0.25, 0.25, 2)), 64, (width, height))
        room = np.maximum(sides - extent, 0) / 2
        centre = middle + chance.uniform(-1, 1, 2) * room
        centre = np.clip(centre, sides / 2, np.array([width, height]) - sides / 2)
    low, high = np.floor(centre - sides / 2).astype(int), np.ceil(centre + sides / 2).astype(int)
    low, high = np.maximum(low, 0), np.minimum(high, (width, height))
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


class Album:
    """Annotated photos, dealt so that what one shows another shows, too."""

    def __init__(self, photos: Sequence[Annotated]) -> None:
        self.photos = photos
        self.sources = sorted({photo.source for photo in photos})
        self._of = {s: [i for i, p in enumerate(photos) if p.source == s] for s in self.sources}
        self._with: dict[str, list[int]] = {}
        for index, photo in enumerate(photos):
            for label in set(photo.labels.values()):
                self._with.setdefault(label, []).append(index)

    def deal(self, count: int, chance: np.random.Generator) -> list[int]:
        """Draw photos: one, the same again, one that shares a label with it, and so on.

        Args:
            count: how many.
            chance: the only source of it.
        """
        drawn: list[int] = []
        while len(drawn) < count:
            source = self._of[self.sources[int(chance.integers(len(self.sources)))]]
            first = source[int(chance.integers(len(source)))]
            labels = sorted(set(self.photos[first].labels.values()))
            mates = self._with[labels[int(chance.integers(len(labels)))]] if labels else [first]
            drawn += [first, first, mates[int(chance.integers(len(mates)))]]
        return drawn[:count]
