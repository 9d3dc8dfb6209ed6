"""What a person takes away: which photos, and as one new folder."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from persam.app.archive import EXPORTS
from persam.app.commands import command_lines
from persam.app.export_files import ExportWriter
from persam.app.learning import at_presence
from persam.errors import InputError
from persam.io.folders import name_outputs
from persam.io.writers import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from persam.album.manifest import FoundObject
    from persam.app.export_files import ExportOptions
    from persam.app.photos import MediaFile
    from persam.app.session import Session

_NAME = re.compile(r"\w[\w .-]{0,59}")


def export(session: Session, options: ExportOptions) -> Path:
    """Begin to write a new folder of results, photo by photo in the background.

    Returns:
        The folder.

    Raises:
        InputError: a job is running, a name that is taken or none, or nothing to take.
    """
    if not options.products:
        raise InputError("Choose what to take away.")
    if "cutouts" in options.products:
        options.cutouts.check()
    folder = _new_folder(session.run / EXPORTS, options.name)
    photos = [photo for photo in session.media.photos.values() if accepted(session, photo, options)]
    if not photos and options.products != {"concepts"}:
        raise InputError("No photo shows the object at this presence. Move the slider, or search.")
    session.job.start("Writing", len(photos), lambda: _write_all(session, options, folder, photos))
    return folder


def accepted(session: Session, photo: MediaFile, options: ExportOptions) -> list[str]:
    """Names of the objects that are in a photo: by the person's word, else by presence."""
    found = session.results.found(photo.path)
    names = []
    for one in session.state.objects:
        mark = one.mark(str(photo.path))
        if mark is not None:
            there = mark.kind in ("shown", "corrected", "right")
        else:
            there = _is_there(found.get(one.name), options.min_presence)
        names += [one.name] if there else []
    return names


def _is_there(answer: FoundObject | None, min_presence: float) -> bool:
    """Whether the search says that an object is in a photo."""
    if answer is None or answer.box is None:
        return False
    return answer.presence is None or answer.presence >= min_presence


def _write_all(
    session: Session, options: ExportOptions, folder: Path, photos: list[MediaFile]
) -> None:
    stems = name_outputs([photo.path for photo in photos], {})
    writer = ExportWriter(folder, options, session.state.objects)
    if "concepts" in options.products:
        for one in session.state.objects:
            if one.learnable:
                concept = at_presence(session.model.maker.concept(one), options.min_presence)
                concept.save(folder / f"{one.stem}.safetensors")
    for photo, stem in zip(photos, stems, strict=True):
        names = accepted(session, photo, options)
        masks = {name: mask for name, mask in session.masks(photo).items() if name in names}
        writer.write(photo, stem, masks, session.results.found(photo.path))
        session.job.step()
    losses = writer.finish()
    write_text(folder / "commands.txt", "\n".join(command_lines(session)) + "\n")
    session.events.publish("exported", folder=str(folder), photos=len(photos), losses=losses)


def _new_folder(parent: Path, name: str) -> Path:
    name = name.strip() or datetime.now().strftime("%Y-%m-%d %H.%M.%S")
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise InputError(
            "The folder's name has up to 60 letters, digits, blanks, dots, hyphens or underscores."
        )
    folder = parent / name
    if folder.exists():
        raise InputError(f"There is a folder {name} in exports already. Choose another name.")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}.") from error
    return folder
