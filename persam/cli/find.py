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
    QuietOption,
    RecursiveOption,
    loader_options,
)
from persam.errors import InputError
from persam.io.folders import Listing, list_images, refuse_overwriting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.album.loop import LoaderOptions
    from persam.album.search import Hit
    from persam.concept import Concept

ConceptOption = Annotated[Path, typer.Option("--concept", help="A file from `persam learn`.")]
FromPresenceOption = Annotated[
    float | None,
    typer.Option(
        "--min-presence",
        help="List a photo where the object is there with at least this probability, 0..1. Left "
        "out: what the concept says.",
    ),
]
IndexOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--index",
        help="Instead of photos: rank those of an index by `persam index`, none of which is "
        "opened. May be given again.",
    ),
]
CheckOption = Annotated[
    bool,
    typer.Option(
        "--check", help="With --index: open the photos that may have the object, and look."
    ),
]
OwnModelOption = Annotated[
    str | None, typer.Option("--model", help="Left out: the model that the concept names.")
]


def find(
    concept: ConceptOption,
    photos: Annotated[
        list[Path] | None, typer.Argument(help="Photos, and folders of photos; or --index.")
    ] = None,
    *,
    index: IndexOption = None,
    check: CheckOption = False,
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
    quiet: QuietOption = False,
) -> None:
    """List the photos that have an object, best first; no masks are written.

    Exit code: 0 it was found, 1 nowhere or a photo could not be looked at, 2 nothing could be done.
    """
    from persam.io.own_files import refuse_replacing
    from persam.io.writers import write_single

    if bool(photos) == bool(index) or (check and not index):
        raise InputError("Give photos, or --index (and perhaps --check); one of them, not both.")
    listing = list_images(photos, recursive=recursive) if photos else Listing(())
    if out is not None:
        sources = [*listing.photos, concept, *(index or ())]
        refuse_overwriting([out], sources, "Choose another --out.")
        refuse_replacing(out, overwrite=overwrite)
    loader = loader_options(batch, jobs, cache, cache_size, max_pixels)
    learnt = stored_concept(concept, model, device=device, precision=precision, engine=engine)
    learnt = with_min_presence(learnt, min_presence)
    hits = _hits(learnt, (listing.photos, index or (), check), loader, quiet=quiet)
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


def _hits(
    concept: Concept,
    where: tuple[Sequence[Path], Sequence[Path], bool],
    loader: LoaderOptions,
    *,
    quiet: bool,
) -> Sequence[Hit]:
    """Look at photos, or rank those of an index and perhaps look at the likely ones."""
    from persam.album.index_search import candidates, look_at_hits, search_index
    from persam.album.search import search

    photos, indexes, check = where
    if photos:
        with progress(len(photos), "Looking", quiet=quiet) as step:
            return search(concept, photos, lambda _: step(), loader=loader)
    hits = search_index(concept, indexes)
    if not check:
        return hits
    with progress(len(candidates(concept, hits)), "Looking", quiet=quiet) as step:
        return look_at_hits(concept, hits, step, loader=loader)


def _show(hits: Sequence[Hit], min_presence: float) -> None:
    found = [hit for hit in hits if hit.present]
    if found:
        table = Table()
        table.add_column("photo", overflow="fold")
        for title in ("presence", "score"):
            table.add_column(title, justify="right")
        for hit in found:
            presence = "-" if hit.presence is None else f"{hit.presence:.3f}"
            score = "-" if hit.score is None else f"{hit.score:.3f}"
            table.add_row(_short(hit.photo), presence, score)
        show(table)
    looked = [hit for hit in hits if hit.error is None]
    doubtful = sum(hit.doubtful for hit in looked)
    say(f"{verdict(len(found), len(looked), doubtful, min_presence)}.")


def _short(photo: str) -> str:
    path, here = Path(photo), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else photo
