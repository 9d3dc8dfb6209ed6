"""`persam review`: which masks of a run to look at first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam.cli.concept_args import ConceptArgs, ConceptOption, stored_concepts
from persam.cli.console import progress, say
from persam.cli.evaluate_args import typed_options
from persam.cli.label_args import (
    ErrorOption,
    PicturesOption,
    SaveArgs,
    sets_of,
    without_references,
    write_labels_of,
)
from persam.cli.model_args import DeviceOption, EngineOption, PrecisionOption
from persam.cli.run_args import (
    BatchOption,
    CacheOption,
    CacheSizeOption,
    JobsOption,
    QuietOption,
    loader_options,
)
from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.album.manifest import Record
    from persam.album.review import Doubtful


def review(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The folder that `persam segment` wrote.")],
    concept: ConceptOption = None,
    *,
    photos: Annotated[
        list[Path] | None,
        typer.Option("--photos", help="Folder of the photos that taught the concepts, if moved."),
    ] = None,
    first: Annotated[
        int, typer.Option("--first", min=1, help="How many photos review.html shows.")
    ] = 60,
    save: Annotated[
        str | None,
        typer.Option(
            "--save",
            help="Write labels with their doubt, too: label-studio (as scores), cvat (as an "
            "attribute), or any other format, with commas between.",
        ),
    ] = None,
    polygon_error: ErrorOption = 1.0,
    pictures: PicturesOption = "copy",
    overwrite_hand_work: Annotated[
        bool,
        typer.Option(
            "--overwrite-hand-work", help="Replace label files that somebody has changed."
        ),
    ] = False,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
    batch: BatchOption = "auto",
    jobs: JobsOption = "auto",
    cache: CacheOption = None,
    cache_size: CacheSizeOption = None,
    quiet: QuietOption = False,
) -> None:
    """Order the masks of a run by how likely they are wrong: review.csv and review.html in it."""
    from persam.album.review import review_queue

    if not concept:
        raise InputError("Name what the run looked for by --concept FILE.")
    records = _records(run)
    options = (polygon_error, pictures, overwrite_hand_work)
    saved = SaveArgs.of(save or "masks", options, typed_options(context))
    if save and saved.labels is None:
        raise InputError(f"--save takes label formats here, as label-studio,cvat; got {save!r}.")
    source = ConceptArgs.of(concept)
    loader = loader_options(batch, jobs, cache, cache_size)
    place = {"device": device, "precision": precision, "engine": engine}
    learnt = stored_concepts(source.named, None, **place)
    sets = sets_of(source.files)
    _, known = without_references(_pictures(photos, records), sets)
    taught = sets[0].labels if sets else known
    with progress(len(records), "Looking", quiet=quiet) as step:
        queue = review_queue(records, learnt, taught, step, loader=loader)
    _write(run, queue, first)
    if not quiet:
        _report(queue, run)
    if saved.labels is not None:
        doubts = {one.record.input: one.doubt for one in queue}
        name = next(iter(learnt))
        write_labels_of((records, run, doubts), known, name, saved.labels, quiet=quiet)


def _records(run: Path) -> list[Record]:
    from persam.album.manifest import NAME, Manifest

    if not (run / NAME).exists():
        raise InputError(f"{run} has no {NAME}: `persam segment` did not write it.")
    return list(Manifest(run).records.values())


def _pictures(folders: Sequence[Path] | None, records: Sequence[Record]) -> list[Path]:
    """Photos among which those that taught the concepts may be."""
    from persam.io.folders import is_picture, list_images

    if folders:
        return list(list_images(folders, recursive=True).photos)
    beside = {Path(record.input).parent for record in records}
    return [
        path
        for folder in sorted(beside)
        if folder.is_dir()
        for path in folder.iterdir()
        if is_picture(path)
    ]


def _write(run: Path, queue: Sequence[Doubtful], first: int) -> None:
    """Write table and sheet into the folder of the run, but over nobody's own files."""
    from persam.album.review import QUEUE, SHEET, queue_csv, queue_sheet
    from persam.io.own_files import OwnFiles
    from persam.runs import locked

    with locked(run):
        own = OwnFiles(run)
        for name in (QUEUE, SHEET):
            if own.state(run.absolute() / name) in ("foreign", "changed"):
                raise InputError(f"{run / name} was made or changed by hand; move it away.")
        own.write(run.absolute() / QUEUE, queue_csv(queue, run))
        own.write(run.absolute() / SHEET, queue_sheet(queue, run, first))


def _report(queue: Sequence[Doubtful], run: Path) -> None:
    for one in queue[:5]:
        reason = one.signs.reason if one.signs else "not read"
        say(f"{one.doubt:.2f}  {Path(one.record.input).name}  {reason}")
    say(f"All in the order of doubt: {run / 'review.csv'}, {run / 'review.html'}")
