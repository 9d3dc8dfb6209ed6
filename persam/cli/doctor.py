"""`persam doctor`: are the references good, and which photo to label next?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from persam.cli.console import complain, named, progress, say, show
from persam.cli.model_args import (
    DeviceOption,
    EngineOption,
    MatchOption,
    ModelOption,
    PrecisionOption,
    VariantOption,
    resolve_variant,
)
from persam.cli.object_args import ReferenceArgs
from persam.cli.object_options import OrientationOption
from persam.io.folders import list_images, real_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.album.reference_check import Diagnosis, Doubt


def doctor(
    references: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PICTURE:MASK...",
            help="At least two; instead of a mask a box X0,Y0,X1,Y1 or a pixel X,Y on the object.",
        ),
    ] = None,
    *,
    mask_orientation: OrientationOption = "ask",
    system: Annotated[
        bool,
        typer.Option("--system", help="Instead: what is installed, and what would run models."),
    ] = False,
    album: Annotated[
        list[Path] | None,
        typer.Option("--album", help="Photos to choose the next reference from. Repeatable."),
    ] = None,
    model: ModelOption = "pocket",
    match_with: MatchOption = None,
    variant: VariantOption = "default",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing but what is wrong.")
    ] = False,
) -> None:
    """Try every reference on the others, name the bad one, suggest which photo to label next.

    A reference is bad where its agreement with the rest is below half of the rest's among
    themselves; three references are the least of which one can be named. The photo to label next
    is the one that probably has the object and in which the references find the most different
    masks.

    Exit code: 0 no bad reference, 1 there is one or a photo could not be looked at, 2 nothing could
    be done.
    """
    if system:
        _print_system()
        return
    texts = references or ()
    given = [ReferenceArgs.of(text, mask_orientation, as_given=True) for text in texts]
    photos = list_images(album).photos if album else ()
    from persam.album.reference_check import doubts, examine
    from persam.models.loading import load

    backbone = load(model, match_with=match_with, device=device, precision=precision, engine=engine)
    recipe = resolve_variant(variant, "persam", own=backbone.recipe)
    diagnosis = examine(backbone, [one.read() for one in given], recipe)
    if not quiet:
        show(_table(given, diagnosis))
    for number in diagnosis.suspects:
        complain(f"{given[number].picture} does not show what the others show: look at its mask.")
    if not diagnosis.suspects and not quiet:
        say(_no_suspect(len(given)))
    unlabelled = _unlabelled(photos, given)
    with progress(len(unlabelled), "Looking", quiet=quiet) as step:
        ordered = doubts(diagnosis, unlabelled, lambda _: step())
    if album and not quiet:
        say(_suggestion(ordered))
    failed = [doubt for doubt in ordered if doubt.error is not None]
    for doubt in failed:
        complain(named(doubt.photo, str(doubt.error)))
    if diagnosis.suspects or failed:
        raise typer.Exit(1)


def _print_system() -> None:
    from persam.album.pace import pace_file, remembered
    from persam.models.runtime.system import SystemFact, examine_system

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    paces = [
        SystemFact("album", f"{name}: batch {pace.batch}, {pace.jobs} threads beside the model")
        for name, pace in remembered().items()
    ]
    if paces:
        paces[-1] = replace(paces[-1], advice=f"to have it found out anew, delete {pace_file()}")
    for finding in [*examine_system(), *paces]:
        table.add_row(finding.what, finding.found)
        if finding.advice:
            table.add_row("", f"-> {finding.advice}")
    show(table)


def _table(given: Sequence[ReferenceArgs], diagnosis: Diagnosis) -> Table:
    table = Table()
    table.add_column("reference", overflow="fold")
    for title in ("finds the others", "found by them", "presence", ""):
        table.add_column(title, justify="right")
    for number, one in enumerate(given):
        sees = diagnosis.sees(number)
        table.add_row(
            str(one.picture),
            f"{diagnosis.finds(number):.1%}",
            f"{diagnosis.is_found(number):.1%}",
            "-" if sees is None else f"{sees:.3f}",
            "bad" if number in diagnosis.suspects else "",
        )
    return table


def _no_suspect(count: int) -> str:
    if count < 3:
        return "Of two references nobody can say which is wrong: give a third."
    return "No reference is clearly worse than the rest."


def _unlabelled(photos: Sequence[Path], given: Sequence[ReferenceArgs]) -> list[Path]:
    labelled = {real_path(one.picture) for one in given}
    return [photo for photo in photos if real_path(photo) not in labelled]


def _suggestion(ordered: Sequence[Doubt]) -> str:
    """Which photo to label next, of those that could be looked at."""
    seen = [doubt for doubt in ordered if doubt.error is None]
    if not ordered:
        return "Every photo of the album is a reference already."
    if not seen:
        return "No photo of the album could be looked at."
    first = seen[0]
    if not first.worth_a_label:
        return "No photo of the album probably has the object: none is worth a label."
    presence = "" if first.presence is None else f", presence {first.presence:.3f}"
    return (
        f"Label next: {first.photo} (what the references find in it agrees by "
        f"{first.agreement:.1%}{presence})"
    )
