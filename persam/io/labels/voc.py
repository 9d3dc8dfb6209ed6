"""Pascal VOC and DAVIS: pictures whose pixels are numbers of classes, or of objects."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError
from persam.io.folders import is_picture
from persam.io.labels.fields import Problems, as_whole, read_text
from persam.io.labels.label_set import LabelledPicture, LabelSet
from persam.io.labels.notes import Notes
from persam.io.labels.orientation import upright
from persam.io.labels.structures import Label, LabelClass
from persam.io.palette import MOST, VOID, colour
from persam.io.picture_file import open_picture

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from PIL import Image

    from persam.io.labels.pictures import PictureFolder

CLASSES, OBJECTS, PICTURES = "SegmentationClass", "SegmentationObject", "JPEGImages"
NAMES = "labelmap.txt"
_LISTS = ("class_names.txt", "classes.txt", "labels.txt")  # a name a line, without colours

_SOME = 20  # pictures of a folder that are looked into

Rgb = tuple[int, int, int]


def has_label_maps(folder: Path) -> bool:
    """Whether any of the first PNG files below a folder has numbers for pixels, not colours."""
    return any(map(_is_map, islice(folder.rglob("*.png"), _SOME)))


def _is_map(path: Path) -> bool:
    try:
        return len(open_picture(path, upright=False).getbands()) == 1
    except InputError:
        return False


def read_voc(path: Path, pictures: PictureFolder) -> LabelSet:
    """Read label maps: ``SegmentationClass`` and ``SegmentationObject``, or a folder of maps.

    Classes have the names of ``labelmap.txt`` or of a list of names; without either they are
    called by their numbers. 255, the void border, is nobody's. Without objects apart, all pixels
    of a class are one object.

    Args:
        path: the folder; of DAVIS, ``Annotations/...`` of a sequence or of all.
        pictures: where the pictures are; they have the names of the maps.

    Raises:
        InputError: there are no maps; single bad ones are problems of the answer.
    """
    folder = path / CLASSES if (path / CLASSES).is_dir() else path
    maps = sorted(file for file in folder.rglob("*.png") if is_picture(file))
    if not maps:
        raise InputError(f"{path} has no label maps: {CLASSES}/*.png, or *.png were expected.")
    notes, colours = Notes.read(path), _colours(path)
    listed = {one.name: one for one in notes.classes}
    problems = Problems()
    found: list[LabelledPicture] = []
    names: dict[int, str] = {}
    for file in maps:
        with problems.noted(str(file)):
            stem = file.relative_to(folder).with_suffix("").as_posix()
            numbers = _numbers(open_picture(file, upright=False), colours)
            objects = _objects(path / OBJECTS / f"{stem}.png", numbers.shape)
            for number in np.unique(numbers).tolist():
                names.setdefault(number, _name(number, colours))
            picture = pictures.find(stem)
            name = stem if picture is None else stem + picture.suffix
            labels = [notes.restored(name, one) for one in _labels(numbers, objects, names)]
            height, width = numbers.shape
            one = LabelledPicture(name, (height, width), tuple(labels))
            found.append(upright(one, picture))
    every = {number: _name(number, colours) for number, _ in colours.values()} | names
    classes = [
        listed.get(name, LabelClass(number, name, _colour_of(number, colours)))
        for number, name in sorted(every.items())
        if number not in (0, VOID) or name in listed
    ]
    return LabelSet(tuple(classes), tuple(found), tuple(problems.lines))


def _colours(path: Path) -> dict[Rgb, tuple[int, str]]:
    """Number and name of each colour, by ``labelmap.txt``, or of VOC's own by a list of names."""
    file = path / NAMES
    if file.is_file():
        lines = [line.split(":") for line in read_text(file).splitlines()]
        lines = [line for line in lines if line[0].strip() and not line[0].startswith("#")]
        found = {_rgb(line, file): (number, line[0].strip()) for number, line in enumerate(lines)}
        if len(found) < len(lines):
            raise InputError(f"{file}: two classes have one colour.")
        return found
    for name in _LISTS:
        if (path / name).is_file():
            words = [line.strip() for line in read_text(path / name).splitlines()]
            words = [word for word in words if word and word != "__ignore__"]
            return {colour(number): (number, word) for number, word in enumerate(words[:MOST])}
    return {}


def _rgb(line: list[str], file: Path) -> Rgb:
    parts = line[1].split(",") if len(line) > 1 else []
    values = [as_whole(part, f"{file}: a colour of {line[0]!r}") for part in parts]
    if len(values) != 3 or not all(0 <= value <= 255 for value in values):
        raise InputError(
            f"{file}: {line[0]!r} needs a colour as 128,0,0; got {':'.join(line[1:])!r}."
        )
    return values[0], values[1], values[2]


def _numbers(image: Image.Image, colours: Mapping[Rgb, tuple[int, str]]) -> np.ndarray:
    """``(H, W)`` uint8 class numbers of a map, by its colours where names go by colours."""
    if image.mode in ("L", "1"):
        return np.array(image.convert("L"))
    if image.mode == "P" and not colours:
        return np.array(image)
    known = {rgb: number for rgb, (number, _) in colours.items()}
    if not known:
        raise InputError(
            f"its pixels are of type {image.mode}; without a {NAMES} that names their colours they "
            f"mean nothing"
        )
    pixels = np.array(image.convert("RGB")).astype(np.uint32)
    codes, inverse = np.unique(pixels @ np.array([65536, 256, 1], np.uint32), return_inverse=True)
    numbers = []
    for code in codes.tolist():
        rgb = (code >> 16, code >> 8 & 255, code & 255)
        if rgb not in known and rgb not in ((0, 0, 0), colour(VOID)):
            raise InputError(f"{NAMES} names no class of the colour {rgb}")
        numbers.append(known.get(rgb, 0 if rgb == (0, 0, 0) else VOID))
    return np.array(numbers, dtype=np.uint8)[inverse].reshape(pixels.shape[:2])


def _objects(file: Path, size: tuple[int, ...]) -> np.ndarray | None:
    """``(H, W)`` numbers that tell objects apart, where the map is there."""
    if not file.is_file():
        return None
    image = open_picture(file, upright=False)
    if image.mode in ("L", "P", "1"):
        objects = np.array(image).astype(np.uint32)
    else:
        objects = np.array(image.convert("RGB")) @ np.array([65536, 256, 1], np.uint32)
    if objects.shape != size:
        raise InputError(f"{file} has another size than the map of classes")
    return objects


def _name(number: int, colours: Mapping[Rgb, tuple[int, str]]) -> str:
    named = dict(colours.values())
    return named.get(number, str(number))


def _colour_of(number: int, colours: Mapping[Rgb, tuple[int, str]]) -> str:
    named = {known: rgb for rgb, (known, _) in colours.items()}
    red, green, blue = named.get(number, colour(number))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _labels(
    numbers: np.ndarray, objects: np.ndarray | None, names: Mapping[int, str]
) -> list[Label]:
    labels = []
    for number in np.unique(numbers).tolist():
        if number in (0, VOID):
            continue
        here = numbers == number
        if objects is None:
            labels.append(Label.of_mask(names[number], here))
            continue
        for one in np.unique(objects[here]).tolist():
            labels.append(Label.of_mask(names[number], here & (objects == one)))
    return labels
