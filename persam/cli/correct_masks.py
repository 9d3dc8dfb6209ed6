"""`persam correct --masks`: which masks people put right, and of which photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.album.manifest import NAME, Manifest
from persam.errors import InputError
from persam.io.folders import is_picture, name_outputs
from persam.io.palette import PALETTE
from persam.io.picture_file import open_picture

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def corrections(
    photos: Sequence[Path], folder: Path, run: Path | None = None
) -> list[tuple[Path, Path]]:
    """Pair corrected masks with their photos by the names that ``persam segment`` gives masks.

    Args:
        photos: without repetition.
        folder: of masks, ``<stem>.png``.
        run: what that command wrote; it knows which photo has which name, where several photos
            have the same one.

    Returns:
        ``(photo, mask)`` in the order of the photos, at least one.

    Raises:
        InputError: the folder is no folder or holds a run's own masks, which nobody has corrected;
            no mask in it, or one without a photo.
    """
    if not folder.is_dir():
        raise InputError(f"--masks {folder} is not a folder. Give the folder of corrected masks.")
    if (folder / NAME).exists():
        raise InputError(
            f"--masks {folder} holds the results of a run: all of them would be taken as right. "
            f"Put the masks that you corrected into a folder of their own."
        )
    names = dict(zip(name_outputs(photos, _names_of(run)), photos, strict=True))
    files = {path.stem: path for path in sorted(folder.iterdir()) if is_picture(path)}
    strange = [path.name for name, path in files.items() if name not in names]
    if strange or not files:
        what = f"no photo has the name of {', '.join(strange)}" if strange else "it has no mask"
        raise InputError(
            f"--masks {folder} takes one <stem>.png for each photo that you corrected, and nothing "
            f"else; {what}. Add the photo, take the mask out, or name the folder that the masks "
            f"are from by --run."
        )
    return [(photo, files[name]) for name, photo in names.items() if name in files]


def _names_of(run: Path | None) -> dict[str, str]:
    if run is None:
        return {}
    if not (run / NAME).exists():
        raise InputError(f"--run {run} has no {NAME}: `persam segment` did not write it.")
    return Manifest(run).names


def refuse_label_map(path: Path) -> None:
    """Refuse a label map of several objects: which of them was corrected, it does not say.

    Raises:
        InputError: it is one; the message has its numbers.
    """
    image = open_picture(path, upright=False)
    if image.mode != "P" or bytes(image.getpalette() or ())[:6] != PALETTE[:6]:
        return
    numbers = [number for _, number in image.getcolors() or () if number != 0]
    if len(numbers) > 1:
        raise InputError(
            f"The mask {path} shows {len(numbers)} objects, numbered "
            f"{', '.join(map(str, sorted(numbers)))}. Leave the one that the concept is of."
        )
