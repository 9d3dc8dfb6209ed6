"""What earlier runs left in a folder of results: which photos are done, whose files they are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from persam.album.manifest import FoundObject, Record, Stamp
from persam.errors import InputError
from persam.io.own_files import OwnFiles, file_sha256
from persam.io.picture_file import open_picture, picture_size
from persam.pipeline.prompts import mask_box

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from persam.album.manifest import Manifest
    from persam.album.output import Output, Product

_NAMED = 3  # files in an error


@dataclass(frozen=True, eq=False)
class EarlierRuns:
    """The records and files of a folder of results before a run goes on in it.

    Attributes:
        manifest: of the folder.
        own: which files runs have written.
        settings: of this run, see :class:`~persam.album.manifest.Stamp`.
    """

    manifest: Manifest
    own: OwnFiles
    settings: str

    def adopt_moved(self, photos: Sequence[Path]) -> None:
        """Take up the records of photos that lie elsewhere now, or are called something else.

        They are known by their content; under another name only where nothing is in the old place.
        """
        records = self.manifest.records
        given = {str(photo.absolute()) for photo in photos}
        homeless: defaultdict[int, list[Record]] = defaultdict(list)
        for record in records.values():
            if record.stamp is not None and record.input not in given:
                homeless[record.stamp.size].append(record)
        for photo in photos:
            place = str(photo.absolute())
            if place in records or not homeless:
                continue
            stamp = self.stamp(photo)
            candidates = [] if stamp is None else homeless.get(stamp.size, [])
            sha256 = file_sha256(photo) if candidates else None
            same = [r for r in candidates if r.stamp and sha256 and r.stamp.sha256 == sha256]
            named = [record for record in same if _name(record.input) == photo.name]
            same = named or [record for record in same if not Path(record.input).exists()]
            if same:
                moved = max(same, key=lambda record: _common_end(record.input, place))
                candidates.remove(moved)
                del records[moved.input]
                records[place] = replace(moved, input=place)

    def stamp(self, photo: Path) -> Stamp | None:
        """What a result depends on, the photo's content not yet read; None where it is gone."""
        try:
            facts = photo.stat()
        except OSError:  # reading the photo says why, in a line of its own
            return None
        return Stamp(self.settings, facts.st_size, facts.st_mtime_ns)

    def done(
        self, photo: Path, files: Mapping[Product, Path], *, again: bool, by_hand_too: bool
    ) -> Record | None:
        """The record of a photo whose mask still holds, if there is one.

        Args:
            photo: the file.
            files: of its results.
            again: do it again where a run made the mask.
            by_hand_too: do it again where somebody has changed the mask.
        """
        record = self.manifest.records.get(str(photo.absolute()))
        mask = files["masks"]
        if record is None or record.output is None:
            return None if by_hand_too else self._added(photo, mask)
        if not record.complete:
            return None
        found = file_sha256(mask)
        if found is None:
            return None
        if record.origin == "hand" or not self._is_own(mask, found, record):
            return None if by_hand_too else _mended(record, mask, found)
        # A run that was stopped may have put its own mask in the place of the record's.
        holds = found == record.mask_sha256 and self._same_photo(record.stamp, photo)
        return record if holds and not again else None

    def _added(self, photo: Path, mask: Path) -> Record | None:
        """A record for a mask that somebody has put among the results of earlier runs."""
        among_results = bool(self.manifest.records) or self.own.any
        stamp = self.stamp(photo)
        if not among_results or stamp is None or self.own.state(mask) != "foreign":
            return None
        try:
            if picture_size(mask, upright=False) != picture_size(photo):
                return None
        except InputError:
            return None
        sha256 = str(file_sha256(mask))
        stamp = replace(stamp, sha256=file_sha256(photo))
        record = Record(str(photo.absolute()), self.own.name(mask), stamp=stamp, seconds=0.0)
        return _mended(record, mask, sha256)

    def foreign(self, files: Iterable[Path]) -> list[Path]:
        """Those of the files that are there and that no run wrote."""
        # Results may have been copied without the list of own files, which is hidden.
        records = () if self.own.any else self.manifest.records.values()
        claimed = {name for record in records for name in _outputs(record)}
        by_hand = {r.output for r in self.manifest.records.values() if r.origin == "hand"}
        return [
            path
            for path in files
            if self.own.state(path) == "foreign" and self.own.name(path) not in claimed | by_hand
        ]

    def _is_own(self, path: Path, sha256: str, record: Record) -> bool:
        return sha256 == record.mask_sha256 or self.own.state(path) == "own"

    def _same_photo(self, before: Stamp | None, photo: Path) -> bool:
        now = self.stamp(photo)
        if before is None or now is None or before.settings != now.settings:
            return False
        if (before.size, before.mtime_ns) == (now.size, now.mtime_ns):
            return True
        return before.sha256 is not None and before.sha256 == file_sha256(photo)


def refuse_foreign(earlier: EarlierRuns, files: Iterable[Path], output: Output) -> None:
    """Refuse to replace files that no run wrote, unless that is asked for.

    Raises:
        InputError: names some of them.
    """
    found = [] if output.overwrite_hand_work else earlier.foreign(files)
    if found:
        names = ", ".join(str(path) for path in found[:_NAMED])
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise InputError(
            f"{names}{more} would be replaced, which persam did not write. Choose another folder, "
            f"or replace such files by --overwrite-hand-work."
        )


def _mended(record: Record, mask: Path, sha256: str) -> Record | None:
    """The record of a mask that somebody has changed; None where it is no picture any more."""
    if record.origin == "hand" and record.mask_sha256 == sha256:
        return record
    try:
        image = open_picture(mask, upright=False)
    except InputError:
        return None
    found = record.found
    if found is None:
        box = mask_box(np.asarray(image.convert("L")) > 0)
    else:
        labels = np.asarray(image)
        found = tuple(_redrawn(one, labels) for one in found)
        box = found[0].box if found else None
    return replace(
        record,
        score=None,
        presence=None,
        points=(),
        box=box,
        found=found,
        mask_sha256=sha256,
        origin="hand",
    )


def _redrawn(one: FoundObject, labels: np.ndarray) -> FoundObject:
    box = mask_box(labels == one.label) if labels.ndim == 2 else one.box
    return replace(one, score=None, presence=None, points=(), box=box)


def _outputs(record: Record) -> tuple[str, ...]:
    if record.output is None:
        return ()
    stem = record.output.rpartition(".")[0]
    return record.output, f"cutouts/{stem}.png", f"overlays/{stem}.jpg"


def _name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _common_end(one: str, other: str) -> int:
    """How many parts two paths have in common, from their ends."""
    pairs = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    count = 0
    for left, right in pairs:
        if left != right:
            break
        count += 1
    return count
