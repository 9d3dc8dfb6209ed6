"""`persam segment` where photos or results are in tars, tables or stores: nothing is copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from persam.cli.album_report import verdict
from persam.cli.console import complain, count, named, progress, say
from persam.cli.evaluate_args import refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.album.loop import LoaderOptions
    from persam.album.targets import AlbumTarget

_NAMED = 20  # errors that are shown
# Options about folders of files.
_OF_FOLDERS = (
    *("save", "polygon_error", "pictures", "edges", "crop", "background", "format_", "shard"),
    *("overwrite", "overwrite_hand_work"),
)


def is_stream(photos: Sequence[str], out: str) -> bool:
    """Whether photos come from, or results go to, something that is no folder of files.

    Example:
        >>> [is_stream(*words) for words in ((["a/"], "b"), (["a.tar"], "b"), (["a/"], "b.tar"))]
        [False, True, True]
    """
    containers = (".tar", ".tar.gz", ".tgz", ".parquet")
    return out.endswith(".tar") or any(
        "://" in one or one.lower().endswith(containers) for one in photos
    )


def segment_to_tar(
    photos: Sequence[str],
    out: tuple[str, str, bool],
    search: tuple[AlbumTarget, LoaderOptions],
    typed: Sequence[str],
    *,
    quiet: bool,
) -> None:
    """Search photos wherever they are, and write tars.

    Args:
        photos: as typed.
        out: place of the tar or tars, the run's settings, and whether metadata is left out.
        search: what is looked for, and how.
        typed: names of the options that were given.
        quiet: say only what went wrong.

    Raises:
        InputError: results that are no tar, or options about folders.
    """
    from persam.album.tar_results import TarResults, segment_stream
    from persam.errors import InputError

    place, identity, strip = out
    if not place.endswith(".tar"):
        raise InputError(
            f"Photos of tars, tables and stores have results in tars: --out results.tar, or "
            f"--out results-%06d.tar for numbered ones; got --out {place}."
        )
    refuse([name for name in typed if name in _OF_FOLDERS], "results in tars are masks alone")
    target, loader = search
    results = TarResults(place, target.settings(identity), strip)
    with progress(None, "Looking", quiet=quiet) as step:
        summary = segment_stream(target, photos, results, loader, step)
    if not quiet:
        looked = summary.written - summary.failed
        say(f"{verdict(summary.present, looked, 0, 0)}. Masks: {place}")
        if summary.skipped:
            say(f"{count(summary.skipped, 'photo')} skipped, done already")
    for photo, error in summary.errors[:_NAMED]:
        complain(f"  {named(photo, error)}")
    if summary.failed:
        complain(f"{count(summary.failed, 'photo')} failed; their records say why")
        raise typer.Exit(1)
