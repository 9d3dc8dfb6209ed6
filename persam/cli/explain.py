"""`persam explain`: every stage of one answer, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from persam.cli.concept_args import stored_concept
from persam.cli.console import say
from persam.cli.model_args import (
    DeviceOption,
    EngineOption,
    MatchOption,
    MethodOption,
    ModelOption,
    PrecisionOption,
    VariantOption,
    resolve_variant,
)
from persam.cli.object_args import Examples, ReferenceArgs
from persam.cli.object_options import (
    AsGivenOption,
    BoxOption,
    LabelOption,
    MaskOption,
    NotPointOption,
    OrientationOption,
    PointOption,
)
from persam.cli.run_args import OverwriteOption
from persam.errors import InputError
from persam.io.folders import refuse_overwriting


def explain(
    photo: Annotated[Path, typer.Argument(help="The photo to explain the answer for.")],
    out: Annotated[Path, typer.Option("--out", help="The page: *.html; or a picture: *.png.")],
    *,
    concept: Annotated[
        Path | None, typer.Option("--concept", help="What `persam learn` wrote.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="A picture that shows the object.")
    ] = None,
    mask: MaskOption = None,
    box: BoxOption = None,
    point: PointOption = None,
    not_point: NotPointOption = None,
    label: LabelOption = None,
    mask_orientation: OrientationOption = "ask",
    as_given: AsGivenOption = False,
    overwrite: OverwriteOption = False,
    method: MethodOption = "persam",
    model: ModelOption = "pocket",
    match_with: MatchOption = None,
    variant: VariantOption = "default",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    engine: EngineOption = "auto",
) -> None:
    """Show how a mask came about: reference, confidence map, points, guide, every decoder call.

    One page that needs no other file. With --concept the object comes from its file, which keeps
    no picture; with --reference and --mask, --box or --point the page shows the reference, too.
    """
    import numpy as np

    from persam.io.own_files import refuse_replacing
    from persam.io.writers import png, write_single

    if (concept is None) == (reference is None):
        raise InputError("Say what is looked for by one of --concept and --reference.")
    if out.suffix.lower() not in (".html", ".png"):
        raise InputError(f"--out names a page (*.html) or a picture (*.png); got {out}.")
    given = [photo, *(path for path in (concept, reference, mask) if path is not None)]
    refuse_overwriting([out], given, "Choose another --out.")
    refuse_replacing(out, overwrite=overwrite)
    place = {"device": device, "precision": precision, "engine": engine}
    if reference is None:
        learnt = stored_concept(Path(str(concept)), None, **place)
    else:
        shown = (mask, box, point, not_point, label, mask_orientation, as_given)
        examples = Examples((ReferenceArgs(reference, *shown),))
        from persam.models.loading import load

        backbone = load(model, match_with=match_with, **place)
        recipe = resolve_variant(variant, method, own=backbone.recipe)
        learnt = examples.learn(backbone, method, recipe)
    from persam.explanation import explain as explained

    found = explained(learnt, photo, reference=reference)
    if out.suffix.lower() == ".png":
        write_single(out, png(np.asarray(found.figure())))
    else:
        found.write(out)
    say(f"{found.sections[0].text}\n{out}")
