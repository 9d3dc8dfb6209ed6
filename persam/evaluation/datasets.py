"""Where a data set keeps its pictures: folder conventions in, (reference, targets) out.

PerSeg: ``Images/<object>/<NN>.jpg`` beside ``Annotations/<object>/<NN>.png``. Pictures and masks
are paired by file stem, never by listing order, and a folder that does not add up is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from persam.errors import InputError
from persam.images import read_image, read_mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

PICTURES = (".jpg", ".jpeg", ".png")
MASKS = (".png",)
SHOWN = 12  # names in one error message; the rest is counted
_ORIENTATION = 0x0112  # EXIF tag; from 5 on, width and height are swapped


@dataclass(frozen=True)
class Photo:
    """One picture and its true mask: ``stem`` is what their file names share."""

    stem: str
    image: Path
    mask: Path

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The picture ``(H, W, 3)`` uint8 RGB and its true mask ``(H, W)`` bool.

        Raises:
            InputError: a file cannot be read, or the mask is empty.
        """
        picture = read_image(self.image)
        height, width = picture.shape[:2]
        return picture, self.truth((height, width))

    def truth(self, size: tuple[int, int]) -> np.ndarray:
        """The true mask, ``(H, W)`` bool: object wherever the grey value is above 0.

        Args:
            size: ``(H, W)`` of the upright picture.

        Raises:
            InputError: the mask cannot be read, has another size, or is empty.
        """
        truth = read_mask(self.mask, size, usable=False) > 0
        if not truth.any():
            raise InputError(
                f"{self.mask} is empty, but this score needs the object in every photo. "
                f"Take photo and mask out of the folder."
            )
        return truth


@dataclass(frozen=True)
class Subject:
    """One object of the data set: the photo it is learnt from and those it is looked for in."""

    name: str
    reference: Photo
    targets: tuple[Photo, ...]

    @property
    def photos(self) -> tuple[Photo, ...]:
        """All photos, the reference first."""
        return (self.reference, *self.targets)

    @property
    def kind(self) -> str:
        """What the object is one of: ``dog`` for ``dog_2``, the name itself without a number.

        Example:
            >>> photo = Photo("00", Path("00.jpg"), Path("00.png"))
            >>> [Subject(name, photo, ()).kind for name in ("dog_2", "toy_dog_11", "toy_dog")]
            ['dog', 'toy_dog', 'toy_dog']
        """
        kind, _, number = self.name.rpartition("_")
        return kind if kind and number.isdecimal() else self.name


@dataclass(frozen=True)
class Dataset:
    """What an evaluation runs over.

    Attributes:
        name: the layout, ``"perseg"``.
        root: the folder.
        reference_index: which photo of every object is the reference.
        subjects: the objects, by name.
    """

    name: str
    root: Path
    reference_index: int
    subjects: tuple[Subject, ...]

    @property
    def photos(self) -> int:
        """Number of target photos of all objects together."""
        return sum(len(subject.targets) for subject in self.subjects)


def perseg(
    root: str | Path, *, reference_index: int = 0, objects: Sequence[str] | None = None
) -> Dataset:
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
    _refuse("objects with pictures but no masks", set(pictures) - set(masks), root)
    _refuse("objects with masks but no pictures", set(masks) - set(pictures), root)
    names = _selected(sorted(pictures), objects)
    photos = {name: _pairs(pictures[name], masks[name]) for name in names}
    _refuse_other_sizes([photo for group in photos.values() for photo in group], root)
    subjects = tuple(_subject(name, photos[name], reference_index) for name in names)
    return Dataset("perseg", root, reference_index, subjects)


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
            f"No such objects: {_listed(unknown) or '(none named)'}. "
            f"The folder has {_listed(known)}."
        )
    return sorted(set(objects))


def _pairs(pictures: Path, masks: Path) -> list[Photo]:
    images, truths = _by_stem(pictures, PICTURES), _by_stem(masks, MASKS)
    where = f"{pictures.parent.parent}, object {pictures.name}"
    _refuse("pictures without a mask", set(images) - set(truths), where)
    _refuse("masks without a picture", set(truths) - set(images), where)
    return [Photo(stem, images[stem], truths[stem]) for stem in sorted(images)]


def _by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
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


def _subject(name: str, photos: Sequence[Photo], reference_index: int) -> Subject:
    stem = f"{reference_index:02d}"
    reference = next((photo for photo in photos if photo.stem == stem), None)
    stems = _listed(photo.stem for photo in photos)
    if reference is None:
        raise InputError(
            f"{name} has no photo {stem} to take as reference (it has {stems}); "
            f"choose another reference index."
        )
    targets = tuple(photo for photo in photos if photo is not reference)
    if not targets:
        raise InputError(f"{name} has only its reference {stem}; it needs at least one more photo.")
    return Subject(name, reference, targets)


def _size(path: Path) -> tuple[int, int]:
    """``(height, width)`` of the upright picture, from the file's header alone."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION, 1) >= 5
    except OSError as error:
        raise InputError(f"{path} is not a readable picture: {error}.") from error
    return (width, height) if turned else (height, width)


def _refuse_other_sizes(photos: Sequence[Photo], root: Path) -> None:
    sizes = [(photo, _size(photo.image), _size(photo.mask)) for photo in photos]
    _refuse(
        "masks of another size (height x width) than their picture",
        [
            f"{photo.mask.relative_to(root)} ({mask[0]}x{mask[1]}, not {image[0]}x{image[1]})"
            for photo, image, mask in sizes
            if image != mask
        ],
        root,
    )


def _refuse(what: str, names: Iterable[str], where: Path | str) -> None:
    listed = _listed(sorted(names))
    if listed:
        raise InputError(f"{where}: {what}: {listed}.")


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
