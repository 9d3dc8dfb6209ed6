"""`persam index`: a few kilobytes a photo, by which `persam find --index` ranks an album."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persam.cli.console import complain, count, named, progress, say
from persam.cli.model_args import (
    DeviceOption,
    EngineOption,
    MatchOption,
    ModelOption,
    PrecisionOption,
)
from persam.cli.run_args import (
    BatchOption,
    CacheOption,
    CacheSizeOption,
    JobsOption,
    MaxPixelsOption,
    QuietOption,
    RecursiveOption,
    ShardOption,
    loader_options,
)
from persam.io.folders import list_images


def index(
    photos: Annotated[list[Path], typer.Argument(help="Photos, and folders of photos.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the index; it may be added to.")],
    *,
    model: ModelOption = "pocket",
    match_with: MatchOption = None,
    shard: ShardOption = None,
    recursive: RecursiveOption = False,
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
    """Write what photos are searched by into an index, which later searches read alone.

    Photos that are in it are passed over, so that a stopped run goes on and an album may grow.

    Exit code: 0 all photos are in it, 1 some could not be read, 2 nothing could be done.
    """
    listing = list_images(photos, recursive=recursive)
    loader = loader_options(batch, jobs, cache, cache_size, max_pixels)
    from persam.album.index import index_album
    from persam.album.shards import Shard
    from persam.models.loading import load

    roots = tuple(path for path in photos if path.is_dir()) if recursive else ()
    mine = listing.photos
    if shard is not None:
        mine = tuple(mine[n] for n in Shard.parse(shard).positions(mine, roots))
    place = {"device": device, "precision": precision, "engine": engine}
    backbone = load(model, match_with=match_with, **place)
    with progress(len(mine), "Looking", quiet=quiet) as step:
        done = index_album(backbone, mine, out, step, loader=loader)
    if not quiet:
        say(f"{count(done.written - len(done.errors), 'photo')} added to {done.folder}")
        if done.skipped:
            say(f"{count(done.skipped, 'photo')} skipped, there already")
    for photo, error in done.errors:
        complain(named(photo, error))
    if done.errors:
        raise typer.Exit(1)
