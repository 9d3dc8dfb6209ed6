"""Masks of rows as files, where a table of them is not what is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from persam.album.result_parts import read_parts
from persam.album.rows import labels_in
from persam.errors import InputError
from persam.io.folders import name_outputs
from persam.io.writers import labels_png, mask_png, write_bytes
from persam.runs import locked

if TYPE_CHECKING:
    from collections.abc import Callable


def write_masks(
    results: str, folder: str | Path, on_progress: Callable[[], None] | None = None
) -> int:
    """Write a PNG for each row that has a mask, of the same pixels as an album's run writes.

    Args:
        results: folder of parts, see :class:`persam.album.result_parts.ResultParts`.
        folder: for the masks; it has none of these names yet.
        on_progress: called after each mask.

    Returns:
        How many there are.

    Raises:
        InputError: there are no results, or a mask would be written over something.
    """
    names = [row["photo"] for row in read_parts(results) if row["error"] is None]
    places = dict(zip(names, name_outputs([Path(name) for name in names], {}), strict=True))
    with locked(folder):
        for row in read_parts(results):
            if row["error"] is not None:
                continue
            path = Path(folder) / f"{places[row['photo']]}.png"
            if path.exists():
                raise InputError(f"{path} is there already. Choose a new folder.")
            labels = labels_in(row)
            one = row["found"] is None
            write_bytes(path, mask_png(labels > 0) if one else labels_png(labels))
            if on_progress is not None:
                on_progress()
    return len(names)
