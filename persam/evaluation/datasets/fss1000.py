"""FSS-1000: ten pictures a class, each searched once, another of the ten shown."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.evaluation.datasets.episodes import (
    Episode,
    EpisodeOptions,
    Fold,
    assemble,
    home,
    pick_other,
)
from persam.evaluation.datasets.photos import Photo, Values
from persam.evaluation.datasets.problems import MISSING_FILES, NOT_THERE, Findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np

    from persam.evaluation.datasets.catalogue import DatasetEntry
    from persam.evaluation.datasets.structures import AnyPhoto, Dataset

SPLITS = ("splits/test.txt", "fss_test_set.txt")
NUMBERS = [str(number) for number in range(1, 11)]  # the references are drawn from these


def open_fss1000(entry: DatasetEntry, root: Path, options: EpisodeOptions) -> Dataset[AnyPhoto]:
    """Open FSS-1000; queries in the order of the classes' names, then of the pictures' as text.

    Raises:
        InputError: something is missing, or options do not fit.
    """
    folder, findings = home(root, entry), options.findings
    findings.require(folder, "data")
    split = next((name for name in SPLITS if (folder / name).is_file()), "")
    if not split:
        findings.add(folder, NOT_THERE, [f"{SPLITS[0]}, one test class a line (or {SPLITS[1]})"])
    findings.refuse()
    lines = (folder / split).read_text(encoding="utf-8-sig").splitlines()
    classes = sorted({line.strip() for line in lines if line.strip()})
    if not classes:
        findings.add(folder, "empty list of test classes", [split])
    pictures = _pictures(folder, classes, findings)
    count = sum(map(len, pictures.values()))
    if options.episodes is not None and options.episodes > count:
        findings.refuse()
        raise InputError(
            f"{entry.title} has {count} episodes here, not {options.episodes}; ask for at most "
            f"that."
        )
    fold = Fold(len(pictures), count, partial(_draw, folder / "data", pictures))
    return assemble(entry, folder, options, lambda _: fold, {"split": split})


def _pictures(folder: Path, classes: Sequence[str], findings: Findings) -> dict[str, list[str]]:
    """The pictures' stems by class; what is missing goes to the findings."""
    data = folder / "data"
    there = [name for name in classes if (data / name).is_dir()]
    findings.add(data, "classes without a folder", set(classes) - set(there))
    stems = {name: _stems(data / name, ".jpg") for name in there}
    # Any of the ten may be shown, whether or not a draw happens to take it.
    gaps = [f"data/{c}/{n}.jpg" for c in there for n in NUMBERS if n not in stems[c]]
    findings.add(folder, MISSING_FILES, gaps)
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
            reference = NUMBERS[pick_other(draws, NUMBERS, stem)]
            yield Episode(name, _photo(data / name, reference), _photo(data / name, stem))


def _photo(folder: Path, stem: str) -> Photo:
    image, mask = folder / f"{stem}.jpg", folder / f"{stem}.png"
    return Photo(stem, image, mask, Values(128, 255, indexed=False))
