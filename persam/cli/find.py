"""`persam find`: which photos have the object."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from persam.cli.album_report import verdict
from persam.cli.concept_args import stored_concept
from persam.cli.console import complain, named, progress, say, show
from persam.cli.model_args import (
    DeviceOption,
    EngineOption,
    PrecisionOption,
    with_min_presence,
)
from persam.cli.run_args import (
    BatchOption,
    CacheOption,
    CacheSizeOption,
    JobsOption,
    MaxPixelsOption,
    OverwriteOption,
    RecursiveOption,
    loader_options,
)
from persam.io.folders import list_images, refuse_overwriting
from persam.io.own_files import refuse_replacing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.album.search import Hit

ConceptOption = Annotated[Path, typer.Option("--concept", help="A file from `persam learn`.")]
FromPresenceOption = Annotated[
    float | None,
    typer.Option(
        "--min-presence",
        help="List a photo where the object is there with at least this probability, 0..1. Left "
        "out: what the concept says.",
    ),
]
OwnModelOption = Annotated[
    str | None, typer.Option("--model", help="Left out: the model that the concept names.")
]


def find(
    photos: Annotated[list[Path], typer.Argument(help="Photos, and folders of photos.")],
    concept: ConceptOption,
    *,
    min_presence: FromPresenceOption = None,
    recursive: RecursiveOption = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write a JSON line for every photo to this file, best first."),
    ] = None,
    overwrite: OverwriteOption = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print these lines instead of the table, for scripts.")
    ] = False,
    model: OwnModelOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
    batch: BatchOption = "auto",
    jobs: JobsOption = "auto",
    cache: CacheOption = None,
    cache_size: CacheSizeOption = None,
    max_pixels: MaxPixelsOption = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing but what went wrong.")
    ] = False,
) -> None:
    """List the photos that have an object, best first; no masks are written.

    Exit code: 0 it was found, 1 nowhere or a photo could not be looked at, 2 nothing could be done.
    """
    listing = list_images(photos, recursive=recursive)
    if out is not None:
        refuse_overwriting([out], [*listing.photos, concept], "Choose another --out.")
        refuse_replacing(out, overwrite=overwrite)
    loader = loader_options(batch, jobs, cache, cache_size, max_pixels)
    from persam.album.search import search
    from persam.io.writers import write_single

    learnt = stored_concept(concept, model, device=device, precision=precision, engine=engine)
    learnt = with_min_presence(learnt, min_presence)
    with progress(len(listing.photos), "Looking", quiet=quiet) as step:
        hits = search(learnt, listing.photos, lambda _: step(), loader=loader)
    lines = "".join(hit.to_json() + "\n" for hit in hits)
    if out is not None:
        write_single(out, lines)
    if json:
        say(lines.rstrip("\n"))
    elif not quiet:
        _show(hits, learnt.variant.min_presence)
    failed = [hit for hit in hits if hit.error is not None]
    for hit in failed:
        complain(named(hit.photo, str(hit.error)))
    if failed or not any(hit.present for hit in hits):
        raise typer.Exit(1)


def _show(hits: Sequence[Hit], min_presence: float) -> None:
    found = [hit for hit in hits if hit.present]
    if found:
        table = Table()
        table.add_column("photo", overflow="fold")
        for title in ("presence", "score"):
            table.add_column(title, justify="right")
        for hit in found:
            presence = "-" if hit.presence is None else f"{hit.presence:.3f}"
            table.add_row(_short(hit.photo), presence, f"{hit.score:.3f}")
        show(table)
    looked = [hit for hit in hits if hit.error is None]
    doubtful = sum(hit.doubtful for hit in looked)
    say(f"{verdict(len(found), len(looked), doubtful, min_presence)}.")


def _short(photo: str) -> str:
    path, here = Path(photo), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else photo
