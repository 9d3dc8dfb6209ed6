"""PASCAL-5i and iSAID-5i: a text file a fold, whose lines are a picture and the number of a class.

Every line is searched once for its class, another picture of the class's lines shown. Pixels that
the annotators left open (255) count as right, whatever is found there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from itertools import cycle
from typing import TYPE_CHECKING

from persam.evaluation.datasets.annotations import expected_layout
from persam.evaluation.datasets.episodes import (
    Episode,
    EpisodeOptions,
    Fold,
    assemble,
    home,
    pick_other,
)
from persam.evaluation.datasets.photos import Photo, Values
from persam.evaluation.datasets.problems import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np

    from persam.evaluation.datasets.catalogue import DatasetEntry
    from persam.evaluation.datasets.structures import AnyPhoto, Dataset

CLASSES_A_FOLD, OPEN = 5, 255
Line = tuple[str, int]  # a picture's name, and a class, counted from 1


@dataclass(frozen=True)
class Layout:
    """Where a data set keeps its files.

    Attributes:
        pictures, labels: folders; labels hold class numbers, 0 for the rest.
        picture, label: what follows a picture's name.
        episodes: how many a fold; None for one a line.
    """

    pictures: str
    labels: str
    picture: str
    label: str
    episodes: int | None = None


PASCAL = Layout("JPEGImages", "SegmentationClassAug", ".jpg", ".png", 1000)
ISAID = Layout("val/images", "val/semantic_png", ".png", "_instance_color_RGB.png")


def open_pascal5i(entry: DatasetEntry, root: Path, options: EpisodeOptions) -> Dataset[AnyPhoto]:
    """Open PASCAL-5i; 1,000 episodes a fold go through its lines, from the first again at the end.

    Raises:
        InputError: something is missing, or options do not fit.
    """
    return _open(PASCAL, entry, root, options)


def open_isaid5i(entry: DatasetEntry, root: Path, options: EpisodeOptions) -> Dataset[AnyPhoto]:
    """Open iSAID-5i; one episode a line.

    Raises:
        InputError: something is missing, or options do not fit.
    """
    return _open(ISAID, entry, root, options)


def _open(
    layout: Layout, entry: DatasetEntry, root: Path, options: EpisodeOptions
) -> Dataset[AnyPhoto]:
    folder = home(root, entry)
    lists = [f"splits/val/fold{fold}.txt" for fold in options.chosen(entry)]
    options.findings.require(folder, layout.pictures, layout.labels, *lists)
    options.findings.refuse()
    return assemble(entry, folder, options, partial(_fold, layout, folder))


def _fold(layout: Layout, folder: Path, number: int) -> Fold:
    file = folder / "splits" / "val" / f"fold{number}.txt"
    lines = _lines(file, range(CLASSES_A_FOLD * number + 1, CLASSES_A_FOLD * (number + 1) + 1))
    draw = partial(_draw, lines, cache(partial(_photo, layout, folder)))
    return Fold(len({one for _, one in lines}), layout.episodes or len(lines), draw)


def _lines(file: Path, classes: range) -> list[Line]:
    """The lines of a fold, in their order.

    Raises:
        InputError: not such a file, a class of another fold, or one with a single picture.
    """
    expected = f"lines like 2007_000033__{classes[0]:02d}, their classes {classes[0]} to "
    lines: list[Line] = []
    with expected_layout(file, f"{expected}{classes[-1]}"):
        for text in filter(None, file.read_text(encoding="utf-8-sig").splitlines()):
            name, _, number = text.strip().rpartition("__")
            if not name or int(number) not in classes:
                raise ValueError(f"the line {text!r}")
            lines.append((name, int(number)))
        if not lines:
            raise ValueError("no line")
    few = [one for one in classes if len({name for name, of in lines if of == one}) == 1]
    findings = Findings()
    findings.add(file, "classes with fewer than two pictures", map(str, few))
    findings.refuse()
    return lines


def _draw(
    lines: Sequence[Line], photo: Callable[[str, int], Photo], draws: np.random.RandomState
) -> Iterator[Episode]:
    names: dict[int, list[str]] = {}
    for name, number in lines:
        names.setdefault(number, []).append(name)
    for target, number in cycle(lines):
        reference = names[number][pick_other(draws, names[number], target)]
        yield Episode(f"{number:02d}", photo(reference, number), photo(target, number))


def _photo(layout: Layout, folder: Path, name: str, number: int) -> Photo:
    picture = folder / layout.pictures / f"{name}{layout.picture}"
    labels = folder / layout.labels / f"{name}{layout.label}"
    return Photo(name, picture, labels, Values(number, number, indexed=True, void=OPEN))
