"""What is known of each photo: the run's answer, and over it what the person said."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.album.manifest import Manifest
from persam.io.folders import name_outputs
from persam.io.masks import read_labels, read_mask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from persam.album.manifest import FoundObject, Record
    from persam.app.objects import NamedObject
    from persam.app.photos import MediaFile


class Results:
    """The run's records by photo, and the masks that they and the person's marks add up to."""

    def __init__(self, run: Path) -> None:
        """Read what an earlier run wrote, by the page or by the command line.

        Raises:
            InputError: the manifest is not one.
        """
        self.run = run
        self._records: dict[str, Record] = {}
        self._names: dict[str, str] = {}
        self.reload()

    def reload(self) -> None:
        """Read the manifest again."""
        manifest = Manifest(self.run)
        self._records, self._names = dict(manifest.records), dict(manifest.names)

    def take(self, record: Record) -> None:
        """Take up a record that the run has written just now."""
        self._records[record.input] = record

    def record(self, photo: Path) -> Record | None:
        """What the run made of a photo, if it has come to it."""
        return self._records.get(str(photo))

    def stem(self, photo: Path, photos: Sequence[Path]) -> str:
        """The name of a photo's results, as a run over these photos gives it."""
        names = name_outputs(photos, self._names)
        return dict(zip(photos, names, strict=True))[photo]

    def found(self, photo: Path) -> dict[str, FoundObject]:
        """The objects that were looked for in a photo, by name, there or not."""
        record = self.record(photo)
        return {str(one.object): one for one in (record.found if record else None) or ()}

    def masks(
        self,
        photo: Path,
        objects: Sequence[NamedObject],
        answered: Mapping[str, np.ndarray] | None = None,
    ) -> dict[str, np.ndarray]:
        """``(height, width)`` bool masks of the objects in a photo, those that have one.

        Args:
            photo: where.
            objects: all that are looked for.
            answered: masks by name that the person's marks lie over; None for the run's own.

        Raises:
            InputError: a mask's file is damaged or gone.
        """
        answered = self._answered(photo) if answered is None else answered
        masks = {}
        for one in objects:
            mark = one.mark(str(photo))
            if mark is not None and mark.kind == "absent":
                continue
            if mark is not None and mark.mask is not None:
                masks[one.name] = _hand_made(self.run / mark.mask)
            elif one.name in answered:
                masks[one.name] = answered[one.name]
        return masks

    def labels(
        self,
        photo: Path,
        objects: Sequence[NamedObject],
        answered: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray | None:
        """The same as one map ``(height, width)`` uint8: 1 for the first object, and so on.

        A person's masks lie over the run's. None where there is no mask at all.
        """
        masks = self.masks(photo, objects, answered)
        if not masks:
            return None
        labels = np.zeros(next(iter(masks.values())).shape, dtype=np.uint8)
        said = {one.name for one in objects if one.mark(str(photo)) is not None}
        for number, one in sorted(enumerate(objects, 1), key=lambda pair: pair[1].name in said):
            if one.name in masks and masks[one.name].shape == labels.shape:
                labels[masks[one.name]] = number
        return labels

    def describe(self, photo: MediaFile, objects: Sequence[NamedObject]) -> dict[str, Any]:
        """What the page is told of a photo."""
        record, name = self.record(photo.path), str(photo.path)
        marks = {one.name: mark for one in objects if (mark := one.mark(name)) is not None}
        others = [o.name for o in objects for m in o.marks if m.kind == "other" and m.photo == name]
        return {
            "id": photo.id,
            "name": photo.path.name,
            "date": photo.changed // 1_000_000,
            "done": record is not None,
            "error": record.error if record else None,
            "seconds": record.seconds if record else None,
            "byHand": record is not None and record.origin == "hand",
            "found": {name: _facts(one) for name, one in self.found(photo.path).items()},
            "marks": {name: {"kind": m.kind, "learnt": m.learnt} for name, m in marks.items()},
            "others": others,
            "version": self._version(record, marks),
        }

    def _answered(self, photo: Path) -> dict[str, np.ndarray]:
        """The run's own masks, by the names of the objects."""
        record = self.record(photo)
        if record is None or record.output is None or not record.found:
            return {}
        path = record.mask(self.run)
        labels = read_labels(path, _png_size(path))
        return {str(one.object): labels == one.label for one in record.found if one.box}

    def _version(self, record: Record | None, marks: Mapping[str, Any]) -> str:
        """Changes when a photo's masks may have."""
        files = [record.mask(self.run)] if record is not None and record.output else []
        files += [self.run / mark.mask for mark in marks.values() if mark.mask]
        times = [path.stat().st_mtime_ns for path in files if path.is_file()]
        return f"{zlib.crc32(repr((times, marks)).encode()):08x}"


def _hand_made(path: Path) -> np.ndarray:
    return read_mask(path, _png_size(path), usable=False) > 0


def _png_size(path: Path) -> tuple[int, int]:
    """``(height, width)`` of a mask that this program wrote."""
    from persam.io.picture_file import open_picture

    width, height = open_picture(path).size
    return height, width


def _facts(one: FoundObject) -> dict[str, Any]:
    return {
        "presence": one.presence,
        "score": one.score,
        "box": one.box,
        "points": one.points if one.box else (),
    }
