"""The files that a run is going to write, and refusing what it must not write over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from persam.album.manifest import NAME
from persam.album.output import piece_file
from persam.errors import InputError
from persam.io.folders import refuse_overwriting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from persam.album.manifest import Record
    from persam.album.output import Output, Product
    from persam.album.targets import AlbumTarget


def to_be_written(
    target: AlbumTarget,
    output: Output,
    files: Sequence[Mapping[Product, Path]],
    earlier: Sequence[Record | None],
) -> Iterator[Path]:
    """The files that a run is going to write or replace.

    Args:
        target: what is looked for.
        output: what is asked for.
        files: of each photo.
        earlier: the record of each photo that is done, else None.
    """
    for one, record in zip(files, earlier, strict=True):
        yield from (one[name] for name in one if name in output.save and name != "masks")
        if record is None:
            yield one["masks"]
        yield from _pieces(target, output, one)
    if "sheet" in output.save:
        yield output.sheet
    if output.reference:
        yield output.reference_file


def refuse_clashes(
    target: AlbumTarget,
    output: Output,
    files: Sequence[Mapping[Product, Path]],
    protected: Sequence[str | Path],
) -> None:
    """Refuse results that would replace a photo, or each other.

    Args:
        target: what is looked for.
        output: what is asked for.
        files: of each photo.
        protected: photos, and all else that must stay.

    Raises:
        InputError: names one of them.
    """
    pieces = {path: one["masks"] for one in files for path in _pieces(target, output, one)}
    for mask in (one["masks"] for one in files):
        if mask in pieces:
            raise InputError(
                f"{mask} would be the mask of one photo, and of a single object in the photo of "
                f"{pieces[mask].name}. Rename one of the photos, or choose another folder for it."
            )
    there = [path for path in pieces if path.exists()]
    single = (output.sheet, output.reference_file, Path(output.folder) / NAME)
    targets = [*there, *(path for one in files for path in one.values()), *single]
    refuse_overwriting(targets, (*protected, *output.protected), "Choose another output folder.")


def _pieces(target: AlbumTarget, output: Output, files: Mapping[Product, Path]) -> Iterator[Path]:
    """Files that single objects or instances of a photo may get."""
    names: list[Product] = ["masks", "cutouts"] if "cutouts" in output.save else ["masks"]
    for name in names:
        yield from (piece_file(files[name], piece) for piece in target.piece_names)
