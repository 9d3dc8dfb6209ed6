"""The loop over many photos: one concept in, a folder of masks out, resumable."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from persam.album.contact_sheet import Tile, make_tile, write_sheet
from persam.album.loop import LoaderOptions, process_photos
from persam.album.manifest import Manifest, Record, Stamp
from persam.album.output import PRODUCTS, Output, Product
from persam.album.reader import STOPS_A_PHOTO, one_line
from persam.album.targets import AlbumTarget, fingerprint
from persam.io import drawing
from persam.io.folders import name_outputs, refuse_overwriting
from persam.io.images import read_image, read_profile
from persam.io.writers import remove_leftovers, write_cutout, write_overlay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np

    from persam.album.loop import PhotoResult
    from persam.album.prefetch import Threads
    from persam.album.targets import PhotoAnswer
    from persam.concept import Concept

__all__ = [
    "PRODUCTS",
    "LoaderOptions",
    "Output",
    "Product",
    "Summary",
    "fingerprint",
    "segment_album",
]


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        records: one for each photo, in the order of the photos.
        skipped: how many of them were done already by an earlier run.
        manifest: the written ``manifest.jsonl``.
        sheet: the written contact sheet, None where none was asked for.
    """

    records: tuple[Record, ...]
    skipped: int
    manifest: Path
    sheet: Path | None = None

    @property
    def failed(self) -> tuple[Record, ...]:
        """The photos without a mask."""
        return tuple(record for record in self.records if record.error is not None)

    @property
    def written(self) -> int:
        """How many masks this run wrote."""
        return len(self.records) - self.skipped - len(self.failed)


def segment_album(
    concept: Concept | Mapping[str, Concept],
    photos: Sequence[str | Path],
    output: Output | str | Path,
    on_progress: Callable[[Record], None] | None = None,
    *,
    loader: LoaderOptions | None = None,
) -> Summary:
    """Find an object, or several, in many photos and write the results, photo by photo.

    Several objects share one indexed mask a photo, numbered in their order, and have a line each in
    the manifest; instances likewise.

    A photo that cannot be read or segmented becomes an error line and the run goes on. An
    interrupted run loses at most the photos that were in the making: the same call goes on from
    there. However long the album, ``batch`` and ``jobs`` of :class:`LoaderOptions` bound how many
    of its pictures are in memory.

    Args:
        concept: what to look for; several by name, of one model.
        photos: picture files, see :func:`persam.io.folders.list_images`.
        output: the folder, or the folder with choices.
        on_progress: called after each photo, done ones included, in the order of the photos.
        loader: how they are gone through; None finds out what is quickest here.

    Raises:
        InputError: a result would overwrite a photo, or the folder cannot be written.
    """
    output = output if isinstance(output, Output) else Output(output)
    search = AlbumTarget.of(concept, instances=output.instances)
    loader = loader or LoaderOptions()
    run = _AlbumRun(search, [Path(photo) for photo in photos], output)
    records, tiles = [], []
    with loader.threads() as threads:
        for record, tile in run.results(loader, threads):
            records.append(record)
            tiles.append(tile)
            if on_progress is not None:
                on_progress(record)
    run.manifest.tidy(record.input for record in records)
    sheet = output.sheet if "sheet" in output.save else None
    if sheet is not None:
        write_sheet(sheet, records, tiles)
    return Summary(tuple(records), run.skipped, run.manifest.path, sheet)


class _Step(NamedTuple):
    """A photo that is to be finished: either its earlier record, or what was seen in it now."""

    photo: Path
    files: Mapping[Product, Path]
    earlier: Record | None
    seen: PhotoResult[PhotoAnswer] | None


class _Finished(NamedTuple):
    """What became of a photo, whose files are written; perhaps in an earlier run."""

    record: Record
    tile: Tile | None = None
    earlier: bool = False


