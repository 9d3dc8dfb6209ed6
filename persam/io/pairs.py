"""Image/mask pairs as saliency and matting data sets have them: tars, folders, and HQSeg-44K.

Files of folders are opened when a pair is read, those of tars are kept encoded in memory.
"""

from __future__ import annotations

import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.io.folders import real_path
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.io.picture_bytes import PictureBytes
from persam.io.picture_checks import DAMAGE
from persam.io.picture_file import open_picture
from persam.io.special_files import refuse_special

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from PIL import Image

PICTURE_SUFFIXES = (".webp", ".jpg", ".jpeg")
MASK_SUFFIX = ".png"
GREY = 127  # grey values above are object; HQ-SAM's evaluation says 128
_CLASS = re.compile(r"n\d{8}(?=_)")  # ImageNet's class numbers, as DUTS names its files

# HQSeg-44K: data set -> folders of its pictures and masks (SysCV/sam-hq, train/train.py).
_THIN = "thin_object_detection"
HQSEG_TRAIN = {
    "DIS5K-TR": ("DIS5K/DIS-TR/im", "DIS5K/DIS-TR/gt"),
    "ThinObject5K-TR": (f"{_THIN}/ThinObject5K/images_train", f"{_THIN}/ThinObject5K/masks_train"),
    **{
        name: (f"cascade_psp/{folder}", f"cascade_psp/{folder}")
        for name, folder in (
            ("FSS", "fss_all"),
            ("DUTS-TR", "DUTS-TR"),
            ("DUTS-TE", "DUTS-TE"),
            ("ECSSD", "ecssd"),
            ("MSRA10K", "MSRA_10K"),
        )
    },
}
HQSEG_TEST = {
    "DIS": ("DIS5K/DIS-VD/im", "DIS5K/DIS-VD/gt"),
    "COIFT": (f"{_THIN}/COIFT/images", f"{_THIN}/COIFT/masks"),
    "HRSOD": (f"{_THIN}/HRSOD/images", f"{_THIN}/HRSOD/masks_max255"),
    "ThinObject": (f"{_THIN}/ThinObject5K/images_test", f"{_THIN}/ThinObject5K/masks_test"),
}
_HQSEG_FOLDERS = ("DIS5K", "cascade_psp", _THIN)
_SIBLINGS = (("Images", "Annotations"), ("images", "masks"), ("im", "gt"))


@dataclass(frozen=True)
class Pair:
    """One picture and the mask of its object.

    Attributes:
        stem: of both files' names, with their folders below the source.
        picture, mask: the files, or their bytes.
    """

    stem: str
    picture: bytes | Path
    mask: bytes | Path

    @property
    def kind(self) -> str | None:
        """ImageNet's class of the object, such as ``n02084071``."""
        found = _CLASS.match(self.stem.rpartition("/")[2])
        return found.group() if found else None

    def images(self) -> tuple[Image.Image, Image.Image]:
        """Picture and mask, as they are stored.

        Raises:
            InputError: one cannot be read.
        """
        picture, mask = (
            open_picture(PictureBytes(self.stem, f) if isinstance(f, bytes) else f, upright=False)
            for f in (self.picture, self.mask)
        )
        return picture, mask

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The picture ``(H, W, 3)`` uint8 and the object ``(H, W)`` bool.

        Raises:
            InputError: unreadable, or of two sizes.
        """
        if isinstance(self.picture, bytes) or isinstance(self.mask, bytes):
            image, mask = self.images()
        else:
            image, mask = self.picture, self.mask
        picture = read_image(image)
        height, width = picture.shape[:2]
        return picture, read_mask(mask, (height, width), usable=False) > GREY


def read_pairs(sources: Iterable[Path]) -> list[Pair]:
    """Collect the pairs of tars and folders, in order of their stems.

    Args:
        sources: tars or folders that hold ``<stem>.webp`` or ``.jpg`` beside ``<stem>.png``;
            folders with two folders ``Images`` and ``Annotations``, ``images`` and ``masks``, or
            ``im`` and ``gt``, at whatever depth; or HQSeg-44K's folder, for all its training sets.

    Raises:
        InputError: a source that cannot be read, or a picture or mask without its other half.
    """
    pairs: list[Pair] = []
    for source in sources:
        if is_hqseg(source):
            for found in hqseg(source, HQSEG_TRAIN).values():
                pairs += found
        elif source.is_dir():
            pairs += _folder(source)
        else:
            pairs += _matched(source, _members(source))
    return pairs


def is_hqseg(source: Path) -> bool:
    """Whether a folder has HQSeg-44K's layout."""
    return any((source / name).is_dir() for name in _HQSEG_FOLDERS)


