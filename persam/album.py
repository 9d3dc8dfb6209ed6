"""The loop over many photos: one concept in, a folder of masks out, resumable."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Literal, get_args

from persam import draw
from persam.errors import InputError, PersamError
from persam.folders import name_outputs, refuse_overwriting
from persam.formats import remove_leftovers, write_cutout, write_overlay
from persam.images import read_image, read_profile
from persam.manifest import Manifest, Record, Stamp
from persam.searching import Search, fingerprint
from persam.sheet import Tile, make_tile, write_sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np

    from persam.concept import Concept

__all__ = ["PRODUCTS", "Output", "Product", "Summary", "fingerprint", "segment_album"]

Product = Literal["masks", "cutouts", "overlays", "sheet"]
PRODUCTS: tuple[Product, ...] = get_args(Product)


@dataclass(frozen=True)
class Output:
    """Where the results of an album go, and which.

    Attributes:
        folder: for masks (``<stem>.png``), ``cutouts/``, ``overlays/``, ``sheet.html`` and
            ``manifest.jsonl``.
        save: any of :data:`PRODUCTS`; masks are always written, as a run resumes from them.
        overwrite: look again at photos that are done.
        identity: names what the concept was made from, where that is steadier than its numbers
            (which differ in the last digits between machines). Empty: the numbers count.
        protected: files that must not be written over, besides the photos.
        instances: tell the instances of the object apart: masks are then indexed, 1 the best.
    """

    folder: str | Path
    save: frozenset[str] = frozenset({"masks"})
    overwrite: bool = False
    identity: str = ""
    protected: tuple[str | Path, ...] = ()
    instances: bool = False

    def __post_init__(self) -> None:
        unknown = sorted(set(self.save) - set(PRODUCTS))
        if unknown:
            raise InputError(f"save takes {', '.join(PRODUCTS)}; got {', '.join(unknown)}.")

    def files(self, stem: str) -> dict[Product, Path]:
        """Absolute paths of the files of one photo, by product, whether asked for or not."""
        folder = Path(self.folder).absolute()
        return {
            "masks": folder / f"{stem}.png",
            "cutouts": folder / "cutouts" / f"{stem}.png",
            "overlays": folder / "overlays" / f"{stem}.jpg",
        }

    @property
    def sheet(self) -> Path:
        """Absolute path of the contact sheet, whether asked for or not."""
        return Path(self.folder).absolute() / "sheet.html"


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
) -> Summary:
    """Find an object, or several, in many photos and write the results, one photo at a time.

    Several objects share one indexed mask a photo, numbered in their order, and have a line each in
    the manifest; instances likewise.

    A photo that cannot be read or segmented becomes an error line and the run goes on. An
    interrupted run loses at most the photo it was at: the same call goes on from there.

    Args:
        concept: what to look for; several by name, of one model.
        photos: picture files, see :func:`persam.folders.list_images`.
        output: the folder, or the folder with choices.
        on_progress: called after each photo, done ones included.

    Raises:
        InputError: a result would overwrite a photo, or the folder cannot be written.
    """
    output = output if isinstance(output, Output) else Output(output)
    search = Search.of(concept, instances=output.instances)
    run = _Run(search, [Path(photo) for photo in photos], output)
    records, tiles = [], []
    for record, tile in run.results():
        records.append(record)
        tiles.append(tile)
        if on_progress is not None:
            on_progress(record)
    run.manifest.tidy(record.input for record in records)
    sheet = output.sheet if "sheet" in output.save else None
    if sheet is not None:
        write_sheet(sheet, records, tiles)
    return Summary(tuple(records), run.skipped, run.manifest.path, sheet)


class _Run:
    """One pass over the photos: what is settled before the first of them, and the loop."""

    def __init__(self, search: Search, photos: list[Path], output: Output) -> None:
        self.search, self.photos, self.output = search, photos, output
        self.settings = search.settings(output.identity)
        self.skipped = 0
        self.manifest = Manifest(output.folder)
        self.files = [output.files(stem) for stem in name_outputs(photos, self.manifest.names)]
        self._refuse_to_overwrite()
        for folder in {path.parent for path in output.files("any").values()}:
            remove_leftovers(folder)
        self.manifest.tidy()

    def results(self) -> Iterator[tuple[Record, Tile | None]]:
        for photo, files in zip(self.photos, self.files, strict=True):
            record = self._done(photo, files)
            try:
                if record is None:
                    record, tile = self._look(photo, files)
                    self.manifest.add(record)
                else:
                    tile = self._catch_up(record, files)
                    self.skipped += 1
            except (PersamError, MemoryError, RuntimeError) as error:
                # RuntimeError is torch's word for "out of memory" and for impossible sizes.
                record, tile = Record(str(photo.absolute()), error=one_line(error)), None
                self.manifest.add(record)
            yield record, tile

    def _done(self, photo: Path, files: Mapping[Product, Path]) -> Record | None:
        """The record of an earlier run whose mask still holds, if there is one."""
        record = self.manifest.records.get(str(photo.absolute()))
        if (
            self.output.overwrite
            or record is None
            or record.error is not None
            or not record.complete
        ):
            return None
        same = record.stamp is not None and record.stamp == self._stamp(photo)
        return record if same and record.complete and files["masks"].exists() else None

    def _look(self, photo: Path, files: Mapping[Product, Path]) -> tuple[Record, Tile | None]:
        began = perf_counter()
        stamp = self._stamp(photo)  # before reading: a later change is then noticed next time
        image = read_image(photo)
        answer = self.search.look(image)
        answer.write(files["masks"])
        record = answer.record(photo, files["masks"], stamp)
        tile = self._extras(record, files, image, answer.labels)
        return replace(record, seconds=round(perf_counter() - began, 3)), tile

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
                draw.overlay(image, mask, record.points)
                if plain
                else draw.overlay_labels(image, labels)
            )
        if "cutouts" in save:
            write_cutout(files["cutouts"], draw.cutout(image, mask), read_profile(record.input))
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


def one_line(error: BaseException) -> str:
    """What went wrong with a photo, in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, PersamError) else f"{type(error).__name__}: {text}"
