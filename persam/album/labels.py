"""The masks of a run as labels, and label files that go on without losing anybody's work."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import numpy as np

from persam.io.folders import real_path
from persam.io.labels import (
    ERROR,
    Label,
    LabelledPicture,
    LabelSet,
    Origin,
    classes_of,
    write_label_set,
)
from persam.io.labels.writing import check_error, place_picture
from persam.io.own_files import OwnFiles
from persam.io.picture_file import open_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from persam.album.manifest import FoundObject, Record
    from persam.io.labels.writing import Pictures

_THEIRS = ("changed", "foreign")
FOLDER = "labels"  # in the folder of the results; a folder a format below


@dataclass(frozen=True)
class LabelOptions:
    """How labels of a run are written.

    Attributes:
        formats: names of :data:`persam.io.labels.FORMATS`.
        error: pixels that polygons may leave the outline of a mask.
        pictures: put the photos beside the labels as copies or as links, or not at all.
        overwrite_hand_work: replace label files that somebody changed since.
    """

    formats: tuple[str, ...]
    error: float = ERROR
    pictures: Pictures = "copy"
    overwrite_hand_work: bool = False

    def __post_init__(self) -> None:
        check_error(self.error)


@dataclass(frozen=True)
class WrittenLabels:
    """What was written in one format.

    Attributes:
        format: its name.
        folder: where; another than usual if there are files that somebody changed.
        kept: files that somebody made or changed, and that were left alone.
        losses: one line for each thing that the format cannot say.
    """

    format: str
    folder: Path
    kept: tuple[Path, ...] = ()
    losses: tuple[str, ...] = ()


def labels_of_records(
    records: Iterable[Record],
    folder: str | Path,
    known: LabelSet,
    *,
    name: str = "object",
    doubts: Mapping[str, float] | None = None,
) -> LabelSet:
    """The masks of a run as labels, with who made them.

    Args:
        records: of the run's manifest; failed photos are left out.
        folder: of the manifest.
        known: classes, and labelled pictures that were references and come first.
        name: of the class where one object was looked for without a name.
        doubts: how likely a photo's masks are wrong, 0..1, by the photo's path.

    Raises:
        InputError: a mask cannot be read.
    """
    done = [record for record in records if record.error is None]
    top = _common([Path(record.input) for record in done])
    pictures = []
    for record in done:
        photo = Path(record.input)
        found = _labels(record, folder, name, (doubts or {}).get(record.input))
        size = numbered_mask(record, folder).shape
        inside = photo.relative_to(top).as_posix() if photo.is_relative_to(top) else photo.name
        pictures.append(LabelledPicture(inside, (size[0], size[1]), found, photo))
    names = [label.name for picture in pictures for label in picture.labels]
    classes = classes_of([*names, *([] if known.classes else [name])], known.classes)
    return LabelSet(classes, (*known.pictures, *_renamed(pictures, known)))


def _labels(
    record: Record, folder: str | Path, name: str, doubt: float | None
) -> tuple[Label, ...]:
    """The labels of one photo."""
    numbers = numbered_mask(record, folder)
    if record.found is None:
        marks: list[tuple[np.ndarray, Record | FoundObject, str]] = [(numbers > 0, record, name)]
    else:
        marks = [(numbers == one.label, one, one.object or name) for one in record.found]
    return tuple(
        Label.of_mask(kind, mask, origin=_origin(record, facts, kind, doubt))
        for mask, facts, kind in marks
        if mask.any()
    )


def _origin(record: Record, facts: Record | FoundObject, name: str, doubt: float | None) -> Origin:
    if record.origin == "hand":
        return Origin()
    version = None if record.stamp is None else record.stamp.settings
    return Origin("model", name, version, facts.score, facts.presence, doubt)


def numbered_mask(record: Record, folder: str | Path) -> np.ndarray:
    """The mask of a photo, ``(H, W)`` uint8, a number an object.

    Raises:
        InputError: it cannot be read.
    """
    image = open_picture(record.mask(folder), upright=False)
    return np.asarray(image if image.mode in ("L", "P") else image.convert("L"))


def _common(photos: Sequence[Path]) -> Path:
    """The deepest folder that holds all photos."""
    if not photos:
        return Path("/")
    parents = [photo.parent for photo in photos]
    shared = parents[0]
    while not all(parent.is_relative_to(shared) for parent in parents):
        shared = shared.parent
    return shared


def _renamed(pictures: Sequence[LabelledPicture], known: LabelSet) -> Iterable[LabelledPicture]:
    """Pictures under names that no reference has."""
    taken = {one.name for one in known.pictures}
    for picture in pictures:
        name = picture.name
        path = Path(name)
        free = (path.with_name(f"{path.stem}__{n}{path.suffix}").as_posix() for n in count(2))
        while name in taken:
            name = next(free)
        taken.add(name)
        yield replace(picture, name=name)


def write_run_labels(
    labels: LabelSet, folder: str | Path, options: LabelOptions
) -> list[WrittenLabels]:
    """Write labels beside the masks of a run, in each format into a folder that its tool opens.

    A file that somebody changed since a run wrote it, or that no run wrote, is left alone: the new
    labels then go into the next folder of that name with a number.

    Args:
        labels: of the run.
        folder: of the results.
        options: which formats, and how.

    Raises:
        InputError: a file cannot be written.
    """
    own = OwnFiles(folder)
    root = Path(folder).absolute() / FOLDER
    return [_write_format(labels, name, root, own, options) for name in options.formats]


def _write_format(
    labels: LabelSet, name: str, root: Path, own: OwnFiles, options: LabelOptions
) -> WrittenLabels:
    root.mkdir(parents=True, exist_ok=True)
    made = Path(mkdtemp(prefix=".persam-", dir=root))
    try:
        # Links cost nothing here; only photos that are not in their place yet are copied.
        links: Pictures = "none" if options.pictures == "none" else "link"
        written = write_label_set(labels, made, name, error=options.error, pictures=links)
        inside = [path.relative_to(made) for path in made.rglob("*")]
        files = [path for path in inside if (made / path).is_file()]
        texts = [path for path in files if not (made / path).is_symlink()]
        place, kept = _free_place(root / name, texts, own, options)
        for path in texts:
            own.write(place / path, (made / path).read_bytes())
        for path in files:
            if (made / path).is_symlink():
                place_picture(real_path(made / path), place / path, options.pictures)
        return WrittenLabels(name, place, kept, written.losses)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _free_place(
    wanted: Path, files: Sequence[Path], own: OwnFiles, options: LabelOptions
) -> tuple[Path, tuple[Path, ...]]:
    """The first folder of a name, or of it with a number, where no file is anybody's work."""
    kept: list[Path] = []
    numbered = (wanted.with_name(f"{wanted.name}-{number}") for number in count(2))
    place = wanted
    while not options.overwrite_hand_work:
        by_hand = [place / file for file in files if own.state(place / file) in _THEIRS]
        if not by_hand:
            break
        kept += by_hand
        place = next(numbered)
    return place, tuple(kept)
