"""Labels of a picture, as the upright picture has them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from persam.errors import InputError
from persam.io.labels.pictures import stored_size, turned, upright_size
from persam.io.labels.structures import Label

if TYPE_CHECKING:
    from pathlib import Path

    from persam.io.labels.label_set import LabelledPicture


def upright(picture: LabelledPicture, path: Path | None) -> LabelledPicture:
    """Say where a picture is, and turn labels that were drawn on its pixels as they are stored.

    Args:
        picture: as its label file has it.
        path: the picture, None where it is not at hand.

    Raises:
        InputError: the labels are of another size than the picture, or boxes and points that would
            have to be turned.
    """
    if path is None:
        return picture
    right = upright_size(path)
    if picture.size == right:
        return replace(picture, path=path)
    stored, orientation = stored_size(path)
    if picture.size != stored:
        raise InputError(
            f"its labels are of {picture.size[1]}x{picture.size[0]} pixels, but {path} has "
            f"{right[1]}x{right[0]}. Label that picture, or take the picture that was labelled"
        )
    labels = tuple(_turned(label, right, orientation) for label in picture.labels)
    return replace(picture, path=path, size=right, labels=labels)


def _turned(label: Label, size: tuple[int, int], orientation: int) -> Label:
    if label.kind != "mask":
        raise InputError(
            f"its {label.kind} lies on the picture as it is stored, not upright. Label the upright "
            f"picture"
        )
    mask = turned(label.mask, orientation)
    kept = {"group": label.group, "crowd": label.crowd, "attributes": label.attributes}
    return Label.of_mask(label.name, mask, origin=label.origin, **kept)