def hqseg(root: Path, sets: Mapping[str, tuple[str, str]]) -> dict[str, list[Pair]]:
    """The pairs of HQSeg-44K's data sets, by name.

    Args:
        root: folder that holds ``DIS5K``, ``cascade_psp`` and ``thin_object_detection``.
        sets: ``HQSEG_TRAIN`` or ``HQSEG_TEST``.

    Raises:
        InputError: folders are missing (all are named), or a file is without its other half.
    """
    folders = sorted({folder for both in sets.values() for folder in both})
    missing = [folder for folder in folders if not (root / folder).is_dir()]
    if missing:
        raise InputError(
            f"{root} looks like HQSeg-44K, but lacks {', '.join(missing)}. Unpack them there, or "
            f"give the single folders that you have."
        )
    return {
        name: _matched(root, _both(root / pictures, root / masks))
        for name, (pictures, masks) in sets.items()
    }


def _folder(source: Path) -> list[Pair]:
    for pictures, masks in _SIBLINGS:
        if (source / pictures).is_dir() and (source / masks).is_dir():
            return _matched(source, _both(source / pictures, source / masks))
    return _matched(source, _both(source, source))


def _both(pictures: Path, masks: Path) -> Iterator[tuple[str, Path]]:
    """Pictures of one folder and masks of another, by their names below it."""
    for folder, suffixes in ((pictures, PICTURE_SUFFIXES), (masks, (MASK_SUFFIX,))):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix.lower() in suffixes:
                yield path.relative_to(folder).as_posix(), path


def _members(source: Path) -> Iterator[tuple[str, bytes]]:
    refuse_special(source)
    try:
        with tarfile.open(source) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield Path(member.name).name, file.read()
    except (OSError, tarfile.TarError, *DAMAGE) as error:
        raise InputError(
            f"Pictures with masks are read from tars and folders; {source} is neither: {error}"
        ) from error


def _matched(source: Path, files: Iterable[tuple[str, bytes | Path]]) -> list[Pair]:
    halves: dict[str, dict[bool, bytes | Path]] = {}
    for name, file in files:
        stem, _, suffix = name.rpartition(".")
        if f".{suffix.lower()}" in (*PICTURE_SUFFIXES, MASK_SUFFIX):
            halves.setdefault(stem, {})[suffix.lower() == MASK_SUFFIX[1:]] = file
    lone = sorted(stem for stem, both in halves.items() if len(both) < 2)
    if lone or not halves:
        raise InputError(
            f"{source} should hold pairs of <stem>{PICTURE_SUFFIXES[0]} and "
            f"<stem>{MASK_SUFFIX}; it has {len(halves)} stems, without their other half: "
            f"{', '.join(lone[:5]) or 'none'}."
        )
    return [Pair(stem, both[False], both[True]) for stem, both in sorted(halves.items())]


def read_sets(source: Path) -> dict[str, Sequence[Pair]]:
    """The test sets of a source by name: HQSeg-44K's four, or the one that it is.

    Raises:
        InputError: as :func:`read_pairs`.
    """
    if is_hqseg(source):
        return dict(hqseg(source, HQSEG_TEST))
    return {real_path(source).name: read_pairs([source])}


def spread(pairs: Sequence[Pair], count: int | None) -> list[Pair]:
    """At most so many of the pairs, evenly spread; None takes all.

    Example:
        >>> spread(["a", "b", "c", "d"], 2)
        ['a', 'c']
    """
    if count is None or count >= len(pairs):
        return list(pairs)
    return [pairs[place * len(pairs) // count] for place in range(count)]
