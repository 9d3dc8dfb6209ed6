"""What people changed in the labels of a run, and what that teaches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from persam.album.labels import numbered_mask
from persam.album.manifest import NAME, Manifest
from persam.errors import InputError
from persam.io.folders import real_path
from persam.io.labels import Label, LabelledPicture, LabelSet
from persam.io.labels.pictures import PictureFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.album.manifest import Record


@dataclass(frozen=True, eq=False)
class Mistake:
    """What a run took for an object, and a person deleted.

    Attributes:
        picture: where.
        label: of the run, with its mask.
    """

    picture: LabelledPicture
    label: Label


@dataclass(frozen=True, eq=False)
class LabelChanges:
    """What people changed in labels since a run wrote them.

    Attributes:
        labels: all classes, and the pictures that teach something new, at hand.
        mistakes: labels of the run that are gone from its pictures.
    """

    labels: LabelSet
    mistakes: tuple[Mistake, ...]


def label_changes(
    labels: LabelSet,
    known: LabelSet,
    photos: Sequence[Path],
    run: Path | None = None,
    name: str = "object",
) -> LabelChanges:
    """Compare labels with what a concept knows, and with what a run had found.

    A picture teaches where a person's labels of it are others than before. Where an object that the
    run had found has no label any more, the person says that it is not there; a picture that the
    labels leave out altogether says nothing, and neither do labels that were read with problems.

    Args:
        labels: as people left them.
        known: what taught the concept.
        photos: that the labels are of.
        run: folder of the run that the labels are from; None knows of no mistakes.
        name: of the class where the run looked for one object without a name.

    Raises:
        InputError: a changed label is of a picture that is not among the photos.
    """
    here = PictureFolder(dict.fromkeys(photo.parent for photo in photos))
    taught = {one.name: _drawn(one) for one in known.pictures}
    records = {} if run is None or labels.problems else _records(run)
    changed, mistakes = [], []
    for picture in labels.pictures:
        new = _drawn(picture) != taught.get(picture.name, frozenset())
        path = here.get(picture.name) if new else here.find(picture.name)
        found = replace(picture, path=path)
        record = None if path is None else records.get(real_path(path))
        wrong = [] if record is None or run is None else _deleted(found, record, run, name)
        mistakes += wrong
        if new or wrong:
            changed.append(found)
    return LabelChanges(replace(labels, pictures=tuple(changed)), tuple(mistakes))


def run_of(labels: Path) -> Path | None:
    """The run that label files lie in, as it wrote them; None where they lie elsewhere."""
    above = [labels.absolute(), *labels.absolute().parents][:5]
    return next((folder for folder in above if (folder / NAME).is_file()), None)


def _drawn(picture: LabelledPicture) -> frozenset[str]:
    return frozenset(one.digest for one in picture.labels if one.origin.by == "person")


def _records(run: Path) -> dict[Path, Record]:
    if not (run / NAME).exists():
        raise InputError(f"{run} has no {NAME}: `persam segment` did not write it.")
    records = Manifest(run).records.values()
    return {real_path(Path(one.input)): one for one in records if one.origin == "run"}


def _deleted(picture: LabelledPicture, record: Record, run: Path, name: str) -> list[Mistake]:
    """Labels of the run of whose classes the picture has none any more."""
    if record.error is not None:
        return []
    named = [(None, name)] if record.found is None else []
    named += [(one.label, one.object or name) for one in record.found or ()]
    left = {one.name for one in picture.labels}
    gone = [(number, kind) for number, kind in named if kind not in left]
    if not gone:
        return []
    numbers = numbered_mask(record, run)
    masks = [(kind, numbers > 0 if n is None else numbers == n) for n, kind in gone]
    return [Mistake(picture, Label.of_mask(kind, mask)) for kind, mask in masks if mask.any()]
