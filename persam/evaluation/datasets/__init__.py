"""Data sets: a folder in its official layout in, subjects (reference, targets) out.

A data set is a file here: which files it needs, and how it draws its episodes. What an evaluation
then does with the photos is the same for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.evaluation.datasets.catalogue import CATALOGUE, Entry, find
from persam.evaluation.datasets.coco20i import open_coco20i
from persam.evaluation.datasets.davis import davis, open_davis
from persam.evaluation.datasets.episodes import Options
from persam.evaluation.datasets.fss1000 import open_fss1000
from persam.evaluation.datasets.lvis92i import open_lvis92i
from persam.evaluation.datasets.paco_part import open_paco_part
from persam.evaluation.datasets.pascal_part import open_pascal_part
from persam.evaluation.datasets.perseg_folder import OTHER_SIZE, open_perseg, perseg
from persam.evaluation.datasets.photos import MaskedPhoto, Photo, SegmentedPhoto
from persam.evaluation.datasets.problems import Findings, IncompleteData, Problem
from persam.evaluation.datasets.structures import AnyPhoto, Dataset, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "CATALOGUE",
    "AnyPhoto",
    "Check",
    "Dataset",
    "Entry",
    "IncompleteData",
    "MaskedPhoto",
    "Photo",
    "Problem",
    "SegmentedPhoto",
    "Subject",
    "check",
    "davis",
    "find",
    "open_dataset",
    "perseg",
]

_OPENERS: Mapping[str, Callable[[Entry, Path, Options], Dataset[Any]]] = MappingProxyType(
    {
        "perseg": open_perseg,
        "fss-1000": open_fss1000,
        "lvis-92i": open_lvis92i,
        "pascal-part": open_pascal_part,
        "paco-part": open_paco_part,
        "coco-20i": open_coco20i,
        "davis": open_davis,
    }
)


def open_dataset(
    name: str,
    root: str | Path,
    *,
    folds: Sequence[int] | None = None,
    episodes: int | None = None,
    reference: int = 0,
) -> Dataset[Any]:
    """Open a data set by name, and see that the files it will need are there.

    Args:
        name: as in the catalogue, ``"fss-1000"``.
        root: its folder, or the one that holds it under its usual name.
        folds: numbers from 0 on; None takes all.
        episodes: how many a fold, the first ones; None takes the protocol's number.
        reference: PerSeg: which photo is shown. The others draw it.

    Raises:
        InputError: no such data set, missing or damaged files (all missing ones are named), or
            options that the data set does not have.
    """
    entry = find(name)
    chosen = None if folds is None else tuple(folds)
    return _OPENERS[entry.name](entry, Path(root), Options(chosen, episodes, reference))


@dataclass(frozen=True)
class Check:
    """What is there of a data set.

    Attributes:
        dataset: opened; None where something is missing.
        problems: what is missing or does not fit; empty where all is well.
    """

    dataset: Dataset[Any] | None
    problems: tuple[Problem, ...]


def check(name: str, root: str | Path) -> Check:
    """See whether the whole protocol could run: files, and sizes as the pictures' headers say.

    Raises:
        InputError: no such data set, or a file that says what is needed is itself no use.
    """
    try:
        dataset = open_dataset(name, root)
    except IncompleteData as error:
        return Check(None, error.problems)
    findings = Findings()
    sizes, unreadable = set(), set()
    # Episodes share photos; looking at each once is enough.
    photos = {id(photo): photo for subject in dataset.subjects for photo in subject.photos}
    for photo in photos.values():
        try:
            sizes.add(photo.complaint())
        except InputError as error:
            unreadable.add(str(error))
    findings.add(dataset.root, "unreadable files", unreadable)
    findings.add(dataset.root, OTHER_SIZE, sizes - {None})
    return Check(dataset, tuple(findings.problems))
