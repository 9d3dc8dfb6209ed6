"""Episodes as the one-shot benchmarks draw them: a class, a picture to show, another to search.

The protocol is Matcher's: every fold starts from seed 0, and a draw among n is the first of a
permutation of n, so the same files give the same episodes as the official loaders draw. A run with
fewer episodes takes the first ones; their names do not change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import InputError
from persam.evaluation.datasets.problems import Findings, listed
from persam.evaluation.datasets.structures import AnyPhoto, Dataset, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from persam.evaluation.datasets.catalogue import Entry

SEED = 0
SIDE = 518  # of the square that pictures and masks are compared at


@dataclass(frozen=True)
class Options:
    """What a user chooses of a protocol; None and 0 are the official choice."""

    folds: tuple[int, ...] | None = None
    episodes: int | None = None
    reference: int = 0

    def chosen(self, entry: Entry) -> tuple[int, ...]:
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
        classes: how many it has.
        episodes: how many the protocol draws.
        draw: yields episodes from a stream of random numbers, at least ``episodes`` of them.
    """

    classes: int
    episodes: int
    draw: Callable[[np.random.RandomState], Iterator[Episode]]


def assemble(
    entry: Entry,
    root: Path,
    options: Options,
    fold_of: Callable[[int], Fold],
    settings: Mapping[str, Any] | None = None,
) -> Dataset[AnyPhoto]:
    """Draw the episodes of the chosen folds and see that their files are there.

    Args:
        entry: the data set.
        root: its folder.
        options: what to open.
        fold_of: makes a fold ready by number.
        settings: what else the report should say, or say otherwise.

    Raises:
        InputError: options that do not fit, or missing files; all are named.
    """
    folds = options.chosen(entry)
    ready = {number: fold_of(number) for number in folds}
    subjects: list[Subject[AnyPhoto]] = []
    for number, fold in ready.items():
        count = options.episodes or fold.episodes
        drawn = fold.draw(np.random.RandomState(SEED))
        name = entry.folds[number]
        found = [_subject(name, *pair) for pair in enumerate(islice(drawn, count))]
        if len(found) < count:
            raise InputError(
                f"{entry.title} has {len(found)} episodes here, not {count}; ask for at most that."
            )
        subjects += found
    refuse_missing(root, subjects)
    whole = len(folds) == len(entry.folds) and options.episodes is None
    facts = {
        "folds": [entry.folds[number] or "all" for number in folds],
        "classes": sum(fold.classes for fold in ready.values()),
        "episodes": len(subjects),
        "shots": 1,
        "seed": SEED,
        "full_protocol": whole,
        **(settings or {}),
    }
    return Dataset(entry.name, root, tuple(subjects), settings=facts, size=SIDE)


def _subject(fold: str, number: int, episode: Episode) -> Subject[AnyPhoto]:
    safe = re.sub(r"[^A-Za-z0-9+._-]", "_", episode.group)
    name = f"{fold}-{number:04d}_{safe}" if fold else f"{number:04d}_{safe}"
    return Subject(name, episode.reference, (episode.target,), group=episode.group, fold=fold)


def refuse_missing(root: Path, subjects: Sequence[Subject[AnyPhoto]]) -> None:
    """See that all files of all photos exist.

    Raises:
        IncompleteData: some do not.
    """
    # Episodes share photos: by identity, as telling equal segments apart takes long.
    photos = {id(photo): photo for subject in subjects for photo in subject.photos}.values()
    files = {file for photo in photos for file in photo.files}
    findings = Findings()
    missing = [within(file, root) for file in files if not file.is_file()]
    findings.add(root, "missing files", missing)
    findings.refuse()


def within(file: Path, root: Path) -> str:
    """A file's path from the root on, with forward slashes."""
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


def home(root: Path, entry: Entry) -> Path:
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


def require(folder: Path, *names: str) -> None:
    """See that files and folders of a layout are there.

    Raises:
        IncompleteData: some are not; all are named.
    """
    findings = Findings()
    missing = [name for name in names if not (folder / name).exists()]
    findings.add(folder, "missing (`persam datasets` shows the layout)", missing)
    findings.refuse()


def pick(draws: np.random.RandomState, count: int) -> int:
    """Draw one of ``count`` as the official loaders do: the first of a permutation."""
    return int(draws.permutation(count)[0])  # what choice(count, replace=False) does inside


def pick_other(draws: np.random.RandomState, names: Sequence[str], taken: str) -> int:
    """Draw until the name is another one than ``taken``; the caller sees that there is one."""
    while True:
        number = pick(draws, len(names))
        if names[number] != taken:
            return number
