"""`persam correct`: corrected masks become further references of a concept."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from persam.cli.concept_args import stored_concept, stored_concepts
from persam.cli.console import progress, say
from persam.cli.correct_labels import CorrectedLabels, correct_by_labels
from persam.cli.find import OwnModelOption
from persam.cli.model_args import DeviceOption, EngineOption, PrecisionOption
from persam.cli.object_args import ReferenceArgs
from persam.cli.object_options import OrientationOption
from persam.cli.run_args import QuietOption
from persam.errors import InputError
from persam.io.folders import list_images, refuse_overwriting


def correct(
    concept: Annotated[Path, typer.Argument(help="A concept file from `persam learn`.")],
    photos: Annotated[list[Path], typer.Argument(help="Photos, and folders of photos.")],
    out: Annotated[Path, typer.Option("--out", help="The better concept file: *.safetensors.")],
    *,
    masks: Annotated[
        Path | None,
        typer.Option("--masks", help="Folder of corrected masks, PNG files named as the photos."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            help="Instead of masks: labels that were put right in another tool, in any format that "
            "`persam segment --save` writes. Those that nobody changed teach nothing; a deleted "
            "one teaches what the object is not.",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            "--run",
            help="Folder that `persam segment` wrote: the masks have the names of its masks, or "
            "the labels are of it, where they do not lie in it any more.",
        ),
    ] = None,
    mask_orientation: OrientationOption = "ask",
    model: OwnModelOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Learn from masks or labels that were put right, all or none.

    Every mask of the folder is taken as a further reference, with the photo of its name. Photos
    without a mask there are left alone.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"--out names a concept file, as better.safetensors; got {out}.")
    place = {"device": device, "precision": precision, "engine": engine}
    if masks is None or labels is not None:
        if labels is None or masks is not None:
            raise InputError("Say what was put right by --masks DIR or --labels FILE, one of them.")
        photos = list(list_images(photos, recursive=True).photos)
        asked = CorrectedLabels(labels, photos, run)
        correct_by_labels(concept, asked, out, partial(stored_concepts, model=model, **place))
        return
    from persam.cli.correct_masks import corrections, refuse_label_map

    pairs = corrections(list_images(photos).photos, masks, run)
    refuse_overwriting([out], [path for pair in pairs for path in pair], "Choose another --out.")
    for _, mask in pairs:
        refuse_label_map(mask)
    learnt = stored_concept(concept, model, **place)
    with progress(len(pairs), "Learning", quiet=quiet) as step:
        for photo, mask in pairs:
            shown = ReferenceArgs(photo, mask, mask_orientation=mask_orientation).read()
            learnt = learnt.correct(shown.image, mask=shown.mask)
            step()
    learnt.save(out)
    if not quiet:
        for photo, mask in pairs:
            say(f"Took {mask} for {photo}")
        say(f"Learnt from {len(learnt.references)} references now: {out}")
