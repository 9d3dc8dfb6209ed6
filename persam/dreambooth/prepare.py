"""Photos and one reference -> a subject's folder, with training folders for every trainer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from persam.album.contact_sheet import make_tile, sheet_page
from persam.album.manifest import Manifest
from persam.album.run import Output, segment_album
from persam.dreambooth.backgrounds import read_backgrounds, replace_background
from persam.dreambooth.exports import export, export_files, write_own
from persam.dreambooth.masks import cell_pixels, loss_weights, trained_share
from persam.dreambooth.subject import (
    Choices,
    SubjectFolder,
    SubjectPhoto,
    peek_subject,
    read_caption,
    write_subject,
)
from persam.errors import InputError
from persam.io.folders import real_path
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.io.own_files import OwnFiles
from persam.io.picture_file import picture_size
from persam.io.writers import mask_png, png, remove_leftovers
from persam.runs import locked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.album.contact_sheet import Tile
    from persam.album.manifest import Record
    from persam.concept import Concept
    from persam.dreambooth.backgrounds import Background
    from persam.io.images import Source


@dataclass(frozen=True)
class ReferencePicture:
    """The picture that showed the subject; it is trained on, too.

    Attributes:
        picture: its file.
        mask: the subject in it, where it was given; trained on as it is.
        identity: names what the concept was made from, so that a second run need not look again.
        protected: files that must not be written over, besides the photos.
    """

    picture: Path
    mask: Source | None = None
    identity: str = ""
    protected: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """What was made, and what was not.

    Attributes:
        subject: the folder.
        sheet: the contact sheet.
        left_out: photos in which the subject was not found.
        unmasked: photos in which it was not found and that are trained on as a whole.
        failed: photos that could not be read, with the reason.
    """

    subject: SubjectFolder
    sheet: Path
    left_out: tuple[Path, ...] = ()
    unmasked: tuple[Path, ...] = ()
    failed: tuple[Record, ...] = ()


@dataclass
class _Made:
    """What has come together so far, and the files that are the program's own."""

    files: OwnFiles
    photos: list[SubjectPhoto] = field(default_factory=list)
    tiles: list[Tile | None] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)


def prepare(
    concept: Concept,
    photos: Sequence[str | Path],
    reference: ReferencePicture,
    folder: str | Path,
    choices: Choices | None = None,
) -> Prepared:
    """Find the subject everywhere and write what it is trained with.

    The masks as found stay in ``found/``: one that is mended there by hand is used by the next run
    with the same reference. Files of photos that are not in this run are removed.

    Args:
        concept: the subject, learnt from ``reference``.
        photos: picture files; the reference comes to them where it is not among them.
        reference: the reference.
        folder: for everything, see :mod:`persam.dreambooth.subject`.
        choices: names, sizes and widths.

    Raises:
        InputError: nothing is left to train on, a background or mask cannot be read, or a file
            would be written over.
    """
    folder, choices = Path(folder), choices or Choices()
    files = {Path(path).absolute(): Path(path) for path in (reference.picture, *photos)}
    _refuse_inside(folder, [*files.values(), *reference.protected])
    with locked(folder):
        for place in (folder, *filter(Path.is_dir, folder.rglob("*"))):
            remove_leftovers(place)
        return _prepare(concept, list(files.values()), reference, folder, choices)


def _prepare(
    concept: Concept,
    photos: Sequence[Path],
    reference: ReferencePicture,
    folder: Path,
    choices: Choices,
) -> Prepared:
    backgrounds = read_backgrounds(choices.backgrounds)
    before, files = peek_subject(folder), OwnFiles(folder)
    output = Output(
        folder / "found",
        overwrite=False,
        identity=reference.identity,
        protected=reference.protected,
    )
    summary = segment_album(concept, photos, output)
    _give_mask(summary.records[0], reference, output.folder, files)
    made = _Made(files)
    for record in summary.records:
        _make(folder, choices, record, made, backgrounds)
    write_own(files, folder / "sheet.html", sheet_page(summary.records, made.tiles))
    if not made.photos:
        raise InputError(
            f"The subject was found in none of {len(photos)} photos. Look at "
            f"{folder / 'sheet.html'}, and try another reference, method or model."
        )
    given = None if reference.mask is None else summary.records[0].input
    subject = SubjectFolder(folder, choices, tuple(_unscored(made.photos, given)))
    _remove_others(before, subject, files)
    concept.save(subject.concept)
    export(subject, files)
    write_subject(subject)
    files.tidy()
    unmasked = [Path(photo.source) for photo in subject.photos if not photo.masked]
    return Prepared(
        subject, folder / "sheet.html", tuple(made.left_out), tuple(unmasked), summary.failed
    )


