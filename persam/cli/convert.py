"""`persam convert`: labels from one tool's format into another's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persam.cli.console import complain, count, say
from persam.cli.label_args import ErrorOption, ImagesOption, PicturesOption, tell_problems
from persam.errors import InputError


def convert(
    labels: Annotated[Path, typer.Argument(help="A label file, or the folder of an export.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="coco, yolo, labelme, cvat, label-studio, voc or supervisely.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the labels, new or empty.")],
    *,
    images: ImagesOption = None,
    polygon_error: ErrorOption = 1.0,
    pictures: PicturesOption = "copy",
) -> None:
    """Turn the labels of one tool into another's, with classes, ids, colours and who made them.

    Exit code: 0 everything was converted, 1 some labels could not be read, 2 nothing was done.
    """
    from persam.io.folders import refuse_used
    from persam.io.labels import FORMATS, read_label_set, write_label_set

    if to not in FORMATS:
        raise InputError(f"--to takes {', '.join(FORMATS)}; got {to!r}.")
    refuse_used(out)
    found = tell_problems(read_label_set(labels, images or ()))
    written = write_label_set(found, out, to, error=polygon_error, pictures=pictures)
    marks = sum(len(picture.labels) for picture in found.pictures)
    say(
        f"{count(marks, 'label')} of {count(len(found.classes), 'class', 'classes')} in "
        f"{count(len(found.pictures), 'picture')} written as {to}: {out}"
    )
    for line in written.losses:
        complain(f"Left out: {line}")
    if found.problems:
        raise typer.Exit(1)
