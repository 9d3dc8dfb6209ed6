"""`persam merge`: the results of an album's parts, put together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persam.cli.console import complain, count, named, say


def merge(
    parts: Annotated[list[Path], typer.Argument(help="Folders of `persam segment --shard`.")],
    into: Annotated[Path, typer.Option("--into", help="Folder for all results together.")],
    *,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing but what is missing.")
    ] = False,
) -> None:
    """Put the results of an album's parts together, as one run over all of it leaves them.

    Nothing is written over. The same `persam segment` without --shard, into the folder of --into,
    then looks at no photo again, and makes the contact sheet and the labels of all.

    Exit code: 0 all is there, 1 parts or photos are missing or failed, 2 nothing could be done.
    """
    from persam.album.merge import merge_albums

    merged = merge_albums(parts, into)
    if not quiet:
        files = count(merged.copied, "file")
        photos, folders = count(len(merged.records), "photo"), count(len(set(parts)), "part")
        say(f"{photos} of {folders}, {files} copied")
        say(f"Masks: {merged.manifest.parent}")
        if merged.duplicates:
            twice = count(len(merged.duplicates), "photo")
            say(f"{twice} in several parts, alike: {merged.duplicates[0]}")
    for line in merged.gaps:
        complain(f"Missing: {line}")
    if merged.failed:
        complain(f"{count(len(merged.failed), 'photo')} failed:")
    for record in merged.failed:
        complain(f"  {named(record.input, str(record.error))}")
    if merged.gaps or merged.failed:
        raise typer.Exit(1)
