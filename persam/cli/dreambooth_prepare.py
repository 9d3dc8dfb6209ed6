"""`persam dreambooth prepare`: photos and one reference to folders that trainers read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam.cli.concept_args import digest
from persam.cli.console import complain, say
from persam.cli.model_args import (
    DeviceOption,
    EngineOption,
    MatchOption,
    MethodOption,
    ModelOption,
    PrecisionOption,
    resolve_variant,
)
from persam.cli.object_args import ReferenceArgs, learner
from persam.cli.object_options import (
    AsGivenOption,
    BoxOption,
    LabelOption,
    MaskOption,
    NotPointOption,
    OrientationOption,
    PointOption,
)

if TYPE_CHECKING:
    from persam.dreambooth.prepare import Prepared


def prepare(
    photos: Annotated[list[Path], typer.Argument(help="Photos, and folders of photos.")],
    reference: Annotated[
        Path, typer.Option("--reference", help="A photo that shows the subject; trained on, too.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the subject.")],
    *,
    mask: MaskOption = None,
    box: BoxOption = None,
    point: PointOption = None,
    not_point: NotPointOption = None,
    label: LabelOption = None,
    mask_orientation: OrientationOption = "ask",
    as_given: AsGivenOption = False,
    class_name: Annotated[
        str, typer.Option("--class", help="What kind of thing it is, as dog.")
    ] = "object",
    token: Annotated[
        str, typer.Option("--token", help="The rare word that comes to mean this one.")
    ] = "sks",  # noqa: S107  (no secret)
    caption: Annotated[
        str, typer.Option("--caption", help="Of every photo, with {token} and {class} in it.")
    ] = "a photo of {token} {class}",
    resolution: Annotated[
        int, typer.Option("--resolution", help="Short side of the training pictures, in pixels.")
    ] = 512,
    dilate: Annotated[
        float, typer.Option("--dilate", help="Grow the masks by so many latent cells (8 pixels).")
    ] = 0.0,
    feather: Annotated[
        float, typer.Option("--feather", help="Let them fade out over so many more cells.")
    ] = 0.0,
    background: Annotated[
        list[str] | None,
        typer.Option(
            "--background",
            metavar="COLOUR|PICTURE|FOLDER",
            help="Put the subject before this. May be given again: they take turns.",
        ),
    ] = None,
    keep_unmasked: Annotated[
        bool,
        typer.Option("--keep-unmasked", help="Train on all of a photo without the subject."),
    ] = False,
    repeats: Annotated[
        int, typer.Option("--repeats", help="kohya: how often an epoch shows each picture.")
    ] = 10,
    method: MethodOption = "persam",
    model: ModelOption = "pocket",
    match_with: MatchOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
) -> None:
    """Find the subject in all photos and write folders to train with, for three trainers.

    Exit code: 0 all photos are in, 1 some are not, 2 nothing could be done.
    """
    from persam.dreambooth import prepare as stage
    from persam.dreambooth.subject import Choices
    from persam.io.folders import list_images
    from persam.models.loading import load

    typed = (mask, box, point, not_point, label, mask_orientation, as_given)
    example = ReferenceArgs(reference, *typed)
    choices = Choices(
        class_name,
        token,
        caption,
        resolution,
        dilate,
        feather,
        tuple(background or ()),
        keep_unmasked,
        repeats,
    )
    listing = list_images(photos)
    backbone = load(model, match_with=match_with, device=device, precision=precision, engine=engine)
    recipe = resolve_variant("default", method, own=backbone.recipe)
    shown = example.read()
    concept = learner(method)(backbone, shown, variant=recipe)
    files = tuple(path for path in (reference, mask) if path is not None)
    learnt = (backbone.name, backbone.precision, concept.method, concept.variant)
    words = repr((*learnt, box, point, *example.place[2:]))
    given = stage.ReferencePicture(reference, shown.mask, digest(words, files), files)
    made = stage.prepare(concept, listing.photos, given, out, choices)
    _report(made)
    if made.left_out or made.failed:
        raise typer.Exit(1)


def _report(made: Prepared) -> None:
    folder = made.subject.folder
    say(f"{len(made.subject.photos)} photos of {made.subject.choices.instance_prompt()!r}:")
    for photo in made.subject.photos:
        part = f"{photo.share:.1%} of its cells" if photo.masked else "all of it, without a mask"
        say(f"  {photo.name}: trained on {part}")
    say(f"Look at the masks in {made.sheet}; mend one in {folder / 'found'} and run this again.")
    say(f"Train: persam dreambooth train {folder} --base MODEL")
    say(f"kohya: {folder / 'kohya'}; OneTrainer: {folder / 'onetrainer'}")
    for path in made.left_out:
        complain(f"Left out, the subject was not found: {path} (--keep-unmasked keeps it)")
    for path in made.unmasked:
        complain(f"Kept without a mask, the subject was not found: {path}")
    for record in made.failed:
        complain(f"Failed: {record.input}: {record.error}")
