"""COCO-20i: classes 0 to 79, each picture's labels in one PNG."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

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
from persam.evaluation.datasets.photos import Photo, Values
from persam.evaluation.datasets.problems import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np

    from persam.evaluation.datasets.catalogue import DatasetEntry
    from persam.evaluation.datasets.structures import AnyPhoto, Dataset

CLASSES, FOLDS, EPISODES = 80, 4, 1000


def open_coco20i(entry: DatasetEntry, root: Path, options: EpisodeOptions) -> Dataset[AnyPhoto]:
    """Open COCO-20i; an episode draws a class of the fold, then two different pictures of it.

    Raises:
        InputError: something is missing, or options do not fit.
    """
    folder = home(root, entry)
    splits = [f"splits/val/fold{fold}.pkl" for fold in options.chosen(entry)]
    options.findings.require(folder, "val2014", "annotations/val2014", *splits)
    options.findings.refuse()
    return assemble(entry, folder, options, partial(_fold, folder))


def _fold(folder: Path, number: int) -> Fold:
    classes = range(number, CLASSES, FOLDS)
    file = folder / "splits" / "val" / f"fold{number}.pkl"
    split = read_pickle(file)
    with expected_layout(file, "a dict from class number, 0 to 79, to a list of picture names"):
        names = {one: [str(name) for name in split.get(one, ())] for one in classes}
    findings = Findings()
    few = [str(one) for one, found in names.items() if len(set(found)) < 2]
    findings.add(file, "classes with fewer than two pictures", few)
    findings.refuse()
    return Fold(len(classes), EPISODES, partial(_draw, names, cache(partial(_photo, folder))))


def _draw(
    names: Mapping[int, list[str]],
    photo: Callable[[str, int], Photo],
    draws: np.random.RandomState,
) -> Iterator[Episode]:
    classes = list(names)
    while True:
        number = classes[pick(draws, len(classes))]
        found = names[number]
        target = found[pick(draws, len(found))]
        reference = found[pick_other(draws, found, target)]
        yield Episode(f"{number:02d}", photo(reference, number), photo(target, number))


def _photo(folder: Path, name: str, number: int) -> Photo:
    labels = folder / "annotations" / Path(name).with_suffix(".png")
    value = number + 1  # 0 is background
    return Photo(Path(name).stem, folder / name, labels, Values(value, value, indexed=True))
