"""PACO-Part: one object instance is cut out, and one of its parts is the mask."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from persam.evaluation.datasets.annotations import expected_layout, read_pickle
from persam.evaluation.datasets.episodes import (
    Episode,
    EpisodeOptions,
    Fold,
    assemble,
    home,
    pick,
    pick_other,
)
from persam.evaluation.datasets.photos import SegmentedPhoto
from persam.evaluation.datasets.problems import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    import numpy as np

    from persam.evaluation.datasets.catalogue import DatasetEntry
    from persam.evaluation.datasets.photos import Box
    from persam.evaluation.datasets.structures import AnyPhoto, Dataset

FOLDS, EPISODES = 4, 2500
TRAIN, VAL = "paco/paco_part_train.pkl", "paco/paco_part_val.pkl"
EXPECTED = (
    "{'cid2img': {class: [{picture number: name}]}, 'img2anno': {picture number: [{'category_id', "
    "'obj_ann_id', 'obj_bbox', 'segmentation'}]}}"
)


@dataclass(frozen=True)
class _Parts:
    """What the file says.

    Attributes:
        pictures: class -> (picture's number, name), each picture once.
        annotations: picture's number -> its parts.
    """

    pictures: dict[int, list[tuple[Hashable, str]]]
    annotations: dict[Hashable, list[dict[str, Any]]]

    def photos(self, folder: Path, number: int, place: int) -> list[SegmentedPhoto]:
        """The objects in a picture of a class that have the part, each cut out."""
        picture, name = self.pictures[number][place]
        found: dict[Hashable, list[dict[str, Any]]] = {}
        for part in self.annotations[picture]:
            if part["category_id"] == number:
                found.setdefault(part["obj_ann_id"], []).append(part)
        return [
            SegmentedPhoto(
                Path(name).stem,
                folder / "coco" / name,
                tuple(part["segmentation"] for part in parts),
                _group(number),
                _box(parts[0]["obj_bbox"]),
            )
            for parts in found.values()
        ]


def open_paco_part(entry: DatasetEntry, root: Path, options: EpisodeOptions) -> Dataset[AnyPhoto]:
    """Open PACO-Part; an episode draws a class, a picture, an object in it, and so a second time.

    The folds go by the order of the classes in the training file; of a fold's classes, those with
    two validation pictures or more are used.

    Raises:
        InputError: something is missing, or options do not fit.
    """
    folder = home(root, entry)
    options.chosen(entry)
    findings = options.findings
    findings.require(folder, "coco", TRAIN, VAL)
    findings.refuse()
    order, parts = list[int](), _Parts({}, {})
    with findings.gathering(folder):
        order = _order(folder / TRAIN)
    with findings.gathering(folder):
        parts = _read(folder / VAL)
    findings.refuse()
    return assemble(entry, folder, options, partial(_fold, folder, order, parts))


def _order(file: Path) -> list[int]:
    held = read_pickle(file)
    with expected_layout(file, EXPECTED):
        return list(held["cid2img"])


def _read(file: Path) -> _Parts:
    held = read_pickle(file)
    with expected_layout(file, EXPECTED):
        pictures = {}
        for number, entries in held["cid2img"].items():
            once: dict[Hashable, str] = {}
            for entry in entries:
                picture, name = next(iter(entry.items()))
                once.setdefault(picture, "/".join(PurePosixPath(name).parts[-2:]))
            pictures[number] = list(once.items())
        return _Parts(pictures, held["img2anno"])


def _box(corner_and_sides: Sequence[float]) -> Box:
    x, y, width, height = corner_and_sides
    return int(x), int(y), int(x + width), int(y + height)


def _fold(folder: Path, order: Sequence[int], parts: _Parts, number: int) -> Fold:
    listed = [order[number + FOLDS * place] for place in range(len(order) // FOLDS)]
    usable = [one for one in listed if len(parts.pictures.get(one, ())) > 1]
    findings = Findings()
    if not usable:
        findings.add(folder / VAL, "folds without a class of two pictures", [str(number)])
    findings.refuse()
    names = {one: [name for _, name in parts.pictures[one]] for one in usable}
    photos = cache(partial(_photos, folder, parts))
    draw = partial(_draw, names, photos)
    return Fold(len(usable), EPISODES, draw, listed=len(listed))


def _draw(
    pictures: Mapping[int, list[str]],
    photos: Callable[[int, int], list[SegmentedPhoto]],
    draws: np.random.RandomState,
) -> Iterator[Episode]:
    classes = list(pictures)
    while True:
        number = classes[pick(draws, len(classes))]
        names = pictures[number]
        place = pick(draws, len(names))
        # The object is drawn before the other picture, as in the official order of draws.
        objects = photos(number, place)
        target = objects[pick(draws, len(objects))]
        others = photos(number, pick_other(draws, names, names[place]))
        yield Episode(_group(number), others[pick(draws, len(others))], target)


def _photos(folder: Path, parts: _Parts, number: int, place: int) -> list[SegmentedPhoto]:
    with expected_layout(folder / VAL, EXPECTED):
        found = parts.photos(folder, number, place)
        if not found:
            raise ValueError(f"no part {number} in picture {parts.pictures[number][place]}")
        return found


def _group(number: Any) -> str:
    return f"{number:04d}" if isinstance(number, int) else str(number)
