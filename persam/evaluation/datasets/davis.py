"""DAVIS 2016 and 2017, semi-supervised: sequences of frames, the objects shown in the first one.

A sequence is a subject: its first frame is the reference, all others are its targets, in order.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from persam.errors import InputError
from persam.evaluation.datasets.catalogue import find
from persam.evaluation.datasets.episodes import home
from persam.evaluation.datasets.perseg_folder import OTHER_SIZE, by_stem
from persam.evaluation.datasets.photos import Photo, Values
from persam.evaluation.datasets.problems import Findings, listed
from persam.evaluation.datasets.structures import Dataset, Subject
from persam.io.masks import read_labels, read_mask
from persam.io.picture_file import picture_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.evaluation.datasets.catalogue import DatasetEntry
    from persam.evaluation.datasets.episodes import EpisodeOptions

# The lists of each year; DAVIS 2016 came with the second one before it was packed with 2017.
LISTS = {
    2017: ("ImageSets/2017/val.txt",),
    2016: ("ImageSets/2016/val.txt", "ImageSets/480p/val.txt"),
}
PICTURES, MASKS = "JPEGImages/480p", "Annotations/480p"
VOID = 255  # in DAVIS 2017: no object, as the official scorer has it
SHORTEST = 3  # the first and the last frame are not scored


def open_davis(entry: DatasetEntry, root: Path, options: EpisodeOptions) -> Dataset[Photo]:
    """Open DAVIS for :func:`persam.evaluation.datasets.open_dataset`, the later year there is.

    Raises:
        InputError: as :func:`davis`, or folds, episodes or a reference, which DAVIS does not have.
    """
    if options.folds not in (None, (0,)) or options.episodes is not None or options.reference:
        raise InputError(
            f"{entry.title} has no folds, no episodes and no other reference: every sequence is "
            f"shown its first frame. Leave them out."
        )
    return davis(root)


def davis(
    root: str | Path, *, year: int | None = None, sequences: Sequence[str] | None = None
) -> Dataset[Photo]:
    """Read the layout of a DAVIS folder, the sequences of its validation list.

    Of the pictures, headers alone are opened, and the first mask of every sequence.

    Args:
        root: folder with ``JPEGImages``, ``Annotations`` and ``ImageSets``, or the one that holds
            it as ``DAVIS``.
        year: 2016 (one object: all that is not 0 in a mask) or 2017 (a palette's numbers are
            objects); None takes 2017 where its list is there, else 2016.
        sequences: names to keep; None keeps the whole list.

    Raises:
        InputError: another year, or no list of it; a sequence, frame or mask that is missing, a
            size that differs, a first mask without an object. All are named.

    Example:
        >>> davis("/nowhere")
        Traceback (most recent call last):
        persam.errors.InputError: ...
    """
    root = home(Path(root), find("davis"))
    chosen, listing = _list_of(root, year)
    names = _selected(_names(listing), sequences)
    findings = Findings()
    for part in (PICTURES, MASKS):
        lacking = [name for name in names if not (root / part / name).is_dir()]
        findings.add(root / part, "missing sequences", lacking)
    findings.refuse()
    frames = {name: _frames(root, name, chosen, findings) for name in names}
    findings.add(
        root,
        f"sequences of fewer than {SHORTEST} frames",
        [name for name, photos in frames.items() if len(photos) < SHORTEST],
    )
    findings.refuse()
    _look_into(root, frames, findings)
    findings.refuse()
    subjects = tuple(Subject(name, photos[0], tuple(photos[1:])) for name, photos in frames.items())
    facts = {"year": chosen, "split": "val", "full_protocol": sequences is None}
    chosen = {} if sequences is None else {"sequences": list(names)}
    return Dataset("davis", root, subjects, settings={**facts, **chosen})


def true_labels(photo: Photo) -> np.ndarray:
    """The objects of a frame by their numbers, ``(H, W)`` uint8, 0 for the rest.

    Raises:
        InputError: the mask cannot be read, has another size than its picture, or, for 2017, no
            numbers for pixels.
    """
    size = picture_size(photo.image)
    if not photo.indexed:
        return (read_mask(photo.labels, size, usable=False) > 0).astype(np.uint8)
    labels = read_labels(photo.labels, size)
    return np.where(labels == VOID, 0, labels).astype(np.uint8)


def object_names(first: np.ndarray) -> tuple[str, ...]:
    """The objects of a sequence: 1 to the highest number in its first frame.

    Later frames may hold higher ones, which nobody was shown; the official scorer passes over
    them, too.

    Args:
        first: ``(H, W)`` uint8, what :func:`true_labels` gives of the first frame.

    Example:
        >>> object_names(np.array([[0, 1, 3]], dtype=np.uint8))
        ('1', '2', '3')
    """
    return tuple(str(number) for number in range(1, int(first.max(initial=0)) + 1))


def _list_of(root: Path, year: int | None) -> tuple[int, Path]:
    """The year that is opened, and its list of sequences."""
    if year is not None and year not in LISTS:
        raise InputError(f"DAVIS is of {' or '.join(map(str, sorted(LISTS)))}; got {year}.")
    years = LISTS if year is None else (year,)
    for each in years:
        for name in LISTS[each]:
            if (root / name).is_file():
                return each, root / name
    wanted = " or ".join(LISTS[each][0] for each in years)
    raise InputError(
        f"{root} has no {wanted}. Give the folder that holds JPEGImages, Annotations and "
        f"ImageSets, or the one that holds it as DAVIS; `persam datasets` shows its layout."
    )


def _names(listing: Path) -> list[str]:
    lines = (line.split() for line in listing.read_text(encoding="utf-8-sig").splitlines())
    # A line is a name, or, in the older list, the files of a frame: /JPEGImages/480p/<name>/...
    words = [Path(line[0]) for line in lines if line]
    names = dict.fromkeys(path.parent.name if len(path.parts) > 1 else path.name for path in words)
    if not names:
        raise InputError(f"{listing} names no sequence; it holds one name a line.")
    return list(names)


def _selected(known: Sequence[str], sequences: Sequence[str] | None) -> list[str]:
    if sequences is None:
        return list(known)
    unknown = [name for name in sequences if name not in known]
    if unknown or not sequences:
        raise InputError(
            f"No such sequences: {listed(unknown) or '(none named)'}. The list has {listed(known)}."
        )
    return [name for name in known if name in sequences]


def _frames(root: Path, name: str, year: int, findings: Findings) -> list[Photo]:
    pictures = by_stem(root / PICTURES / name, (".jpg", ".jpeg"))
    masks = by_stem(root / MASKS / name, (".png",))
    where = f"{root}, sequence {name}"
    findings.add(where, "frames without a mask", set(pictures) - set(masks))
    findings.add(where, "masks without a frame", set(masks) - set(pictures))
    indexed = year != 2016
    values = Values(1, VOID - 1 if indexed else 255, indexed)
    return [
        Photo(stem, pictures[stem], masks[stem], values)
        for stem in sorted(set(pictures) & set(masks))
    ]


def _look_into(root: Path, frames: Mapping[str, Sequence[Photo]], findings: Findings) -> None:
    """Note sizes that differ and, where they do not, first masks without an object."""
    every = [photo for photos in frames.values() for photo in photos]
    findings.add(root, OTHER_SIZE, [said for photo in every if (said := photo.complaint())])
    for name, photos in frames.items():
        size = picture_size(photos[0].image)
        others = [photo.image.name for photo in photos if picture_size(photo.image) != size]
        where = f"{root}, sequence {name}"
        findings.add(where, "frames of another size than the first", others)
    findings.refuse()
    blank = [name for name, photos in frames.items() if not true_labels(photos[0]).any()]
    what = "sequences whose first mask shows no object"
    if blank and frames[blank[0]][0].indexed:
        what += f" ({VOID} is none in 2017; for masks of 0 and {VOID} choose the year 2016)"
    findings.add(root, what, blank)
