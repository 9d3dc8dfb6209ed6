"""PerSeg: ``Images/<object>/<NN>.jpg`` beside ``Annotations/<object>/<NN>.png``.

Pictures and masks are paired by file stem, never by listing order, and a folder that does not add
up is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.evaluation.datasets.catalogue import find
from persam.evaluation.datasets.episodes import EpisodeOptions, home
from persam.evaluation.datasets.photos import Photo
from persam.evaluation.datasets.problems import listed
from persam.evaluation.datasets.structures import Dataset, Subject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.evaluation.datasets.catalogue import DatasetEntry
    from persam.evaluation.datasets.problems import Findings

PARTS = ("Images", "Annotations")
PICTURES = (".jpg", ".jpeg", ".png")
MASKS = (".png",)
OTHER_SIZE = "masks of another size (height x width) than their picture"


def open_perseg(entry: DatasetEntry, root: Path, options: EpisodeOptions) -> Dataset[Photo]:
    """Open a PerSeg folder for :func:`persam.evaluation.datasets.open_dataset`.

    Raises:
        InputError: as :func:`perseg`, or folds or episodes, which PerSeg does not have.
    """
    if options.folds not in (None, (0,)) or options.episodes is not None:
        raise InputError(
            f"{entry.title} has no folds and no episodes: every object is shown once and searched "
            f"in all its other photos. Leave folds and episodes out."
        )
    return _open(home(root, entry), options, None)


def perseg(
    root: str | Path, *, reference_index: int = 0, objects: Sequence[str] | None = None
) -> Dataset[Photo]:
    """Read the layout of a PerSeg folder; nothing but picture headers is opened.

    Args:
        root: folder with ``Images`` and ``Annotations``, or the one that holds it as ``PerSeg``.
        reference_index: 0 takes the photos named ``00`` as references; all others are targets.
        objects: names to keep; None keeps all.

    Raises:
        InputError: the folder, an object, a picture, a mask or the reference is missing, two
            files share a stem, or a mask has another size than its picture. All names are listed.

    Example:
        >>> from persam import samples
        >>> perseg(samples.PICTURES).photos
        6
    """
    options = EpisodeOptions(reference=reference_index)
    dataset = _open(home(Path(root), find("perseg")), options, objects)
    options.findings.refuse()
    return dataset


def _open(root: Path, options: EpisodeOptions, objects: Sequence[str] | None) -> Dataset[Photo]:
    """The data set as far as it is there; what is wrong goes to the findings of the options."""
    findings = options.findings
    findings.require(root, *PARTS)
    findings.refuse()
    pictures, masks = (_folders(root / part) for part in PARTS)
    findings.add(
        root,
        "no object folders in",
        [p for p, f in zip(PARTS, (pictures, masks), strict=True) if not f],
    )
    findings.add(root, "objects with pictures but no masks", set(pictures) - set(masks))
    findings.add(root, "objects with masks but no pictures", set(masks) - set(pictures))
    names = _selected(sorted(set(pictures) | set(masks)), objects)
    photos: dict[str, list[Photo]] = {}
    for name in names:
        if name in pictures and name in masks:
            with findings.gathering(root):
                photos[name] = _pairs(pictures[name], masks[name], findings)
    _find_other_sizes(photos, root, findings)
    subjects = _subjects(photos, f"{options.reference:02d}", root, findings)
    whole = (objects, options.reference, len(subjects)) == (None, 0, find("perseg").classes)
    chosen = {} if objects is None else {"objects": list(names)}
    settings = {**chosen, "full_protocol": whole}
    return Dataset("perseg", root, subjects, options.reference, settings=settings)


def _folders(parent: Path) -> dict[str, Path]:
    return {path.name: path for path in parent.iterdir() if path.is_dir() and _visible(path)}


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
    for photo in (photo for group in photos.values() for photo in group):
        with findings.gathering(root):
            complaint = photo.complaint()
            findings.add(root, OTHER_SIZE, [complaint] if complaint else [])


def _subjects(
    photos: Mapping[str, Sequence[Photo]], stem: str, root: Path, findings: Findings
) -> tuple[Subject[Photo], ...]:
    """Every object that has the reference and something to search."""
    subjects: list[Subject[Photo]] = []
    for name, found in photos.items():
        reference = next((photo for photo in found if photo.stem == stem), None)
        targets = tuple(photo for photo in found if photo is not reference)
        if reference is None:
            stems = listed(photo.stem for photo in found) or "none"
            what = f"no photo {stem} to take as reference (choose another reference index)"
            findings.add(root, what, [f"{name} (has {stems})"])
        elif not targets:
            findings.add(
                root, f"objects with only their reference {stem} and nothing to search", [name]
            )
        else:
            subjects.append(Subject(name, reference, targets))
    return tuple(subjects)
