"""Episodes as the one-shot benchmarks draw them: a class, a picture to show, another to search.

The protocol is Matcher's: every fold starts from seed 0, and a draw among n is the first of a
permutation of n, so the same files give the same episodes as the official loaders draw. A run with
fewer episodes takes the first ones; their names do not change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import InputError
from persam.evaluation.datasets.problems import MISSING_FILES, Findings, listed
from persam.evaluation.datasets.structures import AnyPhoto, Dataset, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from persam.evaluation.datasets.catalogue import DatasetEntry

SEED = 0
SIDE = 518  # of the square that pictures and masks are compared at


@dataclass(frozen=True)
class EpisodeOptions:
    """What a user chooses of a protocol; None and 0 are the official choice.

    Attributes:
        folds: numbers from 0 on.
        episodes: how many a fold.
        reference: PerSeg: which photo is shown.
        findings: takes up what is wrong on the way. Whoever opens a data set goes on as long as
            it can, so that all problems are named at once; the caller refuses.
    """

    folds: tuple[int, ...] | None = None
    episodes: int | None = None
    reference: int = 0
    findings: Findings = field(default_factory=Findings, compare=False)

    def chosen(self, entry: DatasetEntry) -> tuple[int, ...]:
        """The folds to open, ascending.

        Raises:
            InputError: a fold that the data set does not have, no fold, a number of episodes below
                1, or a reference to choose where it is drawn.
        """
        every = range(len(entry.folds))
        folds = tuple(every) if self.folds is None else tuple(sorted(set(self.folds)))
        if not folds or not set(folds) <= set(every):
            raise InputError(
                f"{entry.title} has the folds {listed(map(str, every))}; got "
                f"{listed(map(str, folds)) or 'none'}."
            )
        if self.episodes is not None and self.episodes < 1:
            raise InputError(f"Episodes are at least 1; got {self.episodes}.")
        if self.reference != 0:
            raise InputError(
                f"The references of {entry.title} are drawn by its protocol, so reference "
                f"{self.reference} cannot be chosen; leave it out."
            )
        return folds


@dataclass(frozen=True)
class Episode:
    """One question: what the reference shows of the class, found in the target."""

    group: str
    reference: AnyPhoto
    target: AnyPhoto


@dataclass(frozen=True)
class Fold:
    """A fold that is ready to be drawn from.

    Attributes:
        classes: how many it draws from.
        episodes: how many the protocol draws.
        draw: yields episodes from a stream of random numbers, at least ``episodes`` of them.
        listed: how many classes the protocol lists, where some cannot be drawn from.
    """

    classes: int
    episodes: int
    draw: Callable[[np.random.RandomState], Iterator[Episode]]
    listed: int | None = None


def assemble(
    entry: DatasetEntry,
    root: Path,
    options: EpisodeOptions,
    fold_of: Callable[[int], Fold],
    settings: Mapping[str, Any] | None = None,
) -> Dataset[AnyPhoto]:
    """Draw the episodes of the chosen folds and see that their files are there.

    Folds that cannot be drawn and files that are missing go to the findings of the options.

    Args:
        entry: the data set.
        root: its folder.
        options: what to open.
        fold_of: makes a fold ready by number.
        settings: what else the report should say, or say otherwise.

    Raises:
        InputError: options that do not fit.
    """
    folds = options.chosen(entry)
    ready: list[Fold] = []
    subjects: list[Subject[AnyPhoto]] = []
    for number in folds:
        with options.findings.gathering(root):
            fold = fold_of(number)
            drawn = islice(
                fold.draw(np.random.RandomState(SEED)), options.episodes or fold.episodes
            )
            subjects += [_subject(entry.folds[number], *pair) for pair in enumerate(drawn)]
            ready.append(fold)
    _find_missing(root, subjects, options.findings)
    listed_classes = sum(fold.classes if fold.listed is None else fold.listed for fold in ready)
    facts = {
        "folds": [entry.folds[number] or "all" for number in folds],
        "classes": sum(fold.classes for fold in ready),
        "episodes": len(subjects),
        "shots": 1,
        "seed": SEED,
        "full_protocol": len(folds) == len(entry.folds)
        and options.episodes is None
        and listed_classes == entry.classes
        and entry.episodes in (None, len(subjects)),
        **(settings or {}),
    }
    return Dataset(entry.name, root, tuple(subjects), settings=facts, size=SIDE)


def _subject(fold: str, number: int, episode: Episode) -> Subject[AnyPhoto]:
    safe = re.sub(r"[^A-Za-z0-9+._-]", "_", episode.group)
    name = f"{fold}-{number:04d}_{safe}" if fold else f"{number:04d}_{safe}"
    return Subject(name, episode.reference, (episode.target,), group=episode.group, fold=fold)


def _find_missing(root: Path, subjects: Sequence[Subject[AnyPhoto]], findings: Findings) -> None:
    # Episodes share photos: by identity, as telling equal segments apart takes long.
    photos = {id(photo): photo for subject in subjects for photo in subject.photos}.values()
    files = {file for photo in photos for file in photo.files}
    findings.add(root, MISSING_FILES, [within(file, root) for file in files if not file.is_file()])


def within(file: Path, root: Path) -> str:
    """A file's path from the root on, with forward slashes."""
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


def home(root: Path, entry: DatasetEntry) -> Path:
    """The data set's own folder: the root, or the folder of its usual name in it.

    Raises:
        InputError: the root is not a folder.
    """
    if not root.is_dir():
        raise InputError(
            f"{root} is not a folder. Give the folder {entry.folder}, or the one that holds it; "
            f"`persam datasets` shows its layout."
        )
    inside = root / entry.folder
    return inside if inside.is_dir() else root


def pick(draws: np.random.RandomState, count: int) -> int:
    """Draw one of ``count`` as the official loaders do: the first of a permutation."""
    return int(draws.permutation(count)[0])  # what choice(count, replace=False) does inside


def pick_other(draws: np.random.RandomState, names: Sequence[str], taken: str) -> int:
    """Draw until the name is another one than ``taken``; the caller sees that there is one."""
    while True:
        number = pick(draws, len(names))
        if names[number] != taken:
            return number
