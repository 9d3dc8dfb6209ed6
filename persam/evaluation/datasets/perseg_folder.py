"""PerSeg: ``Images/<object>/<NN>.jpg`` beside ``Annotations/<object>/<NN>.png``.

Pictures and masks are paired by file stem, never by listing order, and a folder that does not add
up is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.evaluation.datasets.photos import Photo
from persam.evaluation.datasets.problems import Findings, listed
from persam.evaluation.datasets.structures import Dataset, Subject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.evaluation.datasets.catalogue import Entry
    from persam.evaluation.datasets.episodes import Options

PICTURES = (".jpg", ".jpeg", ".png")
MASKS = (".png",)
OTHER_SIZE = "masks of another size (height x width) than their picture"


def open_perseg(entry: Entry, root: Path, options: Options) -> Dataset[Photo]:
    """Open a PerSeg folder for :func:`persam.evaluation.datasets.open_dataset`.

    Raises:
        InputError: as :func:`perseg`, or folds or episodes, which PerSeg does not have.
    """
    if options.folds not in (None, (0,)) or options.episodes is not None:
        raise InputError(
            f"{entry.title} has no folds and no episodes: every object is shown once and searched "
            f"in all its other photos. Leave folds and episodes out."
        )
    return perseg(root, reference_index=options.reference)


def perseg(
    root: str | Path, *, reference_index: int = 0, objects: Sequence[str] | None = None
) -> Dataset[Photo]:
    """Read the layout of a PerSeg folder; nothing but picture headers is opened.

    Args:
        root: folder with ``Images`` and ``Annotations``.
        reference_index: 0 takes the photos named ``00`` as references; all others are targets.
        objects: names to keep; None keeps all.

    Raises:
        InputError: the folder, an object, a picture, a mask or the reference is missing, two
            files share a stem, or a mask has another size than its picture. All names are listed.
    """
    root = Path(root)
    pictures, masks = (_folders(root / part) for part in ("Images", "Annotations"))
    findings = Findings()
    findings.add(root, "objects with pictures but no masks", set(pictures) - set(masks))
    findings.add(root, "objects with masks but no pictures", set(masks) - set(pictures))
    names = _selected(sorted(set(pictures) | set(masks)), objects)
    photos = {
        name: _pairs(pictures[name], masks[name], findings)
        for name in names
        if name in pictures and name in masks
    }
    _find_other_sizes(photos, root, findings)
    findings.refuse()
    subjects = tuple(_subject(name, photos[name], reference_index) for name in names)
    chosen = {} if objects is None else {"objects": list(names)}
    return Dataset("perseg", root, subjects, reference_index, settings=chosen)


def _folders(parent: Path) -> dict[str, Path]:
    if not parent.is_dir():
        raise InputError(
            f"{parent} is not a folder. A PerSeg folder holds Images/<object>/<NN>.jpg and "
            f"Annotations/<object>/<NN>.png; give the folder that holds these two."
        )
    found = {path.name: path for path in parent.iterdir() if path.is_dir() and _visible(path)}
    if not found:
        raise InputError(f"{parent} holds no object folders.")
    return found


def _visible(path: Path) -> bool:
    return not path.name.startswith(".")  # .DS_Store and the like


def _selected(known: Sequence[str], objects: Sequence[str] | None) -> list[str]:
    if objects is None:
        return list(known)
    unknown = [name for name in objects if name not in known]
    if unknown or not objects:
        raise InputError(
            f"No such objects: {listed(unknown) or '(none named)'}. The folder has {listed(known)}."
        )
    return sorted(set(objects))


def _pairs(pictures: Path, masks: Path, findings: Findings) -> list[Photo]:
    images, truths = by_stem(pictures, PICTURES), by_stem(masks, MASKS)
    where = f"{pictures.parent.parent}, object {pictures.name}"
    findings.add(where, "pictures without a mask", set(images) - set(truths))
    findings.add(where, "masks without a picture", set(truths) - set(images))
    both = sorted(set(images) & set(truths))
    return [Photo(stem, images[stem], truths[stem]) for stem in both]


def by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files of a folder that have one of the suffixes, by stem; hidden ones are passed over.

    Raises:
        InputError: there are none, or two share a stem.
    """
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and _visible(path)]
    found: dict[str, Path] = {}
    for path in files:
        if path.suffix.lower() not in suffixes:
            continue
        if path.stem in found:
            raise InputError(
                f"{folder} holds both {found[path.stem].name} and {path.name}; keep one of them."
            )
        found[path.stem] = path
    if not found:
        raise InputError(f"{folder} holds no {' or '.join(suffixes)} files.")
    return found


def _find_other_sizes(
    photos: Mapping[str, Sequence[Photo]], root: Path, findings: Findings
) -> None:
    complaints = (photo.complaint() for group in photos.values() for photo in group)
    findings.add(root, OTHER_SIZE, [complaint for complaint in complaints if complaint])


def _subject(name: str, photos: Sequence[Photo], reference_index: int) -> Subject[Photo]:
    stem = f"{reference_index:02d}"
    reference = next((photo for photo in photos if photo.stem == stem), None)
    stems = listed(photo.stem for photo in photos)
    if reference is None:
        raise InputError(
            f"{name} has no photo {stem} to take as reference (it has {stems}); "
            f"choose another reference index."
        )
    targets = tuple(photo for photo in photos if photo is not reference)
    if not targets:
        raise InputError(f"{name} has only its reference {stem}; it needs at least one more photo.")
    return Subject(name, reference, targets)