class _AlbumRun:
    """One pass over the photos: what is settled before the first of them, and the loop."""

    def __init__(self, search: AlbumTarget, photos: list[Path], output: Output) -> None:
        self.search, self.photos, self.output = search, photos, output
        self.settings = search.settings(output.identity)
        self.skipped = 0
        self.manifest = Manifest(output.folder)
        self.files = [output.files(stem) for stem in name_outputs(photos, self.manifest.names)]
        self._refuse_to_overwrite()
        for folder in {path.parent for path in output.files("any").values()}:
            remove_leftovers(folder)
        self.manifest.tidy()
        self.earlier = [self._done(*one) for one in zip(photos, self.files, strict=True)]
        pairs = zip(photos, self.earlier, strict=True)
        # Before reading: a later change is then noticed next time.
        self.new = {photo: self._stamp(photo) for photo, record in pairs if record is None}

    def results(
        self, loader: LoaderOptions, threads: Threads
    ) -> Iterator[tuple[Record, Tile | None]]:
        """Records and tiles of all photos in their order; a record's files are there by then."""
        todo = [photo for photo in self.photos if photo in self.new]
        pixels = bool(self.output.save - {"masks"})
        seen = process_photos(todo, self.search, loader, threads, pixels=pixels)
        for done in threads.write_behind(self._finish, self._steps(seen), lambda: 2 * threads.jobs):
            if done.earlier:
                self.skipped += 1
            else:
                self.manifest.add(done.record)
            yield done.record, done.tile

    def _steps(self, seen: Iterator[PhotoResult[PhotoAnswer]]) -> Iterator[_Step]:
        for photo, files, record in zip(self.photos, self.files, self.earlier, strict=True):
            yield _Step(photo, files, record, next(seen) if record is None else None)

    def _finish(self, step: _Step) -> _Finished:
        """Write the files of one photo, in a thread."""
        try:
            if step.earlier is not None:
                tile = self._catch_up(step.earlier, step.files)
                return _Finished(step.earlier, tile, earlier=True)
            if step.seen is not None and step.seen.answer is not None:
                return self._write(step.seen, step.seen.answer, step.files)
            error = None if step.seen is None else step.seen.error
        except STOPS_A_PHOTO as stopped:
            error = one_line(stopped)
        return _Finished(Record(str(step.photo.absolute()), error=error))

    def _done(self, photo: Path, files: Mapping[Product, Path]) -> Record | None:
        """The record of an earlier run whose mask still holds, if there is one."""
        record = self.manifest.records.get(str(photo.absolute()))
        if self.output.overwrite or record is None or record.error is not None:
            return None
        same = record.stamp is not None and record.stamp == self._stamp(photo)
        return record if same and record.complete and files["masks"].exists() else None

    def _write(
        self, seen: PhotoResult[PhotoAnswer], answer: PhotoAnswer, files: Mapping[Product, Path]
    ) -> _Finished:
        began = perf_counter()
        answer.write(files["masks"])
        record = answer.record(seen.photo, files["masks"], self.new[seen.photo])
        tile = None
        if seen.image is not None:
            tile = self._extras(record, files, seen.image, answer.labels)
        spent = round(seen.seconds + perf_counter() - began, 3)
        return _Finished(replace(record, seconds=spent), tile)

    def _catch_up(self, record: Record, files: Mapping[Product, Path]) -> Tile | None:
        """Make what is asked for now and was not before, from the photo and its mask."""
        made = files["masks"].stat().st_mtime_ns
        extras = [files[name] for name in ("cutouts", "overlays") if name in self.output.save]
        fresh = all(path.exists() and path.stat().st_mtime_ns >= made for path in extras)
        if fresh and "sheet" not in self.output.save:
            return None
        image = read_image(record.input)
        labels = self.search.read(files["masks"], image.shape[:2])
        return self._extras(record, files, image, labels)

    def _extras(
        self, record: Record, files: Mapping[Product, Path], image: np.ndarray, labels: np.ndarray
    ) -> Tile | None:
        save, mask = self.output.save, labels > 0
        drawn = None
        if {"overlays", "sheet"} & set(save):
            plain = record.found is None
            drawn = (
                drawing.overlay(image, mask, record.points)
                if plain
                else drawing.overlay_labels(image, labels)
            )
        if "cutouts" in save:
            write_cutout(files["cutouts"], drawing.cutout(image, mask), read_profile(record.input))
        if "overlays" in save and drawn is not None:
            write_overlay(files["overlays"], drawn)
        return make_tile(image, mask, drawn=drawn) if "sheet" in save else None

    def _stamp(self, photo: Path) -> Stamp | None:
        try:
            facts = photo.stat()
        except OSError:  # reading the photo says why, in a line of its own
            return None
        return Stamp(self.settings, facts.st_size, facts.st_mtime_ns)

    def _refuse_to_overwrite(self) -> None:
        targets = [path for files in self.files for path in files.values()]
        refuse_overwriting(
            (*targets, self.manifest.path, self.output.sheet),
            (*self.photos, *self.output.protected),
            "Choose another output folder.",
        )
