"""PASCAL-Part: one object is cut out, and one of its parts is the mask; super-classes are folds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.evaluation.datasets.annotations import expected_layout, read_json
from persam.evaluation.datasets.episodes import Episode, EpisodeOptions, Fold, assemble, home, pick
from persam.evaluation.datasets.photos import SegmentedPhoto
from persam.evaluation.datasets.problems import MISSING_FILES, Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from persam.evaluation.datasets.catalogue import DatasetEntry
    from persam.evaluation.datasets.structures import AnyPhoto, Dataset

EPISODES = 2500
LISTS = "all_obj_part_to_image.json"
PARTS, PICTURES = "Annotations_Part_json_merged_part_classes", "JPEGImages"
LEFT_OUT = ("aeroplane", "TAIL")  # by the protocol
TRIES = 10_000  # a part that no drawn object has is not there at all
EXPECTED_LISTS = "super-class -> 'object' -> object -> 'part' -> part -> 'train', 'val' -> names"
EXPECTED_PARTS = "'object': [{'name', 'bndbox', 'parts': [{'name', 'mask': [run lengths]}]}]"


@dataclass(frozen=True)
class _Part:
    """One class: a part of a kind of object, and the validation pictures that list it."""

    thing: str
    name: str
    pictures: tuple[str, ...]

    @property
    def group(self) -> str:
        return f"{self.thing}+{self.name}"


def open_pascal_part(entry: DatasetEntry, root: Path, options: EpisodeOptions) -> Dataset[AnyPhoto]:
    """Open PASCAL-Part; episode n is of class n modulo the fold's parts, pictures drawn.

    An object that turns out not to have the part is drawn again with its picture.

    Raises:
        InputError: something is missing, or options do not fit.
    """
    options.chosen(entry)
    folder = home(root, entry)
    inside = folder / "VOCdevkit" / "VOC2010"
    folder = inside if inside.is_dir() else folder
    options.findings.require(folder, LISTS, PARTS, PICTURES)
    options.findings.refuse()
    lists = read_json(folder / LISTS)
    return assemble(entry, folder, options, lambda n: _fold(folder, lists, entry.folds[n]))


def _fold(folder: Path, lists: Any, name: str) -> Fold:
    with expected_layout(folder / LISTS, EXPECTED_LISTS):
        things = {thing: facts["part"] for thing, facts in lists[name]["object"].items()}
        # The excluded part still counts towards the number of episodes.
        count = sum(len(part["val"]) for parts in things.values() for part in parts.values())
        classes = [
            _Part(thing, part, tuple(facts["val"]))
            for thing, parts in things.items()
            for part, facts in parts.items()
            if facts["train"] and facts["val"] and (thing, part) != LEFT_OUT
        ]
    _refuse(folder, name, classes)
    photos = cache(partial(_photos, folder))
    return Fold(len(classes), min(count, EPISODES), partial(_draw_all, folder, classes, photos))


def _refuse(folder: Path, fold: str, classes: Sequence[_Part]) -> None:
    findings = Findings()
    if not classes:
        findings.add(folder / LISTS, "super-classes without a usable part", [fold])
    few = [part.group for part in classes if len(set(part.pictures)) < 2]
    findings.add(folder / LISTS, "parts with fewer than two validation pictures", few)
    pictures = {picture for part in classes for picture in part.pictures}
    files = [f"{PARTS}/{picture}.json" for picture in pictures]
    files += [f"{PICTURES}/{picture}.jpg" for picture in pictures]
    findings.add(folder, MISSING_FILES, [name for name in files if not (folder / name).is_file()])
    findings.refuse()


def _draw_all(
    folder: Path,
    classes: Sequence[_Part],
    photos: Callable[[_Part, str], list[SegmentedPhoto | None]],
    draws: np.random.RandomState,
) -> Iterator[Episode]:
    """Draw; where an annotation file stands in the way, look at all of them before refusing."""
    try:
        yield from _draw(classes, photos, draws)
    except InputError:
        findings = Findings()
        for part in classes:
            for picture in part.pictures:
                with findings.gathering(folder):
                    photos(part, picture)
        findings.refuse()
        raise


def _draw(
    classes: Sequence[_Part],
    photos: Callable[[_Part, str], list[SegmentedPhoto | None]],
    draws: np.random.RandomState,
) -> Iterator[Episode]:
    while True:
        for part in classes:
            target = _photo(part, photos, draws)
            yield Episode(part.group, _photo(part, photos, draws, target.stem), target)


def _photo(
    part: _Part,
    photos: Callable[[_Part, str], list[SegmentedPhoto | None]],
    draws: np.random.RandomState,
    taken: str = "",
) -> SegmentedPhoto:
    for _ in range(TRIES):
        picture = part.pictures[pick(draws, len(part.pictures))]
        if picture == taken:
            continue
        objects = photos(part, picture)
        photo = objects[pick(draws, len(objects))]
        if photo is not None:
            return photo
    raise InputError(
        f"Of the {len(part.pictures)} pictures that {LISTS} lists under {part.group}, fewer than "
        f"two have a {part.thing} with that part. Get lists and annotations from the same source."
    )


def _photos(folder: Path, part: _Part, picture: str) -> list[SegmentedPhoto | None]:
    """Every such object in a picture, cut out; None for one that lacks the part."""
    file = folder / PARTS / f"{picture}.json"
    held = read_json(file)
    with expected_layout(file, EXPECTED_PARTS):
        things = [thing for thing in held["object"] if thing["name"] == part.thing]
        if not things:
            raise InputError(
                f"{file} has no {part.thing}, but {LISTS} lists it under {part.group}. Get both "
                f"from the same source."
            )
        return [_cut_out(folder, part, picture, thing) for thing in things]


def _cut_out(
    folder: Path, part: _Part, picture: str, thing: Mapping[str, Any]
) -> SegmentedPhoto | None:
    masks = [one["mask"] for one in thing["parts"] if one["name"] == part.name]
    if not masks:
        return None
    segments = tuple(run for mask in masks for run in mask)
    x0, y0, x1, y1 = (int(thing["bndbox"][side]) for side in ("xmin", "ymin", "xmax", "ymax"))
    file = folder / PICTURES / f"{picture}.jpg"
    return SegmentedPhoto(picture, file, segments, part.group, (x0, y0, x1, y1))
