"""FSS-1000: ten pictures a class, each searched once, another of the ten shown."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.evaluation.datasets.episodes import (
    Episode,
    Fold,
    Options,
    assemble,
    home,
    pick_other,
    require,
)
from persam.evaluation.datasets.photos import Photo, Values
from persam.evaluation.datasets.problems import Findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np

    from persam.evaluation.datasets.catalogue import Entry
    from persam.evaluation.datasets.structures import AnyPhoto, Dataset

SPLITS = ("splits/test.txt", "fss_test_set.txt")
SHOWN_NUMBERS = [str(number) for number in range(1, 11)]  # the references are drawn from these


def open_fss1000(entry: Entry, root: Path, options: Options) -> Dataset[AnyPhoto]:
    """Open FSS-1000; queries in the order of the classes' names, then of the pictures' as text.

    Raises:
        InputError: something is missing, or options do not fit.
    """
    folder = home(root, entry)
    require(folder, "data")
    split = next((name for name in SPLITS if (folder / name).is_file()), None)
    if split is None:
        raise InputError(
            f"{folder} has no {SPLITS[0]} with the 240 test classes, one name a line, and no "
            f"{SPLITS[1]} either. `persam datasets` says where they come from."
        )
    lines = (folder / split).read_text(encoding="utf-8").splitlines()
    classes = sorted({line.strip() for line in lines if line.strip()})
    pictures = _pictures(folder / "data", classes)
    draw = partial(_draw, folder / "data", pictures)
    count = sum(map(len, pictures.values()))
    fold = Fold(len(classes), count, draw)
    return assemble(entry, folder, options, lambda _: fold, {"split": split})


def _pictures(data: Path, classes: Sequence[str]) -> dict[str, list[str]]:
    """The pictures' stems by class; all that is missing is named."""
    findings = Findings()
    findings.add(data, "classes without a folder", [c for c in classes if not (data / c).is_dir()])
    findings.refuse()
    stems = {name: _stems(data / name, ".jpg") for name in classes}
    masks = {name: set(_stems(data / name, ".png")) for name in classes}
    pairs = [(name, stem) for name, found in stems.items() for stem in found]
    lone = [f"{name}/{stem}.png" for name, stem in pairs if stem not in masks[name]]
    findings.add(data, "missing masks", lone)
    gaps = [f"{c}/{n}.jpg" for c in classes for n in SHOWN_NUMBERS if n not in stems[c]]
    findings.add(data, "missing pictures", gaps)
    if not classes:
        findings.add(data.parent, "empty list of test classes", SPLITS)
    findings.refuse()
    return stems


def _stems(folder: Path, suffix: str) -> list[str]:
    # Sorted with the suffix on, as the official loader does: 1.jpg, 10.jpg, 2.jpg.
    names = sorted(path.name for path in folder.iterdir() if path.suffix == suffix)
    return [name.removesuffix(suffix) for name in names if not name.startswith(".")]


def _draw(
    data: Path, pictures: dict[str, list[str]], draws: np.random.RandomState
) -> Iterator[Episode]:
    for name, stems in pictures.items():
        for stem in stems:
            shown = SHOWN_NUMBERS[pick_other(draws, SHOWN_NUMBERS, stem)]
            yield Episode(name, _photo(data / name, shown), _photo(data / name, stem))


def _photo(folder: Path, stem: str) -> Photo:
    image, mask = folder / f"{stem}.jpg", folder / f"{stem}.png"
    return Photo(stem, image, mask, Values(128, 255, indexed=False))
