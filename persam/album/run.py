"""The loop over many photos: one concept in, a folder of masks out, resumable."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from persam.album.contact_sheet import Tile, sheet_page
from persam.album.loop import LoaderOptions, process_photos
from persam.album.manifest import Manifest, Record
from persam.album.output import PRODUCTS, RESERVED, Output, Product
from persam.album.planned_files import refuse_clashes, to_be_written
from persam.album.previous_runs import EarlierRuns, refuse_foreign
from persam.album.reader import STOPS_A_PHOTO, one_line
from persam.album.result_images import ResultImages
from persam.album.shards import ShardPlan, refuse_other_shard, write_plan
from persam.album.summary import Summary
from persam.album.targets import AlbumTarget, fingerprint
from persam.errors import InputError
from persam.io.folders import name_outputs
from persam.io.own_files import OwnFiles, file_sha256
from persam.io.writers import remove_leftovers
from persam.runs import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from persam.album.loop import PhotoResult
    from persam.album.manifest import Stamp
    from persam.album.prefetch import Threads
    from persam.album.targets import PhotoAnswer
    from persam.concept import Concept

_LOG = logging.getLogger(__name__)
__all__ = [
    "PRODUCTS",
    "LoaderOptions",
    "Output",
    "Product",
    "Summary",
    "fingerprint",
    "segment_album",
]


def segment_album(
    concept: Concept | Mapping[str, Concept] | AlbumTarget,
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
    there, also where album or results have been moved. A mask that somebody has changed is left
    alone, whatever is looked for. However long the album, ``batch`` and ``jobs`` of
    :class:`LoaderOptions` bound how many of its pictures are in memory.

    Args:
        concept: what to look for; several by name, of one model; or, for the instances of one,
            ``AlbumTarget.of(concept, instances=True)``.
        photos: picture files, see :func:`persam.io.folders.list_images`.
        output: the folder, or the folder with choices.
        on_progress: called after each photo, done ones included, in the order of the photos.
        loader: how they are gone through; None finds out what is quickest here.

    Raises:
        InputError: a result would replace a photo or a file that no run wrote, another run is
            writing into the folder, or it cannot be written.

    Example:
        >>> import tempfile
        >>> import persam
        >>> from persam import samples
        >>> photo, mask = samples.files(samples.PICTURES, 0)
        >>> dog = persam.personalize(persam.load("pocket"), photo, mask=mask)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     first = persam.segment_album(dog, [photo], folder)
        ...     again = persam.segment_album(dog, [photo], folder)
        >>> (first.written, again.written, again.skipped)
        (1, 0, 1)
    """
    output = output if isinstance(output, Output) else Output(output)
    target = concept if isinstance(concept, AlbumTarget) else AlbumTarget.of(concept)
    with locked(output.folder):
        return _AlbumRun(target, [Path(photo) for photo in photos], output).run(
            loader or LoaderOptions(), on_progress
        )


class _Step(NamedTuple):
    """A photo that is to be finished: either its earlier record, or what became of it now."""

    photo: Path
    files: Mapping[Product, Path]
    earlier: Record | None
    result: PhotoResult[PhotoAnswer] | None


class _Finished(NamedTuple):
    """What became of a photo, whose files are written; perhaps in an earlier run."""

    record: Record
    tile: Tile | None = None
    earlier: bool = False


