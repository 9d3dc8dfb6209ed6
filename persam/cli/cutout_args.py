"""Options that say how cut-outs look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection

    from persam.io.cutouts import CutoutStyle

EdgesOption = Annotated[
    str,
    typer.Option(
        "--edges",
        metavar="soft|hard",
        help="Of cut-outs: soft ones keep hair and fur and lose the old background's colour.",
    ),
]
CropOption = Annotated[
    str | None,
    typer.Option(
        "--crop",
        metavar="MARGIN",
        help="Crop cut-outs to the object and a margin, as 5% of its longer side, or 0.",
    ),
]
BackgroundOption = Annotated[
    str | None,
    typer.Option(
        "--background",
        metavar="COLOUR|FILE|blur",
        help="Lay cut-outs on a colour, a picture, or the photo's own background out of focus.",
    ),
]
FormatOption = Annotated[
    str,
    typer.Option("--format", metavar="png|webp", help="Of cut-outs; WebP files are smaller."),
]
StripOption = Annotated[
    bool,
    typer.Option("--strip", help="Leave the photos' colour profile, EXIF and XMP out of results."),
]
_ONLY_FOR_CUTOUTS = frozenset({"edges", "crop", "background", "format_"})


def cutout_style(
    words: tuple[str, str | None, str | None, str], save: Collection[str], typed: Collection[str]
) -> CutoutStyle:
    """How cut-outs are to look.

    Args:
        words: of ``--edges``, ``--crop``, ``--background`` and ``--format``.
        save: what is to be written.
        typed: names of the parameters that somebody typed.

    Raises:
        InputError: a word that is none of an option's, or an option without cut-outs.
    """
    from persam.io.cutouts import CutoutStyle

    unread = sorted(f"--{name.strip('_')}" for name in _ONLY_FOR_CUTOUTS & set(typed))
    if unread and "cutouts" not in save:
        raise InputError(f"{', '.join(unread)} would do nothing without --save cutouts.")
    edges, crop, background, kind = words
    margin = None if crop is None else _margin(crop)
    return CutoutStyle(edges, margin, background, kind)  # pyright: ignore[reportArgumentType]


def _margin(word: str) -> float:
    """A share, typed as ``5%`` or ``0.05``."""
    number, percent = word.removesuffix("%"), word.endswith("%")
    try:
        return float(number) / (100 if percent else 1)
    except ValueError as error:
        raise InputError(
            f"--crop takes a margin as 5% of the object's longer side, or 0; got {word!r}."
        ) from error
