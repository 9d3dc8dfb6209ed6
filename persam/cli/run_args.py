"""Options of commands that go through many photos: how many at once, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam.errors import InputError

if TYPE_CHECKING:
    from persam.album.loop import LoaderOptions

BatchOption = Annotated[
    str,
    typer.Option(
        "--batch",
        metavar="N|auto",
        help="Photos that the encoder takes at once; auto finds out on the first ones.",
    ),
]
JobsOption = Annotated[
    str,
    typer.Option(
        "--jobs",
        metavar="N|auto",
        help="Threads that read and write beside the model; auto finds out, 0 has none.",
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        help="Keep what the encoder made of the photos, so that the next object is found faster.",
    ),
]
CacheSizeOption = Annotated[
    str | None,
    typer.Option(
        "--cache-size",
        metavar="SIZE",
        help="How large the cache may grow, as 500MB; left out: 10GB. What was used longest ago "
        "goes first.",
    ),
]


OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace the file that --out names, if it is there.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing but what went wrong.")
]
RecursiveOption = Annotated[
    bool,
    typer.Option("--recursive", "-r", help="Look into the sub-folders of folders, too."),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="K/N",
        help="Look at the K-th of N parts of the photos, told by a hash of their names; each part "
        "into a folder of its own, and `persam merge` puts them together.",
    ),
]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option(
        "--max-pixels",
        min=1,
        metavar="N",
        help="Refuse larger photos. Left out: 128 million, more than the photos of most phones.",
    ),
]


def loader_options(
    batch: str,
    jobs: str,
    cache: Path | None,
    cache_size: str | None,
    max_pixels: int | None = None,
) -> LoaderOptions:
    """What the options add up to.

    Raises:
        InputError: a number or a size that is none, or a size without a cache.
    """
    from persam.album.embedding_cache import LIMIT, Cache, parse_size
    from persam.album.loop import LoaderOptions

    if cache is None and cache_size is not None:
        raise InputError(f"--cache-size {cache_size} would do nothing without --cache DIR.")
    limit = LIMIT if cache_size is None else parse_size(cache_size)
    numbers = _number("--batch", batch), _number("--jobs", jobs)
    options = LoaderOptions(*numbers, None if cache is None else Cache(cache, limit))
    return options if max_pixels is None else replace(options, max_pixels=max_pixels)


def _number(option: str, word: str) -> int | None:
    if word == "auto":
        return None
    if not word.isdecimal():
        raise InputError(f"{option} takes a whole number or auto; got {word!r}.")
    return int(word)
