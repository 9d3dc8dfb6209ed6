"""LVIS-92i: all instances of a class in a picture are one mask; classes in ten folds."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.evaluation.datasets.annotations import expected_layout, read_json, read_pickle
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
from persam.evaluation.datasets.problems import NOT_THERE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np

    from persam.evaluation.datasets.catalogue import DatasetEntry
    from persam.evaluation.datasets.structures import AnyPhoto, Dataset

    # class -> picture, as folder and file name -> segments
    Index = dict[int, dict[str, list[Any]]]

FOLDS, EPISODES = 10, 2300
PICKLE, JSON = "lvis_val.pkl", "lvis_v1_val.json"


def open_lvis92i(entry: DatasetEntry, root: Path, options: EpisodeOptions) -> Dataset[AnyPhoto]:
    """Open LVIS-92i; episode n is of class n modulo the fold's classes, with two pictures drawn.

    Classes with one picture are left out before the folds are made. From the original JSON file
    the classes are taken by number and the pictures as they stand there; the protocol's own file
    may order them otherwise, so its episodes are other ones.

    Raises:
        InputError: something is missing, or options do not fit.
    """
    folder = home(root, entry)
    options.chosen(entry)
    findings = options.findings
    findings.require(folder, "coco")
    if not any((folder / name).is_file() for name in (PICKLE, JSON)):
        findings.add(folder, NOT_THERE, [f"{PICKLE} (or {JSON})"])
    findings.refuse()
    if (folder / PICKLE).is_file():
        file, index = PICKLE, _from_pickle(folder / PICKLE)
    else:
        file, index = JSON, _from_json(folder / JSON)
    index = {number: pictures for number, pictures in index.items() if len(pictures) > 1}
    if len(index) < FOLDS:
        raise InputError(
            f"{folder / file} has {len(index)} classes with two pictures or more; {FOLDS} folds "
            f"need at least {FOLDS}."
        )
    settings = {"annotations": file} | ({"full_protocol": False} if file == JSON else {})
    return assemble(entry, folder, options, partial(_fold, folder, index), settings)


def _from_pickle(file: Path) -> Index:
    held = read_pickle(file)
    with expected_layout(
        file, "class number -> picture name -> {'annotations': [{'segmentation': ...}]}"
    ):
        return {
            number: {
                str(name): [one["segmentation"] for one in facts["annotations"]]
                for name, facts in pictures.items()
            }
            for number, pictures in held.items()
        }


def _from_json(file: Path) -> Index:
    held = read_json(file)
    with expected_layout(file, "COCO's JSON: images with id and coco_url, annotations, categories"):
        # http://images.cocodataset.org/val2017/000000000139.jpg -> val2017/000000000139.jpg
        names = {
            image["id"]: "/".join(PurePosixPath(image["coco_url"]).parts[-2:])
            for image in held["images"]
        }
        index: Index = {number: {} for number in sorted(one["id"] for one in held["categories"])}
        for one in held["annotations"]:
            pictures = index[one["category_id"]]
            pictures.setdefault(names[one["image_id"]], []).append(one["segmentation"])
    return index


def _fold(folder: Path, index: Index, number: int) -> Fold:
    classes = list(index)
    # As many classes in every fold; what is left over at the end belongs to none.
    chosen = [classes[number + FOLDS * place] for place in range(len(classes) // FOLDS)]
    names = {one: list(index[one]) for one in chosen}
    photo = cache(partial(_photo, folder, index))
    return Fold(len(chosen), EPISODES, partial(_draw, names, photo))


def _draw(
    pictures: Mapping[int, list[str]],
    photo: Callable[[int, str], SegmentedPhoto],
    draws: np.random.RandomState,
) -> Iterator[Episode]:
    while True:
        for number, names in pictures.items():
            target = names[pick(draws, len(names))]
            reference = names[pick_other(draws, names, target)]
            yield Episode(_group(number), photo(number, reference), photo(number, target))


def _photo(folder: Path, index: Index, number: int, name: str) -> SegmentedPhoto:
    segments = tuple(index[number][name])
    return SegmentedPhoto(Path(name).stem, folder / "coco" / name, segments, _group(number))


def _group(number: int) -> str:
    return f"{int(number):04d}"
