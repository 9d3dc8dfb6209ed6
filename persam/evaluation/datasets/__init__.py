"""Data sets: a folder in its official layout in, subjects (reference, targets) out.

A data set is a file here: which files it needs, and how it draws its episodes. What an evaluation
then does with the photos is the same for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from persam.evaluation.datasets.catalogue import CATALOGUE, DatasetEntry, find
from persam.evaluation.datasets.coco20i import open_coco20i
from persam.evaluation.datasets.davis import davis, open_davis
from persam.evaluation.datasets.episodes import EpisodeOptions, home
from persam.evaluation.datasets.fold_lists import open_isaid5i, open_pascal5i
from persam.evaluation.datasets.fss1000 import open_fss1000
from persam.evaluation.datasets.lvis92i import open_lvis92i
from persam.evaluation.datasets.paco_part import open_paco_part
from persam.evaluation.datasets.pascal_part import open_pascal_part
from persam.evaluation.datasets.permis import open_permis
from persam.evaluation.datasets.perseg_folder import OTHER_SIZE, open_perseg, perseg
from persam.evaluation.datasets.photos import Photo, SegmentedPhoto, Values
from persam.evaluation.datasets.problems import Findings, IncompleteData, Problem
from persam.evaluation.datasets.structures import AnyPhoto, Dataset, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "CATALOGUE",
    "AnyPhoto",
    "Check",
    "Dataset",
    "DatasetEntry",
    "IncompleteData",
    "Photo",
    "Problem",
    "SegmentedPhoto",
    "Subject",
    "Values",
    "check",
    "davis",
    "find",
    "open_dataset",
    "perseg",
]

_OPENERS: Mapping[str, Callable[[DatasetEntry, Path, EpisodeOptions], Dataset[Any]]] = (
    MappingProxyType(
        {
            "perseg": open_perseg,
            "fss-1000": open_fss1000,
            "lvis-92i": open_lvis92i,
            "pascal-part": open_pascal_part,
            "paco-part": open_paco_part,
            "coco-20i": open_coco20i,
            "pascal-5i": open_pascal5i,
            "isaid-5i": open_isaid5i,
            "permis": open_permis,
            "davis": open_davis,
        }
    )
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

    Example:
        >>> from persam import samples
        >>> open_dataset("perseg", samples.PICTURES).photos
        6
    """
    entry = find(name)
    options = EpisodeOptions(None if folds is None else tuple(folds), episodes, reference)
    dataset = _OPENERS[entry.name](entry, Path(root), options)
    options.findings.refuse()
    return dataset


@dataclass(frozen=True)
class Check:
    """What is there of a data set.

    Attributes:
        dataset: opened; None where something is wrong.
        problems: what is missing or does not fit; empty where all is well.
        empty: pictures whose true mask is empty where the protocol counts them all the same.

    Example:
        >>> from persam import samples
        >>> check("perseg", samples.PICTURES).empty
        ()
    """

    dataset: Dataset[Any] | None
    problems: tuple[Problem, ...]
    empty: tuple[str, ...] = ()


def check(name: str, root: str | Path) -> Check:
    """See whether the whole protocol could run: files, sizes by the headers, and every mask.

    The masks are what takes long: all of them are read or drawn.

    Raises:
        InputError: no such data set, or no such folder.

    Example:
        >>> from persam import samples
        >>> check("perseg", samples.PICTURES).problems
        ()
    """
    entry, options = find(name), EpisodeOptions()
    home(Path(root), entry)
    dataset, empty = None, set[str]()
    with options.findings.gathering(root):
        dataset = _OPENERS[entry.name](entry, Path(root), options)
        empty = _inspect(dataset, options.findings)
    problems = tuple(options.findings.problems)
    return Check(None if problems else dataset, problems, tuple(sorted(empty)))


def _inspect(dataset: Dataset[Any], findings: Findings) -> set[str]:
    """Look at the photos whose files are there; gives those whose mask is empty."""
    empty: set[str] = set()
    # Episodes share photos; looking at each once is enough.
    photos = {id(photo): photo for subject in dataset.subjects for photo in subject.photos}
    for photo in photos.values():
        if not all(file.is_file() for file in photo.files):
            continue  # named already
        with findings.gathering(dataset.root):
            complaint = photo.complaint()
            if complaint is not None:
                findings.add(dataset.root, OTHER_SIZE, [complaint])
            elif not photo.truth().any():
                empty.add(photo.describe())
    return empty