class _AlbumRun:
    """One pass over the photos: what is settled before the first of them, and the loop."""

    def __init__(self, target: AlbumTarget, photos: list[Path], output: Output) -> None:
        self.target, self.output = target, output
        self.manifest, self.own = Manifest(output.folder), OwnFiles(output.folder)
        settings = target.settings(output.identity)
        self.past = EarlierRuns(self.manifest, self.own, settings)
        self.past.adopt_moved(photos)
        names = name_outputs(photos, self.manifest.names, output.mirror, RESERVED)
        every = [output.files(name) for name in names]
        refuse_clashes(target, output, every, photos)
        plan = output.shard and ShardPlan.of(output.shard, photos, output.mirror)
        refuse_other_shard(output.folder, plan)
        mine = range(len(photos)) if plan is None else plan.places.values()
        self.photos, self.files = [photos[n] for n in mine], [every[n] for n in mine]
        pairs = zip(self.photos, self.files, strict=True)
        again, by_hand_too = output.overwrite, output.overwrite_hand_work
        self.earlier = [
            self.past.done(*pair, again=again, by_hand_too=by_hand_too) for pair in pairs
        ]
        planned = to_be_written(target, output, self.files, self.earlier)
        refuse_foreign(self.past, planned, output)
        for folder in {path.parent for files in self.files for path in files.values()}:
            remove_leftovers(folder)
        self.manifest.tidy()
        self.own.tidy()
        write_plan(output.folder, plan)
        pairs = zip(self.photos, self.earlier, strict=True)
        # Before reading: a later change is then noticed next time.
        self.new = {photo: self.past.stamp(photo) for photo, record in pairs if record is None}
        self.images = ResultImages(target, output, self.own)

    def run(self, loader: LoaderOptions, on_progress: Callable[[Record], None] | None) -> Summary:
        done: list[_Finished] = []
        self.images.show_reference()
        with loader.threads() as threads:
            for one in self._finished(loader, threads):
                done.append(one)
                _LOG.info("%s: %s", one.record.input, one.record.error or one.record.output)
                if on_progress is not None:
                    on_progress(one.record)
        records = tuple(one.record for one in done)
        self.manifest.tidy(record.input for record in records)
        sheet = self._write_sheet(done) if "sheet" in self.output.save else None
        skipped = sum(one.earlier for one in done)
        return Summary(records, skipped, self.manifest.path, sheet, self.images.not_written)

    def _finished(self, loader: LoaderOptions, threads: Threads) -> Iterator[_Finished]:
        """All photos in their order; a photo's files are there by then."""
        todo = [photo for photo in self.photos if photo in self.new]
        results = process_photos(todo, self.target, loader, threads, pixels=self.images.wanted)
        steps = self._steps(results)
        for one in threads.write_behind(self._finish, steps, lambda: 2 * threads.jobs):
            if one.record != self.manifest.records.get(one.record.input):
                self.manifest.add(one.record)
            yield one

    def _steps(self, results: Iterator[PhotoResult[PhotoAnswer]]) -> Iterator[_Step]:
        for photo, files, record in zip(self.photos, self.files, self.earlier, strict=True):
            yield _Step(photo, files, record, next(results) if record is None else None)

    def _finish(self, step: _Step) -> _Finished:
        """Write the files of one photo, in a thread."""
        try:
            if step.earlier is not None:
                record, tile = self.images.catch_up(step.earlier, step.files)
                return _Finished(record, tile, earlier=True)
            if step.result is not None and step.result.answer is not None:
                return self._write(step, step.result, step.result.answer)
            error = None if step.result is None else step.result.error
        except STOPS_A_PHOTO as stopped:
            error = one_line(stopped)
        return _Finished(Record(str(step.photo.absolute()), error=error))

    def _write(
        self, step: _Step, result: PhotoResult[PhotoAnswer], answer: PhotoAnswer
    ) -> _Finished:
        began, photo, files = perf_counter(), step.photo, step.files
        answer = answer if result.size is None else answer.at(result.size)
        facts = self.images.facts(photo)
        png = answer.png(facts.metadata)
        sha256 = self.own.write(files["masks"], png)
        record = replace(
            answer.record(photo),
            output=self.own.name(files["masks"]),
            stamp=self._with_content(self.new[photo], photo),
            mask_sha256=sha256,
        )
        record, tile = self.images.make(record, files, answer.labels, result.image, facts)
        spent = round(result.seconds + perf_counter() - began, 3)
        return _Finished(replace(record, seconds=spent), tile)

    def _with_content(self, stamp: Stamp | None, photo: Path) -> Stamp | None:
        """The stamp with the content's name, where the photo has not changed since."""
        if stamp is None or self.past.stamp(photo) != stamp:
            return stamp
        return replace(stamp, sha256=file_sha256(photo))

    def _write_sheet(self, done: Sequence[_Finished]) -> Path | None:
        changed = self.own.state(self.output.sheet) == "changed"
        if changed and not self.output.overwrite_hand_work:
            return self.output.sheet
        pictures = [one.tile for one in done]
        page = sheet_page([one.record for one in done], pictures, self.output.reference)
        try:
            self.own.write(self.output.sheet, page)
        except InputError as error:
            self.images.give_up("sheet", error)
            return None
        return self.output.sheet