def _refuse_inside(folder: Path, sources: Sequence[Path]) -> None:
    """Everything in the folder may be written over, so nothing of the user's may lie there."""
    for path in sources:
        if real_path(folder) in real_path(path).parents:
            raise InputError(
                f"{path} lies in {folder}, where the training folders are written. Choose another "
                f"output folder."
            )


def _give_mask(
    record: Record, reference: ReferencePicture, found: str | Path, files: OwnFiles
) -> None:
    """Put the given mask in the place of the one that was found, but not of a mended one."""
    if reference.mask is None or record.output is None:
        return
    path, found_files = record.mask(found), OwnFiles(found)
    if "own" in (files.state(path), found_files.state(path)):
        grey = read_mask(reference.mask, picture_size(reference.picture))
        sha256 = found_files.write(path, mask_png(grey > grey.max() / 2))
        if sha256 != record.mask_sha256:  # else the album would take it for a mended one
            manifest = Manifest(found)
            manifest.add(replace(record, mask_sha256=sha256))
            manifest.tidy()


def _unscored(photos: Sequence[SubjectPhoto], given: str | None) -> list[SubjectPhoto]:
    """The photos without a score where the mask was given."""
    return [replace(p, score=None) if p.source == given else p for p in photos]


def _make(
    folder: Path,
    choices: Choices,
    record: Record,
    made: _Made,
    backgrounds: Sequence[Background],
) -> None:
    """Write the picture, weights and caption of one photo, or leave it out."""
    if record.output is None:
        made.tiles.append(None)
        return
    image = read_image(record.input)
    mask = read_mask(record.mask(folder / "found"), image.shape[:2], usable=False) > 127
    image, mask = _scaled(image, mask, choices.resolution)
    masked = bool(mask.any())
    cell = cell_pixels(mask.shape, choices.resolution)
    weights = loss_weights(mask, cell, dilate=choices.dilate, feather=choices.feather)
    if masked and backgrounds:
        image = replace_background(image, mask, backgrounds[len(made.photos) % len(backgrounds)])
    made.tiles.append(make_tile(image, weights > 127))
    if not masked and not choices.keep_unmasked:
        made.left_out.append(Path(record.input))
        return
    if not masked:
        weights = np.full_like(weights, 255)
    hard = SubjectFolder(folder, choices, ()).hard
    share = round(trained_share(weights, choices.resolution, hard=hard), 6)
    photo = SubjectPhoto(Path(record.output).stem, record.input, masked, share, record.score)
    made.photos.append(photo)
    subject = SubjectFolder(folder, choices, ())
    write_own(made.files, subject.image(photo), png(image))
    write_own(made.files, subject.mask(photo), png(weights))
    caption = _caption(Path(record.input), subject.caption(photo), choices, made.files)
    if caption is not None:
        made.files.write(subject.caption(photo), caption.encode("utf-8", errors="replace"))


def _caption(photo: Path, ours: Path, choices: Choices, files: OwnFiles) -> str | None:
    """What to write: what stands in a text file beside the photo, else the sentence of the choices.

    None where somebody has written into our own file, which then stays.
    """
    if files.state(ours) in ("changed", "foreign") and read_caption(ours):
        return None
    with suppress(OSError):
        if text := read_caption(photo.with_suffix(".txt")):
            return text + "\n"
    return choices.instance_prompt() + "\n"


def _scaled(image: np.ndarray, mask: np.ndarray, resolution: int) -> tuple[np.ndarray, np.ndarray]:
    """Picture and mask with a short side of at most the resolution."""
    height, width = mask.shape
    factor = resolution / min(height, width)
    if factor >= 1:
        return image, mask
    size = max(resolution, round(width * factor)), max(resolution, round(height * factor))
    small = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)
    share = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
    return np.array(small), np.array(share) > 127


def _remove_others(before: SubjectFolder | None, now: SubjectFolder, files: OwnFiles) -> None:
    """Remove what an earlier run wrote and this one did not: it would be trained on.

    Only files that are the program's own, unchanged and in this folder: their names come from a
    record that anybody may have written.
    """
    if before is None:
        return
    kept = {path for photo in now.photos for path in _files(now, photo)}
    for photo in before.photos:
        for path in set(_files(before, photo)) - kept:
            if files.remove(path):
                with suppress(OSError):  # its folder, where nothing else is in it
                    path.parent.rmdir()


def _files(subject: SubjectFolder, photo: SubjectPhoto) -> list[Path]:
    return [*subject.files(photo), *export_files(subject, photo).values()]
